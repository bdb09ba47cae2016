"""The two import rules of docs/architecture.md: who may import what, and what Blender can load.

One test reads the sources, the other imports every module that Blender can reach while everything
that a real Blender lacks is blocked.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"backend", "operators", "panels", "preferences", "properties", "scene"}
BLENDERS = {"bpy", "bpy_extras", "mathutils", "bmesh", "gpu", "blf", "addon_utils", "bl_ui"}
# What code inside Blender may import of the backend; blocked-imports test below loads all of it.
REACHABLE = (
    "bundle",
    "client",
    "connection",
    "errors",
    "events",
    "exr_encode",
    "fields",
    "formats",
    "geometry",
    "locks",
    "marks",
    "models",
    "paths",
    "png",
    "remote",
    "rendezvous",
    "running",
    "setup",
    "take",
    "wire",
)
# What trains and what is trained also run where there is torch and little else: on a rented GPU,
# in another Python.
PORTABLE = (
    "backend/models/draft/condition.py",
    "backend/models/draft/load.py",
    "backend/models/draft/network.py",
    "backend/models/draft/pipeline.py",
    "backend/models/draft/tiles.py",
    "backend/projection/",
    "backend/training/",
)
PORTABLE_NEEDS = {"torch", "numpy", "diffusers", "safetensors"}
PORTABLE_OWN = (*REACHABLE, "projection", "training")
# Reads rendered shots, once, where the whole backend is; its command imports it late.
NOT_PORTABLE = "backend/training/prepare.py"
# Loading any of these would need the backend's environment.
IN_BLENDER = sorted(f"backend.{name}" for name in REACHABLE)


COMPAT = "scene/compat.py"
# The only words with which shipped code asks Blender what it is or has. A scene without Cycles is
# one where its add-on is off, which happens in every version.
ASKS_BLENDER = re.compile(r"app\.version\b|\bhasattr\(")
NO_VERSION = 'hasattr(scene, "cycles")'


def extension_sources() -> list[Path]:
    """Every Python file that ships."""
    folders = [ROOT / name for name in sorted(OURS) if (ROOT / name).is_dir()]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    roots = [ROOT / f"{name}.py" for name in ("__init__", "preferences", "properties")]
    return sorted(files) + [path for path in roots if path.is_file()]


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Every (level, dotted name, whether it runs) that a file imports, inside functions as well.

    Level 0 is absolute. `from . import a, b` gives (1, "a") and (1, "b"). What stands below
    `if TYPE_CHECKING:` does not run.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        runs = node not in for_types
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, runs) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = f"{node.module}." if node.module else ""
            yield from ((node.level, f"{start}{alias.name}", runs) for alias in node.names)


def resolved(path: Path, level: int, name: str) -> tuple[str, ...]:
    """A relative import as names from the repository root; ("..",) if it leaves the root."""
    folder = path.relative_to(ROOT).parts[:-1]
    if level - 1 > len(folder):
        return ("..",)
    return (*folder[: len(folder) - (level - 1)], *name.split("."))


def broken_rules(path: Path) -> Iterator[str]:
    """A sentence for every import of a file that breaks a rule."""
    where = path.relative_to(ROOT)
    inside_backend = where.parts[0] == "backend"
    for level, name, runs in imports(path):
        top = name.split(".")[0]
        target = resolved(path, level, name) if level else (top,)
        if not level and top in OURS:
            yield f"{where} imports {name} by its absolute name"
        if inside_backend and top in BLENDERS and not level:
            yield f"{where} is in backend/ and imports {name}"
        if inside_backend and level and target[0] != "backend":
            yield f"{where} is in backend/ and its relative import of {name} leaves it"
        if not inside_backend and target[0] == "torch":
            yield f"{where} is outside backend/ and imports {name}"
        if not inside_backend and target[0] == "backend" and target[1] not in REACHABLE:
            yield f"{where} imports backend.{target[1]}, which needs more than Blender has"
        if target[:2] == ("backend", "training") and where.parts[:2] != target[:2]:
            yield f"{where} imports backend.training, which does not ship"
        portable = where.as_posix().startswith(PORTABLE) and where.as_posix() != NOT_PORTABLE
        if runs and portable:
            yield from missing_elsewhere(where, level, target)
        if where.parts[0] == "scene" and target[0] in OURS - {"backend", "scene"}:
            yield f"{where} is in scene/ and imports {target[0]}, which is above it"


def missing_elsewhere(where: Path, level: int, target: tuple[str, ...]) -> Iterator[str]:
    """A sentence if a portable file imports what needs more than it may."""
    if not level and target[0] not in PORTABLE_NEEDS | sys.stdlib_module_names:
        yield f"{where} has to run without {target[0]} and imports it"
    if level and target[1] not in PORTABLE_OWN:
        yield f"{where} has to run anywhere and imports backend.{target[1]}"


def test_sources_import_only_what_they_may():
    files = extension_sources()
    assert ROOT / "backend" / "wire.py" in files, "the walk has lost the sources"
    assert [sentence for path in files for sentence in broken_rules(path)] == []


def test_no_test_imports_another():
    """What several use is in a helper, fixtures in a conftest.py: else tests hang together."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert Path(__file__).resolve() in files, "the walk has lost the tests"
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for _, name, _ in imports(path)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("backend/x.py", "def f():\n    import bpy.types", "imports bpy.types"),
        ("backend/models/x/y.py", "from ....scene import camera", "leaves it"),
        ("backend/x.py", "from backend.wire import Shot", "absolute name"),
        ("scene/x.py", "import torch", "imports torch"),
        ("scene/x.py", "from ..backend.media import read", "more than Blender has"),
        ("panels/x.py", "from ..backend import jobs", "more than Blender has"),
        ("scene/guides/x.py", "from ... import operators", "above it"),
        ("backend/models/draft/x.py", "from ...training import train", "does not ship"),
        ("backend/cli/x.py", "from .. import training", "does not ship"),
        ("backend/training/x.py", "import cv2", "has to run without cv2"),
        ("backend/models/draft/load.py", "from ...media import read", "imports backend.media"),
    ],
)
def test_a_broken_rule_is_found(monkeypatch, tmp_path, file, source, expected):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert [expected in sentence for sentence in broken_rules(path)] == [True]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("backend/training/scenes/x.py", "from ..loss import mean\nimport torch.nn"),
        ("backend/training/x.py", "from ..models.draft.network import DraftNetwork"),
        ("backend/models/draft/load.py", "import json\nfrom ...errors import ModelError"),
        ("backend/projection/x.py", "if TYPE_CHECKING:\n    from ..reader import ShotReader"),
    ],
)
def test_what_may_be_imported_is_no_broken_rule(monkeypatch, tmp_path, file, source):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert list(broken_rules(path)) == []


def test_the_list_for_people_is_the_one_that_is_tested():
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    (listed,) = re.findall(r"Code outside it imports of `backend` only (.+?)\. These", text)
    assert tuple(re.findall(r"`(\w+)`", listed)) == REACHABLE


def test_no_module_at_the_root_hides_a_standard_one():
    names = {path.stem for path in ROOT.glob("*.py")} | {
        path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()
    }
    assert names & sys.stdlib_module_names == set()


def test_the_search_path_is_never_changed():
    changed = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in extension_sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"
    ]
    assert changed == []


def families() -> list[str]:
    """The package of every model family."""
    packages = (ROOT / "backend" / "models").glob("*/__init__.py")
    return sorted(f"backend.models.{path.parent.name}" for path in packages)


# Blocks every module that is neither the standard library's, nor ours, nor in a real Blender.
_LOAD = """
import importlib, sys

ALLOWED = {"backend", "numpy", "requests", "urllib3", "idna", "certifi", "charset_normalizer"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"{name} is not in a real Blender", name=name)

sys.meta_path.insert(0, Blocker())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def load(*names: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", _LOAD, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [*IN_BLENDER, "backend.models.card", *families()])
def test_loads_with_what_a_real_blender_has(name):
    done = load(name)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["torch", "diffusers", "pydantic", "fastapi", "OpenImageIO", "PIL"]
)
def test_the_block_blocks(name):
    done = load(name)
    assert f"{name} is not in a real Blender" in done.stderr


def test_what_differs_between_blenders_is_asked_in_one_place():
    asked = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in extension_sources()
        if path.relative_to(ROOT).parts[0] != "backend"
        for line in path.read_text(encoding="utf-8").splitlines()
        if ASKS_BLENDER.search(line) and NO_VERSION not in line
    ]
    assert [line for line in asked if not line.startswith(COMPAT)] == []
    assert asked, "or nothing was looked for"
