"""What an export says about how its pictures were made."""

from __future__ import annotations

from ..marks import SOURCE_TYPES, software
from ..take import Take


def disclosure(take: Take) -> str:
    """Return what made a take in one line, for formats that carry a comment and no more."""
    return (
        f"Made with {software()}, model {take.model} {take.revision}."
        f" Digital source type: {source_type(take)}"
    )


def source_type(take: Take) -> str:
    """Return the IPTC digital source type of a take's frames, the address that programs read."""
    return SOURCE_TYPES + take.digital_source_type
