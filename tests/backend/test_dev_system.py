import os
import sys

import pytest

from tools import system
from tools.console import DevError

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux libraries")


@linux
def test_a_library_that_is_there_loads_and_another_does_not():
    assert system.loads("libc.so.6")
    assert not system.loads("libdepthshot-is-no-library.so.1")


def test_the_line_names_each_package_once_and_asks_for_rights():
    libraries = ["libXi.so.6", "libX11.so.6", "libX11.so.6"]
    line = "apt-get install -y --no-install-recommends libx11-6 libxi6"
    assert system.install_command(libraries, as_root=True) == line
    assert system.install_command(libraries, as_root=False) == f"sudo {line}"


def test_nothing_missing_runs_nothing():
    system.require_libraries(install=True, is_there=lambda name: True, run=pytest.fail)


@linux
def test_missing_libraries_are_named_with_the_line_and_nothing_is_run():
    with pytest.raises(DevError) as caught:
        system.require_libraries(
            install=False, is_there=lambda name: name != "libSM.so.6", run=pytest.fail
        )
    message = str(caught.value)
    assert "(libSM.so.6)" in message
    assert "apt-get install -y --no-install-recommends libsm6\n" in message
    assert "--install-system-libraries" in message


@linux
def test_asked_to_install_it_updates_the_lists_and_installs():
    ran = []
    system.require_libraries(
        install=True, is_there=lambda name: name != "libSM.so.6" or len(ran) == 2, run=ran.append
    )
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert ran == [
        f"{sudo}apt-get update",
        f"{sudo}apt-get install -y --no-install-recommends libsm6",
    ]


@linux
def test_an_installation_that_did_not_help_is_a_failure():
    with pytest.raises(DevError, match=r"libSM\.so\.6 still cannot be loaded"):
        system.require_libraries(
            install=True, is_there=lambda name: name != "libSM.so.6", run=lambda line: None
        )


def test_too_little_disk_says_how_much_and_the_way_out(tmp_path):
    with pytest.raises(DevError) as caught:
        system.require_disk(tmp_path, 6e9, free=1.26e9)
    message = str(caught.value)
    assert "need 6 GB of disk, and 1.3 GB are left" in message
    assert "DEPTHSHOT_ENV_DIR" in message


def test_the_disk_of_a_folder_still_to_be_made_is_asked(tmp_path):
    folder = tmp_path / "not" / "yet"
    system.require_disk(folder, 1.0)
    with pytest.raises(DevError):
        system.require_disk(folder, 1e18)
    assert not folder.parent.exists()
