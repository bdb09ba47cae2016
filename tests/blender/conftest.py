"""Tests with bpy: the extension enabled once, an empty scene for each test.

Enabled while pytest starts, so that test modules can import `bl_ext.devrepo.depthshot…` at their
top. Everything of the extension is imported under that name alone; `backend.*` would be the same
files a second time.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tools import with_extension

RESOURCES = Path(tempfile.mkdtemp(prefix="depthshot-blender-"))
EXIT_STATUS = pytest.StashKey[int]()


def pytest_configure() -> None:
    with_extension.enable(RESOURCES)


def pytest_addoption(parser):
    parser.addoption(
        with_extension.FURTHER_BLENDER,
        action="store_true",
        help="this is not the first Blender: leave out what is marked as the same in each",
    )


def pytest_collection_modifyitems(config, items):
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.blender)
    if config.getoption(with_extension.FURTHER_BLENDER, default=False):
        done = [item for item in here if item.get_closest_marker("once")]
        items[:] = [item for item in items if item not in done]
        config.hook.pytest_deselected(items=done)


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
    # Without a window a new file keeps the window manager, and with it the last test's take.
    status = getattr(bpy.context.window_manager, "depthshot", None)
    for name in () if status is None else type(status).__annotations__:
        status.property_unset(name)
    yield bpy.context.scene


@pytest.fixture
def unsaved(empty_scene, backend_python):
    """A tiny scene to generate from, in no file."""
    from tests.blender.generations import furnish

    return furnish(empty_scene)


@pytest.fixture
def shot(unsaved, tmp_path):
    """The same in a saved file."""
    import bpy

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return unsaved


@pytest.fixture
def stored():
    """The stored preferences, as they were afterwards."""
    import bpy
    from bl_ext.devrepo.depthshot.preferences import EXTENSION

    stored = bpy.context.preferences.addons[EXTENSION].preferences
    yield stored
    for name in ("takes_folder", "backend_python", "data_folder"):
        stored.property_unset(name)


@pytest.fixture(scope="module")
def backend_python():
    """`dev.py test` says where the backend's Python is; without it the checkout's own is used."""
    from bl_ext.devrepo.depthshot.backend.paths import ROOT
    from bl_ext.devrepo.depthshot.preferences import PYTHON_VARIABLE

    with pytest.MonkeyPatch.context() as patch:
        if PYTHON_VARIABLE not in os.environ:
            folder = "Scripts/python.exe" if os.name == "nt" else "bin/python"
            patch.setenv(PYTHON_VARIABLE, str(ROOT / ".env/backend" / folder))
        yield


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The zip that artists install."""
    from tests.environments import here
    from tools import build

    return build.build(here(), tmp_path_factory.mktemp("dist"))


@pytest.fixture
def backend(backend_python):
    """The backend that generations use."""
    import bpy
    from bl_ext.devrepo.depthshot.backend.client import Backend
    from bl_ext.devrepo.depthshot.backend.paths import ROOT
    from bl_ext.devrepo.depthshot.preferences import preferences

    stored = preferences(bpy.context)
    backend = Backend.start_or_attach(stored.backend_python, ROOT, stored.data)
    yield backend
    backend.close()


@pytest.fixture
def own_jobs(backend):
    """Returns the jobs that the backend has had since the test began: tests share one."""
    before = {job["id"] for job in backend.jobs()}
    return lambda: [job for job in backend.jobs() if job["id"] not in before]


@pytest.fixture
def page(stored, tmp_path, monkeypatch):
    """The stored preferences of somebody who has installed nothing and may use the network."""
    import bpy
    from bl_ext.devrepo.depthshot.operators.backend_care import care
    from bl_ext.devrepo.depthshot.preferences import PYTHON_VARIABLE

    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    stored.data_folder = str(tmp_path / "data")
    system = bpy.context.preferences.system
    before = system.use_online_access
    system.use_online_access = True
    care.__init__()
    yield stored
    care.abandon()
    care.__init__()
    system.use_online_access = before
    for name in ("device", "starts_itself", "use_elsewhere"):
        stored.property_unset(name)


@pytest.fixture(scope="module")
def checkout_python(backend_python):
    """The path of the Python that the backend of this checkout runs with."""
    from bl_ext.devrepo.depthshot.preferences import PYTHON_VARIABLE

    return os.environ[PYTHON_VARIABLE]


@pytest.fixture
def served(checkout_python, page):
    """The same with the backend of this checkout in the field Backend Python."""
    import bpy
    from bl_ext.devrepo.depthshot.backend import running
    from bl_ext.devrepo.depthshot.preferences import preferences

    page.backend_python = checkout_python
    yield page
    running.stop(preferences(bpy.context).data)
