"""From what the artist has set to frozen parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import Context, Scene

from ..backend.errors import (
    BackendNotStarted,
    CaptureError,
    DepthshotError,
    SettingError,
    TargetError,
)
from ..backend.formats import EXR
from ..backend.models import find_card
from ..backend.models.card import Value
from ..backend.models.memory import check_memory
from ..backend.models.plan import plan_frames
from ..backend.models.weights import needed
from ..backend.setup.place import Kind, examine, is_file, is_folder, put_back
from ..preferences import Preferences, preferences
from ..properties import setting_values
from ..scene.camera import picture_size
from ..scene.capture import CaptureSettings
from ..scene.color import linear_obstacle
from ..scene.guides import FLOW, LOCK
from ..scene.session import check_scene, free_objects
from ..scene.targets import chosen_place, find_target
from .backend_place import check_elsewhere
from .folders import check_takes_folder
from .model_weights import shelf
from .pending import MOST_LETTERS
from .this_machine import this_machine

_PAGE = "in Edit > Preferences > Add-ons > Depthshot"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Everything a generation needs, fixed when the artist asks for it.

    Attributes:
        capture: What to capture.
        model: Id of a card, and a value for each of its settings.
        scene_uid: `session_uid` of the scene, which a rename leaves as it is.
        blend: Path of the .blend file, "" when it was never saved.
        target: Id of the target, and the place it is told (`scene.targets`).
        format: What the take's frames are written as (`backend.formats`).
        view: The view transform that scene-linear frames are made for, "" for other formats.
        takes: Folder that gets the take's own folder.
        preferences: As they were.
    """

    capture: CaptureSettings
    model: str
    settings: Mapping[str, Value]
    scene_uid: int
    blend: str
    target: str
    place: str
    format: str
    view: str
    preferences: Preferences

    @property
    def label(self) -> str:
        """A name for the take's folder that every file system takes."""
        return re.sub(r"[^\w-]+", "_", f"{self.capture.scene}-{self.model}")[:80]


def read_request(context: Context) -> GenerationRequest:
    """Return the parameters for the scene of `context`.

    Raises:
        DepthshotError: something is missing or cannot be; nothing was started or changed.
    """
    scene = context.scene
    settings = scene.depthshot
    capture = _capture_settings(scene)
    check_scene(scene, capture)
    _check_target(context)
    _check_format(scene)
    card = find_card(settings.model)
    stored = preferences(context)
    check_paths(stored)
    _check_backend(stored)
    values = _checked_values(scene, stored)
    if stored.elsewhere is None:
        for each in needed(card, values):
            shelf.check(each, stored.data)
    check_takes_folder(stored.takes)
    return GenerationRequest(
        capture=capture,
        model=card.id,
        settings=values,
        scene_uid=scene.session_uid,
        blend=bpy.data.filepath,
        target=settings.target,
        place=chosen_place(settings.target, context),
        format=settings.format,
        view=scene.view_settings.view_transform if settings.format == EXR else "",
        preferences=stored,
    )


def still_frame(scene: Scene) -> int:
    """Return the frame of the scene's shot that its still shows."""
    settings = scene.depthshot
    frames = {
        "FIRST": settings.frames.start,
        "CURRENT": scene.frame_current,
        "CHOSEN": settings.still_frame,
    }
    return frames[settings.still_choice]


def why_not(context: Context) -> str | None:
    """Return why nothing can be generated from the scene as it is, None if it can."""
    if bpy.app.is_job_running("RENDER"):
        return "Blender is rendering; wait until it has finished"
    try:
        check_scene(context.scene, _capture_settings(context.scene))
        _check_target(context)
        _check_format(context.scene)
        stored = preferences(context)
        check_paths(stored)
        _check_backend_is_there(stored)
        _checked_values(context.scene, stored)
    except DepthshotError as reason:
        return str(reason)
    return None if stored.elsewhere is not None else _lacking(context.scene, stored.data)


def check_paths(stored: Preferences) -> None:
    """See that every path of the preferences can be used as it is set.

    Raises:
        SettingError: one cannot.
    """
    for sentence in stored.refused.values():
        raise SettingError(sentence)


def _checked_values(scene: Scene, stored: Preferences) -> dict[str, Value]:
    """Return the value of every setting of the scene's model.

    Raises:
        SettingError: they do not go together, or not with the shot or this machine.
    """
    settings = scene.depthshot
    card = find_card(settings.model)
    values = card.check_settings(setting_values(settings, card))
    frames, size = settings.frames, picture_size(scene.render)
    still = still_frame(scene) - frames.start
    plan_frames(card, values, size=size, count=len(frames), stills=(still,))
    if stored.elsewhere is None and this_machine.found is not None:
        check_memory(card, values, this_machine.found.device)
    return values


def _lacking(scene: Scene, data: Path) -> str | None:
    """Return which weights are not here, by no more than a look or two at each redraw."""
    card = find_card(scene.depthshot.model)
    found = (shelf.look(each, data) for each in needed(card, setting_values(scene.depthshot, card)))
    return next((weights.trouble for weights in found if weights.trouble), None)


def _check_backend(stored: Preferences) -> None:
    check_elsewhere(stored)
    if stored.elsewhere is not None:
        return
    _check_python(stored)
    if stored.own_environment:
        put_back(stored.data)
        _check_environment(stored)


def _check_backend_is_there(stored: Preferences) -> None:
    """See that there is a backend to start, by no more than a look or two at each redraw."""
    if stored.elsewhere is not None:
        return
    _check_python(stored)
    if stored.own_environment and not any(
        is_folder(stored.data / name) for name in ("env", "env-before")
    ):
        _check_environment(stored)


def _check_python(stored: Preferences) -> None:
    if not stored.own_environment and not is_file(stored.backend_python):
        raise BackendNotStarted(
            f"There is no Python at '{stored.backend_python}', which Backend Python {_PAGE}"
            " names; choose another, or empty the field and press Install there."
        )


def _check_environment(stored: Preferences) -> None:
    found = examine(stored.data, chosen=stored.device)
    if found.kind is Kind.MISSING:
        raise BackendNotStarted(f"The backend is not installed; press Install {_PAGE}.")
    if not found.usable:
        raise BackendNotStarted(f"The backend cannot be used: {found.words} It is {_PAGE}.")


def _check_target(context: Context) -> None:
    identifier = context.scene.depthshot.target
    reason = find_target(identifier).why_not(context)
    if reason is not None:
        raise TargetError(f"{reason}.")
    if len(chosen_place(identifier, context)) > MOST_LETTERS:
        raise TargetError("Too many objects are selected to remember them all; select fewer.")


def _check_format(scene: Scene) -> None:
    obstacle = linear_obstacle(scene) if scene.depthshot.format == EXR else None
    if obstacle is not None:
        raise CaptureError(f"{obstacle}.")


def _capture_settings(scene: Scene) -> CaptureSettings:
    settings = scene.depthshot
    frames = settings.frames
    render = settings.still_source == "RENDER"
    guides = find_card(settings.model).guides
    return CaptureSettings(
        scene=scene.name,
        frame_start=frames.start,
        frame_end=frames.stop - 1,
        still_source=settings.still_source,
        still_image=None if render else _still_image(settings.still_image),
        still_frame=still_frame(scene),
        supersample=2 if render and settings.supersample else 1,
        with_flow=FLOW.name in guides,
        free=free_objects(settings.free) if LOCK.name in guides and settings.free else None,
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt,
        seed=settings.seed,
        name=scene.name,
    )


def _still_image(path: str) -> Path:
    if not path:
        raise CaptureError("No image is chosen for the still; choose one or render it.")
    image = Path(bpy.path.abspath(path))
    if not image.is_file():
        raise CaptureError(f"The still's image '{image}' is not there; choose another one.")
    return image
