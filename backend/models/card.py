"""What is known of a model before anything is loaded: its card and its settings.

Panels and the command line draw and check settings from here, so this needs the standard library
alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from ..fields import quoted

Value = bool | int | float | str
SourceType = Literal["algorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing an artist can set: its name, default, range or choices, and help in a sentence.

    The type is that of `default`: bool, int, float or str. A str setting has `choices`.
    `unless` names a bool setting of the same card that, when true, leaves this one without effect.
    """

    name: str
    label: str
    default: Value
    help: str
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()
    unless: str = ""

    def check(self, value: object) -> Value:
        """Return `value` as this setting's type; text from a command line is converted.

        Raises:
            SettingError: wrong type, out of range, or not one of the choices.
        """
        kind = type(self.default)
        converted = _from_text(value, kind) if isinstance(value, str) else value
        if kind is float and isinstance(converted, int) and not isinstance(converted, bool):
            converted = float(converted)
        fits = type(converted) is kind
        if fits and kind in (int, float):
            fits = self.least <= converted <= self.most
        if fits and kind is str:
            fits = converted in self.choices
        if not fits:
            raise SettingError(f"'{self.name}' must be {self._wanted()}, not {quoted(value)}.")
        return converted

    def to_json(self) -> dict[str, object]:
        """Return the JSON object shown by `models --json` and the server."""
        value: dict[str, object] = {
            "name": self.name,
            "label": self.label,
            "type": type(self.default).__name__,
            "default": self.default,
            "help": self.help,
        }
        if math.isfinite(self.least):
            value["least"] = self.least
        if math.isfinite(self.most):
            value["most"] = self.most
        if self.choices:
            value["choices"] = list(self.choices)
        if self.unless:
            value["unless"] = self.unless
        return value

    def _wanted(self) -> str:
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class FrameRule:
    """Numbers of frames a model can make: `multiple` * k + `offset`, at most `most`."""

    multiple: int = 1
    offset: int = 0
    most: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this rule."""
        return {"multiple": self.multiple, "offset": self.offset, "most": self.most}


@dataclass(frozen=True, slots=True)
class Card:
    """One model of a family, known before anything is loaded.

    Attributes:
        id: What `--model` takes.
        label: Its name in menus.
        family: Name of its folder under `backend/models`.
        summary: One sentence: what it does and for whom.
        licence: SPDX identifier or name of the licence of its weights (of its code, without any).
        download_bytes: Size of what has to be downloaded once, 0 for none.
        revision: Pinned revision of its weights (those that ship: `weights.fingerprint`), or the
            version of its code.
        guides: Guides it uses, most important first.
        settings: What an artist can set.
        size_multiple: Width and height have to be multiples of this; 1 for any.
        frame_rule: Which numbers of frames it can make.
        fps: Frame rate it was made for, None for any.
        learned: Whether it generates with trained weights (decides the digital source type).
        takes_prompt: Whether the shot's words change what it makes.
        takes_seed: Whether the seed does.
        phases: The parts of its work that it reports, in order, each with its share of the time;
            the shares add up to 1.
    """

    id: str
    label: str
    family: str
    summary: str
    licence: str
    download_bytes: int
    revision: str
    guides: tuple[str, ...]
    settings: tuple[Setting, ...]
    learned: bool
    takes_prompt: bool = False
    takes_seed: bool = False
    phases: tuple[tuple[str, float], ...] = ()
    size_multiple: int = 1
    frame_rule: FrameRule = FrameRule()
    fps: float | None = None

    def share_done(self, phase: str, done: int, total: int) -> float | None:
        """Return how much of all its work is done, 0 to 1, when `done` of `total` of `phase` are.

        None for a phase that the card does not name.
        """
        before = 0.0
        for name, share in self.phases:
            if name == phase:
                return min(1.0, before + share * min(done / max(total, 1), 1.0))
            before += share
        return None

    @property
    def ships_weights(self) -> bool:
        """Whether its weights lie in the family's folder; `revision` is then their fingerprint."""
        return self.learned and self.download_bytes == 0

    @property
    def digital_source_type(self) -> SourceType:
        """IPTC DigitalSourceType of frames this model makes."""
        return "compositeWithTrainedAlgorithmicMedia" if self.learned else "algorithmicMedia"

    def check_settings(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return a value for every setting: those given, checked, and defaults for the rest.

        Raises:
            SettingError: a name this model does not have, or a value its setting does not allow.
        """
        known = {setting.name: setting for setting in self.settings}
        for name in values:
            if name not in known:
                names = ", ".join(known) or "none"
                raise SettingError(
                    f"The model '{self.id}' has no setting {quoted(name)}; it has: {names}."
                )
        return {
            name: setting.check(values[name]) if name in values else setting.default
            for name, setting in known.items()
        }

    def to_json(self) -> dict[str, object]:
        """Return the JSON object shown by `models --json` and the server."""
        return {
            "id": self.id,
            "label": self.label,
            "family": self.family,
            "summary": self.summary,
            "licence": self.licence,
            "download_bytes": self.download_bytes,
            "revision": self.revision,
            "guides": list(self.guides),
            "learned": self.learned,
            "digital_source_type": self.digital_source_type,
            "takes_prompt": self.takes_prompt,
            "takes_seed": self.takes_seed,
            "size_multiple": self.size_multiple,
            "frame_rule": self.frame_rule.to_json(),
            "fps": self.fps,
            "settings": [setting.to_json() for setting in self.settings],
        }


def _from_text(text: str, kind: type) -> object:
    if kind is bool:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            text.lower(), text
        )
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text
