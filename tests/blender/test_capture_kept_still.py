"""A still is kept when the rest of its capture is not."""

import json

from tests.blender import shots, test_capture_kept

scene, again = test_capture_kept.scene, test_capture_kept.again


def test_a_still_outlives_a_capture_that_was_cancelled_after_it(scene, tmp_path):
    cache = tmp_path / "cache"
    cancelled = shots.start(scene, cache, end=6)
    shots.step_until(cancelled, lambda progress: progress.phase == "guides")
    cancelled.cancel()
    (kept_still,) = cache.glob("still-*/still.png")
    # Marked, to know it again.
    marked = kept_still.read_bytes() + b"the one that was kept"
    kept_still.write_bytes(marked)
    (kept_still.parent / "kept.json").write_text(json.dumps({"still.png": len(marked)}))
    finished = again(scene, tmp_path, end=6, prompt="rain")
    assert not finished.reused
    assert (finished.folder / "still.png").read_bytes() == marked
    assert list(cache.glob("still-*")) == [], "the whole capture has it"


def test_a_damaged_still_is_rendered_again(scene, tmp_path):
    cache = tmp_path / "cache"
    cancelled = shots.start(scene, cache, end=6)
    shots.step_until(cancelled, lambda progress: progress.phase == "guides")
    cancelled.cancel()
    (kept_still,) = cache.glob("still-*/still.png")
    kept_still.write_bytes(b"torn")
    finished = again(scene, tmp_path, end=6)
    assert (finished.folder / "still.png").read_bytes().endswith(b"IEND\xaeB`\x82")
