"""A still is kept when the rest of its capture is not."""

import json

import pytest

from tests.blender import shots
from tests.blender.recaptures import again, furnish


@pytest.fixture
def scene(empty_scene, tmp_path):
    return furnish(empty_scene, tmp_path)


@pytest.fixture
def kept_still(scene, tmp_path):
    """The file of a still that was rendered for a capture which was cancelled after it."""
    cancelled = shots.start(scene, tmp_path / "cache", end=6)
    shots.step_until(cancelled, lambda progress: progress.phase == "guides")
    cancelled.cancel()
    (kept_still,) = (tmp_path / "cache").glob("still-*/still.png")
    return kept_still


def test_a_still_outlives_a_capture_that_was_cancelled_after_it(scene, kept_still, tmp_path):
    # Marked, to know it again.
    marked = kept_still.read_bytes() + b"the one that was kept"
    kept_still.write_bytes(marked)
    (kept_still.parent / "kept.json").write_text(json.dumps({"still.png": len(marked)}))
    finished = again(scene, tmp_path, end=6, prompt="rain")
    assert not finished.reused
    assert (finished.folder / "still.png").read_bytes() == marked
    assert list((tmp_path / "cache").glob("still-*")) == [], "the whole capture has it"


def test_a_damaged_still_is_rendered_again(scene, kept_still, tmp_path):
    kept_still.write_bytes(b"torn")
    finished = again(scene, tmp_path, end=6)
    assert (finished.folder / "still.png").read_bytes().endswith(b"IEND\xaeB`\x82")
