"""A take's folder as the artist chooses it in the file browser, and what became of its files.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

from pathlib import Path

from bpy.props import BoolProperty, StringProperty
from bpy.types import Context

from ..backend.take import Take, hash_file
from ..scene.compat import RELATIVE_PATH


class AsksForTake:
    """Beside `Operator`: the properties that the file browser fills in."""

    directory: StringProperty(
        name="Take",
        description="The take's folder, the one with take.json in it",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"} | RELATIVE_PATH,
    )
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def ask(self, context: Context) -> set[str]:
        """Let the artist look for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


def file_notes(folder: Path, take: Take) -> list[str]:
    """Return what to know about the files of a take that this file shows, a sentence each.

    Every file is read once. Whether one is missing that is needed, what shows the take finds out.
    """
    lost, changed = [], []
    for path, expected in take.files.items():
        if not (folder / path).is_file():
            lost.append(path)
        elif hash_file(folder / path) != expected:
            changed.append(path)
    notes = []
    if lost:
        notes.append(
            f"{len(lost)} of the take's files are gone, '{lost[0]}' first; what shows it here needs"
            " none of them, but bring them back or generate the take again to use it otherwise."
        )
    if changed:
        notes.append(
            f"{len(changed)} of the take's files are not as they were made, '{changed[0]}' first;"
            " if nobody has retouched them, they are damaged: generate the take again."
        )
    return notes
