"""Which backend is meant: the one of this machine, or one elsewhere that the preferences name."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlsplit

import bpy

from ..backend.client import Local, Remote, read_remote
from ..backend.errors import AddressRefused
from ..backend.paths import ROOT
from ..backend.remote import is_loopback
from ..preferences import Preferences
from .pending import Pending


def place_of(stored: Preferences) -> Local | Remote:
    """Return the backend that the preferences mean.

    Raises:
        AddressRefused: address, token or fingerprint cannot be used.
    """
    elsewhere = stored.elsewhere
    if elsewhere is None:
        return Local(stored.backend_python, ROOT, stored.data)
    return read_remote(elsewhere.address, elsewhere.token, elsewhere.fingerprint)


def check_elsewhere(stored: Preferences) -> None:
    """See that a backend elsewhere can be asked; a tunnel's near end is this machine itself.

    Raises:
        AddressRefused: it cannot be used as it is set, or Blender is not to use the network.
    """
    place = place_of(stored)
    if isinstance(place, Local) or bpy.app.online_access:
        return
    if not is_loopback(urlsplit(place.url).hostname or ""):
        raise AddressRefused(
            f"The backend at {place.url} is on the network, which Blender may not use; turn on"
            " Allow Online Access in Preferences > System, or use the backend of this machine."
        )


def where_it_is(pending: Pending, stored: Preferences) -> Preferences:
    """Return the preferences with which a job's own backend is found.

    Raises:
        AddressRefused: it is on a machine that the preferences do not name.
    """
    if not pending.server:
        return dataclasses.replace(stored, elsewhere=None)
    place = place_of(stored)
    # Another way to it will do: the store it names is compared once it answers.
    if isinstance(place, Remote):
        return stored
    raise AddressRefused(
        f"The take is with the backend at {pending.server}; set that address in Edit > Preferences"
        " > Add-ons > Depthshot and choose Fetch Take."
    )
