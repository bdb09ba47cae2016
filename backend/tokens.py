"""The token of a server that somebody starts by hand: kept, so that other machines can know it.

A server that Blender starts has one of its own, anew each time, and never reads this one.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from .errors import StorageError
from .paths import make_private

_BYTES = 32
_TOKEN = re.compile(r"[\w-]{40,200}", re.ASCII)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def token_file(data_dir: Path) -> Path:
    """Return the path of the file that keeps the token (POSIX mode 0600)."""
    return data_dir / "token"


def kept_token(data_dir: Path, *, new: bool = False) -> str:
    """Return the token of a data folder, made if there is none or a new one is asked for.

    Raises:
        StorageError: it cannot be read or written, is no token, or others could have read it.
    """
    path = token_file(data_dir)
    try:
        if new or not path.exists():
            make_private(data_dir)
            _write(path, secrets.token_urlsafe(_BYTES), new=new)
        if os.name == "posix" and path.stat().st_mode & _OTHERS:
            raise StorageError(
                f"'{path}' is open to other users of this machine, who may have read the token;"
                " make another with 'python -m backend token --new'."
            )
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as reason:
        raise StorageError(
            f"The token in '{path}' cannot be kept ({getattr(reason, 'strerror', '') or reason});"
            " see that the folder can be written, or choose another with --data."
        ) from reason
    if not _TOKEN.fullmatch(token):
        raise StorageError(
            f"'{path}' holds no token; make another with 'python -m backend token --new'."
        )
    return token


def _write(path: Path, token: str, *, new: bool) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{token}\n")
    if new or not path.exists():
        fresh.replace(path)
    else:  # another process was faster: its token stands
        fresh.unlink()
