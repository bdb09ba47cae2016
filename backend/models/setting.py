"""What an artist can set of a model, and which values go together.

Panels and the command line draw and check settings from here, so this needs the standard library
alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import SettingError
from ..fields import quoted

Value = bool | int | float | str
_ALIKE = 0.6  # of 1: names that are no nearer are another word


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing an artist can set: its name, default, range or choices, and help in a sentence.

    The type is that of `default`: bool, int, float or str. A str setting has `choices`.
    `unless` names a bool setting of the same card that, when true, leaves this one without effect.
    An `advanced` one is seldom set; panels show it apart.
    """

    name: str
    label: str
    default: Value
    help: str
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()
    unless: str = ""
    advanced: bool = False

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
            raise SettingError(f"'{self.name}' must be {self.wanted}, not {quoted(value)}.")
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
        if self.advanced:
            value["advanced"] = True
        return value

    @property
    def wanted(self) -> str:
        """What it may be, in words: "a number from 0 to 1"."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class Ordered:
    """Two numbers of a card's settings of which the first must not be above the second.

    Attributes:
        lower: Name of the first.
        upper: Name of the second.
        way_out: What to do where it is, the end of a sentence.
        strict: Whether they must not be equal either.
        unset: What either is where it is left open, so that nothing is asked of it; None for
            nothing.
        unit: Of both, in the sentence.
    """

    lower: str
    upper: str
    way_out: str
    strict: bool = False
    unset: float | None = None
    unit: str = ""

    def check(self, values: Mapping[str, Value]) -> None:
        """See that they are in order.

        Raises:
            SettingError: they are not.
        """
        least, most = float(values[self.lower]), float(values[self.upper])
        if self.unset in (least, most) or least < most or (least == most and not self.strict):
            return
        low, high = f"{least:g}{self.unit}", f"{most:g}{self.unit}"
        if self.strict:
            raise SettingError(
                f"'{self.lower}' ({low}) must be less than '{self.upper}' ({high}); {self.way_out}."
            )
        raise SettingError(
            f"'{self.lower}' ({low}) must not be above '{self.upper}' ({high}); {self.way_out}."
        )


def check_values(
    settings: Iterable[Setting],
    rules: Iterable[Ordered],
    given: Mapping[str, object],
    *,
    whose: str,
) -> dict[str, Value]:
    """Return a value for every setting: those given, checked, and defaults for the rest.

    Args:
        settings: Of a card.
        rules: What has to go together.
        given: By name; of the values some may be text.
        whose: Id of the card, for messages.

    Raises:
        SettingError: a name that is none of theirs, a value that its setting does not allow, or two
            that do not go together.
    """
    known = {setting.name: setting for setting in settings}
    for name in given:
        if name not in known:
            names = ", ".join(known) or "none"
            if (near := _nearest(name, known)) is not None:
                raise SettingError(
                    f"The model '{whose}' has no setting {quoted(name)}; did you mean '{near}'? It"
                    f" has: {names}."
                )
            raise SettingError(
                f"The model '{whose}' has no setting {quoted(name)}; it has: {names}."
            )
    values = {
        name: setting.check(given[name]) if name in given else setting.default
        for name, setting in known.items()
    }
    for rule in rules:
        rule.check(values)
    return values


def _nearest(name: str, known: Mapping[str, Setting]) -> str | None:
    """Return the setting that may have been meant by a name, or by its label; None for none."""
    by_words = {setting.label.casefold(): each for each, setting in known.items()} | {
        each: each for each in known
    }
    found = get_close_matches(name.casefold().replace("-", "_"), by_words, 1, _ALIKE)
    return by_words[found[0]] if found else None


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
