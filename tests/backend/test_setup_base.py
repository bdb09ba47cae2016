"""The Python that a backend is made from."""

import sys
from pathlib import Path

from backend.setup import pythons


def test_blenders_python_comes_first_then_one_of_the_system(tmp_path):
    version = sys.version_info[:2]
    assert pythons.for_backend(sys.executable) == (Path(sys.executable), version)
    # As with a Blender whose Python cannot make environments.
    found = pythons.for_backend("/nowhere/python", accepted=(version,))
    assert found is not None and found[1] == version
    assert pythons.for_backend("/nowhere/python", accepted=((3, 99),), path="") is None
