"""The whole way as a newcomer runs it: `dev.py demo` at a small size, and its .blend moved."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.models import cards
from backend.take import verify_take
from backend.wire import read_shot
from tools.demo import true_frames
from tools.demo_pictures import column_titles

ROOT = Path(__file__).resolve().parents[2]
FRAMES, WIDTH, HEIGHT = 8, 208, 120

LOOK = """
import json, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
found = []
for scene in bpy.data.scenes:
    editor = scene.sequence_editor
    for strip in (getattr(editor, "strips", None) or editor.sequences) if editor else ():
        found.append({
            "scene": scene.name,
            "directory": strip.directory,
            "there": [
                __import__("os").path.isfile(bpy.path.abspath(strip.directory + element.filename))
                for element in strip.elements
            ],
            "start": strip.frame_final_start,
            "length": strip.frame_final_duration,
            "fps": scene.render.fps / scene.render.fps_base,
        })
print("FOUND " + json.dumps(found))
"""


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "dev.py", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=170,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "out"
    done = dev("demo", "--out", str(out), "--size", f"{WIDTH}x{HEIGHT}", "--frames", str(FRAMES))
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.timeout(180)
def test_demo_leaves_what_it_promises(demo):
    promised = {"demo.blend", "shot", "take", "truth", "preview.mp4", "contact.png", "score.json"}
    assert {path.name for path in demo.iterdir()} == promised
    assert sum(1 for _ in (demo / "truth/frames").iterdir()) == len(true_frames(FRAMES, full=False))


def test_take_belongs_to_the_shot(demo):
    shot, take = read_shot(demo / "shot"), verify_take(demo / "take")
    assert (take.frames, take.size, take.fps) == (FRAMES, (WIDTH, HEIGHT), shot.fps)
    assert take.model == cards()[0].id == "draft"
    assert take.revision == cards()[0].revision
    assert shot.frames == FRAMES
    assert take.generated[0] == 0.0
    assert 0 < take.generated[-1] < 0.5


def test_frame_of_the_still_is_the_still(demo):
    """Blender writes the still with 16 bit; OpenCV reads all of them, Pillow only the upper 8."""
    import cv2

    still = cv2.imread(str(demo / "shot/still.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert still.dtype == np.uint16
    with Image.open(demo / "take/frames/0001.png") as image:
        frame = np.asarray(image)
    np.testing.assert_array_equal(frame, np.round(still / 65535 * 255).astype(np.uint8))


def test_take_is_closer_to_the_truth_than_the_still_is(demo):
    score = json.loads((demo / "score.json").read_text(encoding="utf-8"))
    with Image.open(demo / "take/frames/0001.png") as image:
        still = np.asarray(image).astype(float)
    errors = {"take": [], "still": []}
    for path in sorted((demo / "truth/frames").iterdir())[2:]:
        with Image.open(path) as image:
            truth = np.asarray(image).astype(float)
        with Image.open(demo / "take/frames" / path.name) as image:
            errors["take"].append(np.mean((np.asarray(image) - truth) ** 2))
        errors["still"].append(np.mean((still - truth) ** 2))
    assert np.mean(errors["take"]) < 0.5 * np.mean(errors["still"])
    assert score


def test_blend_opens_complete_after_its_folder_moved(demo, tmp_path):
    moved = tmp_path / "another place"
    shutil.copytree(demo, moved)
    script = tmp_path / "look.py"
    script.write_text(LOOK, encoding="utf-8")
    done = dev("blender", str(script), str(moved / "demo.blend"))
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    (strip,) = json.loads(line.removeprefix("FOUND "))
    assert strip["directory"].startswith("//")
    assert strip["there"] == [True] * FRAMES
    assert (strip["start"], strip["length"], strip["fps"]) == (1, FRAMES, 24.0)
    assert strip["scene"] == "Courtyard edit"


def test_demo_refuses_a_folder_with_other_things(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    done = dev("demo", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "thesis.txt" in done.stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_frames_say_that_they_were_generated_by_a_trained_model(demo):
    with Image.open(demo / "take/frames/0002.png") as image:
        text = image.text
    assert text["Model"].startswith("draft ")
    assert "/compositeWithTrainedAlgorithmicMedia" in text["XML:com.adobe.xmp"]


def test_the_contact_sheet_says_which_model_made_the_take(demo):
    titles = column_titles(json.loads((demo / "take/take.json").read_text(encoding="utf-8")))
    assert "take (draft, seed 0)" in titles


def test_true_frames_are_pairs_over_the_whole_shot():
    frames = true_frames(48, full=False)
    assert len(frames) == 12
    assert (frames[0], frames[-1]) == (2, 48)
    assert all(frame + 1 in frames for frame in frames[::2])
    assert true_frames(48, full=True) == list(range(2, 49))
