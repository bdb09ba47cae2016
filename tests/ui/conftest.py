"""The Blender with a window, the zip that it installs, and what there is to say at the end."""

import pytest

from tools import build, environments, window
from tools.console import DevError

SAID = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[SAID] = []


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[SAID]:
        terminalreporter.write_line(line)


@pytest.fixture
def say(pytestconfig):
    """Adds a line to what is printed after all tests."""
    return pytestconfig.stash[SAID].append


@pytest.fixture(scope="session")
def blender():
    try:
        return window.find()
    except DevError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return build.build(environments.blender(), tmp_path_factory.mktemp("dist"))
