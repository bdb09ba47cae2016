"""Every exception Depthshot raises on purpose, on one page.

The message of each is one sentence in the artist's words that names what is wrong and the way
out. Low-level exceptions are translated into one of these exactly once, where they are understood.

    DepthshotError
    ├── ShotError            the shot (shot.json, a still, a guide, the zip) is not usable
    ├── TakeError            a take folder is incomplete or damaged
    ├── SettingError         an unknown model, or a setting outside its card
    ├── ModelError           a model cannot be loaded: weights or a package are missing or damaged
    │   └── HubUnreachable       where its weights come from cannot be reached, or is busy
    ├── CaptureError         the scene cannot be captured (camera, missing data, failed child)
    ├── TargetError          a take cannot be put where it should go in Blender
    ├── ExportError          a take or shot cannot be exported as asked
    ├── StorageError         the disk is full or a folder cannot be written
    ├── SetupError           the backend's environment cannot be made or removed
    ├── Cancelled            somebody asked for the work to stop
    └── BackendError         the backend process, on this machine or another
        ├── BackendNotStarted    it could not be started, or died while starting
        ├── BackendLost          it ended, or no longer answers
        ├── AddressRefused       address, token or certificate of one elsewhere cannot be used
        ├── ProtocolMismatch     another version of Depthshot is answering
        ├── RequestRefused       it answered with an error of its own
        └── JobFailed            the job itself failed; the message is the job's
"""

from __future__ import annotations


class DepthshotError(Exception):
    """Base of all errors with a message fit to show to the artist."""


class ShotError(DepthshotError):
    """The shot is not usable; the message names the field and, where there is one, the frame."""


class TakeError(DepthshotError):
    """A take folder is incomplete or damaged."""


class SettingError(DepthshotError):
    """An unknown model, or a setting that its card does not allow."""


class ModelError(DepthshotError):
    """A model cannot be loaded: its weights or a package it needs are missing or damaged."""


class HubUnreachable(ModelError):
    """The hub of a model's weights cannot be reached, or is busy; what has arrived is kept."""


class CaptureError(DepthshotError):
    """The scene cannot be captured as it is."""


class TargetError(DepthshotError):
    """A take cannot be put where it should go in Blender."""


class ExportError(DepthshotError):
    """A take or shot cannot be exported as asked."""


class StorageError(DepthshotError):
    """Writing failed: no space, no permission, or a folder that is gone."""


class SetupError(DepthshotError):
    """The backend's environment cannot be made or removed."""


class Cancelled(DepthshotError):
    """The work was stopped on request; what is finished is kept.

    Attributes:
        goes_on: Whether there is something that doing the same again would go on from.
    """

    def __init__(self, message: str, *, goes_on: bool = False) -> None:
        super().__init__(message)
        self.goes_on = goes_on


class BackendError(DepthshotError):
    """Something is wrong with the backend process."""


class BackendNotStarted(BackendError):
    """The backend could not be started, or ended while starting."""


class BackendLost(BackendError):
    """The backend ended or stopped answering."""


class AddressRefused(BackendError):
    """The address, token or certificate set for a backend elsewhere cannot be used."""


class ProtocolMismatch(BackendError):
    """The backend that answers speaks another protocol version."""


class RequestRefused(BackendError):
    """The backend answered a request with an error; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class JobFailed(BackendError):
    """A job ended in an error."""
