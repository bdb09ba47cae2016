"""What a job says while it runs: from the model to the worker, the server and the artist."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .errors import BackendError
from .fields import Fields

KINDS = ("progress", "frame", "warning", "done", "failed", "cancelled")
FINAL = frozenset({"done", "failed", "cancelled"})
_MOST = 2**53


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a job.

    Attributes:
        kind: "progress", "frame", "warning", or one of the last: "done", "failed", "cancelled".
        seq: Number within the job, rising from 1; 0 before the server has stored it.
        phase, done, total: Of a progress event: `done` of `total` parts of `phase` are finished.
        share: Of a progress event: how much of all the model's work is done, 0 to 1.
        index: Of a frame event: 0-based output index whose files are complete on disk.
        message: Of a warning or a failure: one sentence for the artist.
    """

    kind: str
    seq: int = 0
    phase: str = ""
    done: int = 0
    total: int = 0
    share: float = 0.0
    index: int | None = None
    message: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing follows this event."""
        return self.kind in FINAL

    def numbered(self, seq: int) -> Event:
        """Return the same event with its number."""
        return replace(self, seq=seq)

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this event, with the fields of its kind alone."""
        value: dict[str, object] = {"seq": self.seq, "kind": self.kind}
        if self.kind == "progress":
            value |= {"phase": self.phase, "done": self.done, "total": self.total}
            value["share"] = round(self.share, 4)
        elif self.kind == "frame":
            value["index"] = self.index
        elif self.kind in ("warning", "failed"):
            value["message"] = self.message
        return value

    @classmethod
    def from_json(cls, value: object) -> Event:
        """Read an event.

        Raises:
            BackendError: a field is missing or wrong.
        """
        fields = Fields.of(value, place="An event", error=BackendError)
        kind = fields.text("kind", most=20)
        if kind not in KINDS:
            raise fields.wrong("kind", "one of " + ", ".join(KINDS), kind)
        seq = fields.integer("seq", least=0, most=_MOST, default=0)
        if kind == "progress":
            return cls(
                kind,
                seq,
                phase=fields.text("phase", most=200),
                done=fields.integer("done", least=0, most=_MOST),
                total=fields.integer("total", least=0, most=_MOST),
                share=fields.number("share", least=0, most=1, default=0.0),
            )
        if kind == "frame":
            return cls(kind, seq, index=fields.integer("index", least=0, most=_MOST))
        if kind in ("warning", "failed"):
            return cls(kind, seq, message=fields.text("message", most=20_000))
        return cls(kind, seq)
