"""A connection that breaks is an error in a sentence, and not the end of Blender."""

from __future__ import annotations

import signal


def survive() -> None:
    """Let writing to what somebody has closed be an error, as in every Python program.

    Blender's own Python leaves SIGPIPE as the system has it (POSIX): a server that ends while a
    shot is sent to it would take Blender, and what the artist has not saved, with it. It stays so
    once the extension is gone, since its threads may still be sending. Programs that are started
    get the system's way back from `subprocess`.
    """
    broken = getattr(signal, "SIGPIPE", None)  # Windows has none
    if broken is not None and signal.getsignal(broken) is signal.SIG_DFL:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
