"""The Hugging Face hub as `pull` asks it: which files there are, and the bytes of one.

The library lists, signs in and explains refusals; the bytes are read here. Its own download begins
a file anew in each process, whether by HTTP or by Xet (huggingface_hub 2.4), and a file of these
models has 10 GB: here what has arrived is gone on with. Xet is therefore off, and asking for a
range over HTTP, which every file of the hub can be had by, takes its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, TypeVar

from ..errors import HubUnreachable, ModelError
from .card import Card
from .snapshot import wanted

KEPT = "what has arrived is kept, and the next try goes on with it"
_T = TypeVar("_T")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository.

    Attributes:
        name: Its path in the repository, with "/".
        size: Bytes.
        digest: SHA-256 of its content for a large file, the name of its git blob for a small one.
    """

    name: str
    size: int
    digest: str


def is_offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user has asked the hub's tools to stay off the network."""
    said = environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in {"1", "ON", "YES", "TRUE"}


class Source:
    """A card's repository on the hub, at its pinned revision."""

    def __init__(self, card: Card) -> None:
        # Before the library is imported, which is when it reads them.
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        os.environ["DO_NOT_TRACK"] = "1"
        os.environ["HF_HUB_DISABLE_XET"] = "1"
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
        from huggingface_hub import constants, get_token
        from huggingface_hub.utils import build_hf_headers

        self._card = card
        self._has_token = bool(get_token())
        self._headers = build_hf_headers(library_name="depthshot")
        self._page = f"{constants.ENDPOINT}/{card.hub.repository}"
        self._timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT

    def files(self) -> list[RemoteFile]:
        """Return the files of the repository that the card needs, in the hub's order.

        Raises:
            ModelError: the hub does not give the list, or there is none of the files.
        """
        from huggingface_hub import HfApi

        card = self._card
        try:
            said = self._asked(
                lambda: HfApi(library_name="depthshot").model_info(
                    card.hub.repository,
                    revision=card.revision,
                    files_metadata=True,
                    timeout=self._timeout,
                )
            )
        except (ValueError, KeyError, TypeError) as reason:  # as the library reads it
            raise HubUnreachable(
                f"What answers at {self._page} is not the hub; see whether this network asks you to"
                " sign in first, or clear HF_ENDPOINT."
            ) from reason
        found = [
            RemoteFile(each.rfilename, each.size, each.lfs.sha256 if each.lfs else each.blob_id)
            for each in said.siblings or ()
            if wanted(card.hub, each.rfilename)
        ]
        if said.sha != card.revision:
            raise self._no_revision()
        if not found:
            raise ModelError(
                f"The hub has none of the files of '{card.id}' in '{card.hub.repository}'; update"
                " Depthshot."
            )
        for file in found:
            _check(file)
        return found

    def fetch(self, file: RemoteFile, stream: BinaryIO, arrived: Callable[[int], None]) -> None:
        """Append to `stream` what it lacks of a file; `arrived` is called with how much it has.

        It may get more than the file's size, by less than a chunk, from a hub that is wrong.

        Raises:
            HubUnreachable: the connection failed; the stream has what had arrived.
            ModelError: the hub does not give the file.
            OSError: the stream cannot be written.
        """
        self._asked(lambda: self._read(file, stream, arrived))

    def _read(self, file: RemoteFile, stream: BinaryIO, arrived: Callable[[int], None]) -> None:
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import hf_raise_for_status

        url = hf_hub_url(self._card.hub.repository, file.name, revision=self._card.revision)
        # Compressed, a file would have neither its size nor ranges.
        headers = self._headers | {"Accept-Encoding": "identity"}
        if stream.tell():
            headers["Range"] = f"bytes={stream.tell()}-"
        client = get_session()
        with client.stream("GET", url, headers=headers, timeout=self._timeout) as response:
            hf_raise_for_status(response)
            if response.status_code != 206:  # all of it, whatever was asked for
                stream.seek(0)
                stream.truncate()
            for chunk in response.iter_bytes():  # as they come: none is lost when it is cut
                stream.write(chunk)
                arrived(stream.tell())
                if stream.tell() > file.size:
                    return

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """Return what `ask` does; the library's errors become sentences."""
        import httpx2
        from huggingface_hub import errors

        try:
            return ask()
        except errors.HfHubHTTPError as reason:
            raise self._explained(reason) from reason
        except errors.OfflineModeIsEnabled as reason:
            raise offline(self._card) from reason
        except httpx2.HTTPError as reason:
            raise HubUnreachable(
                f"The connection to {self._page} failed or was cut ({_words(reason)}); {KEPT}."
            ) from reason

    def _explained(self, reason: Exception) -> ModelError:
        from huggingface_hub import errors

        card, status = self._card, reason.response.status_code
        if isinstance(reason, errors.RevisionNotFoundError):
            return self._no_revision()
        if isinstance(reason, errors.GatedRepoError) or (
            card.hub.gated and isinstance(reason, errors.RepositoryNotFoundError)
        ):
            return self._gated()
        if isinstance(reason, errors.RepositoryNotFoundError) and (
            status == 404 or not self._has_token  # without one, what is private is not told apart
        ):
            return ModelError(f"The hub has no '{card.hub.repository}'; update Depthshot.")
        if status in (401, 403):
            return ModelError(
                f"The hub refuses your token for '{card.hub.repository}' (HTTP {status}); set"
                " HF_TOKEN to a valid one that may read it, or sign in with `hf auth login`."
            )
        if status in _BUSY:
            return HubUnreachable(f"The hub is busy or out of order (HTTP {status}); {KEPT}.")
        return ModelError(
            f"The hub does not give '{card.hub.repository}' (HTTP {status}); update Depthshot, or"
            " try again later."
        )

    def _no_revision(self) -> ModelError:
        return ModelError(
            f"The hub has no revision {self._card.revision} of '{self._card.hub.repository}';"
            " update Depthshot."
        )

    def _gated(self) -> ModelError:
        if self._has_token:
            return ModelError(
                f"The account of your token has no access to the weights of '{self._card.id}'; ask"
                f" for it at {self._page}, and pull again when it is granted."
            )
        return ModelError(
            f"The weights of '{self._card.id}' are given only to accounts that asked; ask for"
            f" access at {self._page}, then set HF_TOKEN or sign in with `hf auth login`."
        )


def offline(card: Card) -> ModelError:
    """Return the error for a download that was asked for while offline."""
    return ModelError(
        f"The weights of '{card.id}' are not on this computer, and HF_HUB_OFFLINE forbids to"
        " fetch them; unset that variable, or bring the weights from another computer."
    )


def _check(file: RemoteFile) -> None:
    """Refuse what would be written elsewhere than below the snapshot's folder."""
    path = PurePosixPath(file.name)
    outside = path.is_absolute() or ".." in path.parts or re.search(r'[\\:*?"<>|]', file.name)
    if outside or not _DIGEST.fullmatch(file.digest or "") or file.size is None or file.size < 0:
        raise ModelError(f"The hub lists a file that cannot be: '{file.name}'; update Depthshot.")


def _words(reason: Exception) -> str:
    return str(reason).rstrip(".") or type(reason).__name__
