"""Small JSON objects that are kept beside the weights: read whole, changed one at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError, StorageError
from ..fields import read_json
from ..locks import FileLock
from ..paths import make_private
from . import hub

_LOCK_SECONDS = 10.0
_LARGEST = 1_000_000
Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class Beside:
    """One such object, in <data>/weights/<name>.json.

    Attributes:
        name: Of its file and of its lock.
        again: What to do anew once a damaged one was removed.
    """

    name: str
    again: str

    def path(self, data: Path | None) -> Path:
        """Return where it is in a data folder, None for the user's own; it may not exist."""
        return hub.home(data) / f"{self.name}.json"

    def read(self, data: Path | None) -> Values:
        """Return it; an empty one where there is none.

        Raises:
            ModelError: it cannot be read.
        """
        values = self._whole(data)
        if values is None:
            raise self.damaged(data)
        return values

    def _whole(self, data: Path | None) -> Values | None:
        """Return it, None for a damaged one."""
        path = self.path(data)
        if not path.is_file():
            return {}
        try:
            value = read_json(path, error=ModelError, largest=_LARGEST)
        except ModelError as reason:
            if isinstance(cause := reason.__cause__, OSError):  # it may well be whole
                raise ModelError(
                    f"'{path}' cannot be read ({cause.strerror or cause}); make it readable."
                ) from cause
            return None
        return value if isinstance(value, dict) else None

    def damaged(self, data: Path | None) -> ModelError:
        """Return the error for one that is not what it has to be."""
        return ModelError(f"'{self.path(data)}' is damaged; remove it, and {self.again}.")

    def change(
        self, data: Path | None, change: Callable[[Values], Values], *, renew: bool = False
    ) -> Path | None:
        """Put what `change` makes of it in its place; nothing where that is empty.

        Args:
            data: The data folder, None for the user's own.
            change: Returns what it shall be of what it is.
            renew: Whether a damaged one is set aside, in place of an earlier such one, and a new
                one begun.

        Returns:
            Where the damaged one was put, None where it was not.

        Raises:
            ModelError: it cannot be read.
            StorageError: it cannot be written.
        """
        path = self.path(data)
        part = path.with_name(f"{path.name}.part")
        try:
            make_private(path.parent)
            with FileLock(path.with_suffix(".lock"), timeout=_LOCK_SECONDS):  # two may be at it
                before = self._whole(data)
                if before is None and not renew:
                    raise self.damaged(data)
                values = change(before or {})
                if values:
                    with part.open("w", encoding="utf-8") as stream:
                        stream.write(json.dumps(values, indent=1) + "\n")
                        stream.flush()
                        os.fsync(stream.fileno())  # else a power cut may leave an empty one
                aside = None
                if before is None:  # not before a new one is written: it would be lost unsaid
                    aside = path.replace(path.with_name(f"{path.name}.damaged"))
                if values:
                    part.replace(path)
                else:
                    path.unlink(missing_ok=True)
                return aside
        except OSError as reason:
            raise StorageError(
                f"'{path.parent}' cannot be written ({reason.strerror or reason}); make room or"
                " choose another data folder."
            ) from reason
