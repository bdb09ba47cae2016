"""Tests with bpy: the extension enabled once, an empty scene for each test.

Enabled while pytest starts, so that test modules can import `bl_ext.devrepo.depthshot…` at their
top. Everything of the extension is imported under that name alone; `backend.*` would be the same
files a second time.
"""

import tempfile
from pathlib import Path

import pytest

from tools import with_extension

RESOURCES = Path(tempfile.mkdtemp(prefix="depthshot-blender-"))
EXIT_STATUS = pytest.StashKey[int]()


def pytest_configure() -> None:
    with_extension.enable(RESOURCES)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.blender)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    session.config.stash[EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Blender's clean-up at exit can hang: leave without it, now that all is reported."""
    with_extension.remove(RESOURCES)
    # Without a status pytest broke off while it started, and Python has yet to show why.
    if EXIT_STATUS in config.stash:
        with_extension.leave(config.stash[EXIT_STATUS])


@pytest.fixture(autouse=True)
def empty_scene():
    """Blender as after File > New with nothing in it; the extension stays enabled."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    yield bpy.context.scene
