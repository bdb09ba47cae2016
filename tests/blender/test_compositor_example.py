"""The example of compositing by depth, run as its first lines say, at a tiny size."""

import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
from bl_ext.devrepo.depthshot.scene import compat

from tests.blender import composited, takes

ROOT = Path(__file__).parents[2]
SIZE = (156, 90)
FRAMES = 3


def run(*arguments, **variables):
    """Runs the example as `dev.py blender` does."""
    command = [sys.executable, "-P", ROOT / "tools/with_extension.py", "examples/compositing.py"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_added_things_stand_in_front_of_and_behind_generated_pixels(backend_python, tmp_path):
    out = tmp_path / "out"
    size = ("--size", "{}x{}".format(*SIZE), "--frames", FRAMES, "--samples", 1)
    ended = run(out, *size, "--model", "projection", DEPTHSHOT_DATA_DIR=str(tmp_path / "data"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (out / "pictures.jpg").is_file()
    (folder,) = (out / "depthshot").glob("[!.]*")
    shown = takes.read(out / "compositing.png")
    taken = takes.read(folder / f"frames/{FRAMES:04d}.png")
    generated = takes.read(folder / f"mask/{FRAMES:04d}.png")[..., 0] == 255

    bpy.ops.wm.open_mainfile(filepath=str(out / "compositing.blend"), load_ui=False)
    scene = bpy.data.scenes["Courtyard"]
    tree = compat.compositor_tree(scene)
    (added,) = [node for node in tree.nodes if getattr(node, "layer", "") == "Added"]
    tree.links.new(added.outputs["Alpha"], composited.output(scene))
    scene.view_settings.view_transform = "Raw"
    whole = takes.render(scene, tmp_path / "alpha.png", FRAMES)[..., 0]

    # AgX is undone to within a few code values.
    kept = (np.abs(shown - taken) <= 8).all(axis=-1)
    assert kept[whole == 0].mean() > 0.97
    in_front, behind = (whole == 255) & ~kept, (whole == 255) & kept
    assert 0.02 < (whole == 255).mean() < 0.2
    assert (in_front & generated).sum() >= 10
    assert (behind & generated).sum() >= 10


def test_a_take_made_before_is_used_and_a_missing_one_is_said(tmp_path):
    (tmp_path / "none").mkdir()
    ended = run(tmp_path / "out", "--take", tmp_path / "none")
    assert ended.returncode == 1
    assert "'none' is no take; choose the folder" in ended.stdout + ended.stderr
