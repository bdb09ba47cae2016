"""The demo's Blender: build the scene, generate through the extension, save the file.

Run by `dev.py demo` with the extension enabled. Writes `demo.blend`, `shot/` and `take/` into --out
and the seconds of its parts as JSON into --times.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import time
from pathlib import Path

import bpy
from bl_ext.devrepo.depthshot.backend.wire import read_shot, write_shot
from bl_ext.devrepo.depthshot.operators.folders import USED_NAMES
from bl_ext.devrepo.depthshot.operators.generation import Generation, Outcome
from bl_ext.devrepo.depthshot.operators.request import GenerationRequest, read_request
from bl_ext.devrepo.depthshot.preferences import EXTENSION
from bl_ext.devrepo.depthshot.scene.compat import strips
from bl_ext.devrepo.depthshot.scene.kept import SIZES_FILE
from bl_ext.devrepo.depthshot.scene.settings import CaptureSettings

from examples.places import courtyard
from tools.console import say

STEP_SECONDS = 0.02
SAY_SECONDS = 2.0


def build_scene(size: tuple[int, int], frames: int) -> bpy.types.Scene:
    """Make the demo's scene the only one of the empty file that is open."""
    empty = bpy.context.scene
    scene = courtyard.build(size=size, frames=frames)
    bpy.context.window.scene = scene
    bpy.data.scenes.remove(empty)
    return scene


def generate(request: GenerationRequest, times: dict[str, float]) -> Generation:
    """Generate as the panel's button does, showing progress on the terminal."""
    generation = Generation.start(bpy.context, request)
    part, began, said = "", time.monotonic(), 0.0
    while generation.outcome is None:
        generation.step()
        now = time.monotonic()
        stage = generation.clock.phase.partition(":")[0].lower()
        if stage != part:
            if part:
                times[part] = times.get(part, 0.0) + now - began
            part, began = stage, now
        if now - said > SAY_SECONDS:
            say(f"  {generation.clock.share:4.0%}  {generation.clock.phase}")
            said = now
        time.sleep(STEP_SECONDS)
    times[part] = times.get(part, 0.0) + time.monotonic() - began
    return generation


def rename_take(generation: Generation, folder: Path) -> None:
    """Give the take's folder the name that the demo promises; its strip follows."""
    generation.folder.rename(folder)
    editor = bpy.data.scenes[generation.landed.scene].sequence_editor
    strip = strips(editor)[generation.landed.strip]
    strip.directory = bpy.path.relpath(str(folder / "frames")) + "/"
    strip.name = folder.name


def copy_shot(captured: Path, asked: CaptureSettings, folder: Path) -> None:
    """Copy the captured files, and write the words of the request beside them."""
    shutil.copytree(captured, folder, ignore=shutil.ignore_patterns(SIZES_FILE))
    shot = dataclasses.replace(
        read_shot(folder),
        name=asked.name,
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        seed=asked.seed,
    )
    write_shot(shot, folder)


def main() -> int:
    """Do what the command line asks for."""
    options = argparse.ArgumentParser()
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--size", required=True)
    options.add_argument("--frames", type=int, required=True)
    options.add_argument("--times", type=Path, required=True)
    given = options.parse_args()
    width, _, height = given.size.partition("x")
    times: dict[str, float] = {}
    began = time.monotonic()
    build_scene((int(width), int(height)), given.frames)
    blend = given.out / "demo.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    times["scene"] = time.monotonic() - began
    stored = bpy.context.preferences.addons[EXTENSION].preferences
    stored.takes_folder = str(given.out)
    stored.data_folder = os.environ["DEPTHSHOT_DATA_DIR"]
    request = read_request(bpy.context)
    generation = generate(request, times)
    for sentence in generation.warnings:
        say(f"  note: {sentence}")
    if generation.outcome is not Outcome.DONE:
        say(generation.message)
        return 1
    rename_take(generation, given.out / "take")
    (given.out / USED_NAMES).unlink()  # its name is not one of a row
    copy_shot(generation.shot, request.capture, given.out / "shot")
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    blend.with_suffix(".blend1").unlink(missing_ok=True)
    given.times.write_text(json.dumps(times), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
