"""Small JSON objects that are kept beside the weights: read whole, changed one at a time."""

from __future__ import annotations

import json
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
        path = self.path(data)
        if not path.is_file():
            return {}
        value = read_json(path, error=ModelError, largest=_LARGEST)
        if not isinstance(value, dict):
            raise self.damaged(data)
        return value

    def damaged(self, data: Path | None) -> ModelError:
        """Return the error for one that is not what it has to be."""
        return ModelError(f"'{self.path(data)}' is damaged; remove it, and {self.again}.")

    def change(self, data: Path | None, change: Callable[[Values], Values]) -> None:
        """Put what `change` makes of it in its place; nothing where that is empty.

        Raises:
            ModelError: it cannot be read.
            StorageError: it cannot be written.
        """
        path = self.path(data)
        part = path.with_name(f"{path.name}.part")
        try:
            make_private(path.parent)
            with FileLock(path.with_suffix(".lock"), timeout=_LOCK_SECONDS):  # two may be at it
                values = change(self.read(data))
                if not values:
                    path.unlink(missing_ok=True)
                    return
                part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
                part.replace(path)
        except OSError as reason:
            raise StorageError(
                f"'{path.parent}' cannot be written ({reason.strerror or reason}); make room or"
                " choose another data folder."
            ) from reason
