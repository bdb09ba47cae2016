"""Typed reading of untrusted JSON: every wrong value gives one sentence that names its field.

`Fields` wraps one JSON object and the place it was found at (``shot.json: cameras[3]``). Its
methods return a value of the asked type or raise the given error class.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import DepthshotError

_QUOTE = reprlib.Repr()
_QUOTE.maxlevel = 3  # a repr without limits could be as deep and as long as the value
_LONGEST_QUOTE = _QUOTE.maxstring = _QUOTE.maxother = 60


class _RefusedError(ValueError):
    """JSON that Python takes and Depthshot does not; the message says what it is."""


def quoted(value: object) -> str:
    """Return `value` as it is shown in a message, shortened."""
    text = _QUOTE.repr(value)
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."


def read_json(path: Path, *, error: type[DepthshotError], largest: int) -> object:
    """Read a JSON file of at most `largest` bytes.

    Raises:
        error: the file is missing, too large, not UTF-8, or not JSON (NaN is not JSON).
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(largest + 1)
    except OSError as reason:
        raise error(f"{path.name} cannot be read: {reason.strerror or reason}.") from reason
    if len(data) > largest:
        raise error(f"{path.name} is larger than {largest} bytes, which no shot or take needs.")
    return parse_json(data, name=path.name, error=error)


def parse_json(data: bytes, *, name: str, error: type[DepthshotError]) -> object:
    """Parse JSON bytes strictly (no NaN or Infinity, no absurd nesting).

    Raises:
        error: the bytes are not JSON in UTF-8.
    """

    def refuse(constant: str) -> object:
        raise _RefusedError(f"{constant} is not a number there")

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise _RefusedError("a field is given twice")
        return values

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError) as reason:
        raise error(f"{name} is not valid JSON: {_flaw(reason)}; write it again.") from reason


def _flaw(reason: ValueError | RecursionError) -> str:
    """Return in plain words why `parse_json` did not take something."""
    if isinstance(reason, json.JSONDecodeError):
        return f"it goes wrong in line {reason.lineno}, at character {reason.colno}"
    if isinstance(reason, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if isinstance(reason, RecursionError):
        return "it is nested too deeply"
    if isinstance(reason, _RefusedError):
        return str(reason)
    return "it has a number with too many digits"  # the one other limit of Python's parser


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object, the place it stands at, and the error its wrong values raise."""

    values: Mapping[str, object]
    place: str
    error: type[DepthshotError]

    @classmethod
    def of(cls, value: object, *, place: str, error: type[DepthshotError]) -> Fields:
        """Wrap `value`, which must be a JSON object."""
        if not isinstance(value, Mapping):
            raise error(f"{place} must be a JSON object, not {quoted(value)}.")
        return cls(value, place, error)

    def wrong(self, name: str, wanted: str, value: object) -> DepthshotError:
        """Return the error that says what `name` must be and what it is."""
        return self.error(f"{self.place}: '{name}' must be {wanted}, not {quoted(value)}.")

    def get(self, name: str, default: object = ...) -> object:
        """Return the raw value; without a default a missing field is an error."""
        if name in self.values:
            return self.values[name]
        if default is ...:
            raise self.error(f"{self.place}: the field '{name}' is missing.")
        return default

    def number(
        self,
        name: str,
        *,
        above: float = -math.inf,
        least: float = -math.inf,
        most: float = math.inf,
        default: object = ...,
    ) -> float:
        """Return a finite float greater than `above` and in [least, most]."""
        value = self.get(name, default)
        try:
            usable = not isinstance(value, bool) and isinstance(value, int | float)
            number = float(value) if usable else math.nan
        except OverflowError:
            number = math.nan
        if not (math.isfinite(number) and above < number and least <= number <= most):
            limits = [
                f" {word} {limit:g}"
                for word, limit in (("above", above), ("from", least), ("up to", most))
                if math.isfinite(limit)
            ]
            raise self.wrong(name, "a finite number" + ",".join(limits), value)
        return number

    def integer(self, name: str, *, least: int, most: int, default: object = ...) -> int:
        """Return an integer in [least, most]."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(name, f"a whole number from {least} to {most}", value)
        return value

    def text(self, name: str, *, most: int, default: object = ...) -> str:
        """Return a string of at most `most` characters that UTF-8 can carry."""
        value = self.get(name, default)
        if not isinstance(value, str) or len(value) > most:
            raise self.wrong(name, f"text of at most {most} characters", value)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as reason:
            raise self.wrong(name, "text without lone surrogates", value) from reason
        return value

    def items(self, name: str, *, least: int, most: int, default: object = ...) -> list[object]:
        """Return a list with `least` to `most` entries."""
        value = self.get(name, default)
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise self.wrong(name, f"a list of {least} to {most} entries", value)
        return value

    def child(self, name: str, default: object = ...) -> Fields:
        """Return a nested object."""
        return Fields.of(self.get(name, default), place=f"{self.place}: '{name}'", error=self.error)
