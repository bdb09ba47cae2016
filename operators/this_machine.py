"""What is known of this machine: `model_cost` finds it out, and requests are held against it."""

from __future__ import annotations

from ..backend.models.machine import Machine


class ThisMachine:
    """Remembers what was found.

    Attributes:
        found: None while nobody has looked.
    """

    def __init__(self) -> None:
        self.found: Machine | None = None


this_machine = ThisMachine()
