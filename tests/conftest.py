"""What every test shares: nothing a test does reaches the user's own data."""

import importlib.util
import os
from pathlib import Path

import pytest

# Read when torch is loaded. As in `backend.generate.quiet_libraries`: threads that spin while they
# wait make tests many times slower beside anything else that runs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# The folder of this name needs bpy, which only Blender's environment has.
collect_ignore = [] if importlib.util.find_spec("bpy") else ["blender"]


@pytest.fixture(scope="session", autouse=True)
def own_user_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, jobs and tokens lie in the user's data folder: tests get one of their own.

    What they leave out of runs that they try is not what this run leaves out either.
    """
    folder = tmp_path_factory.mktemp("user-data")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(variable, str(folder / variable.lower()))
        patch.delenv("DEPTHSHOT_LEFT_OUT", raising=False)
        yield folder
