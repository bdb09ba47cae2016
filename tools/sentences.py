"""The sentences with which the extension refuses something, collected from its own source.

Where a sentence has something filled in it has "…" here, and in the manual's page
(`docs/manual/troubleshooting.md`), which tests/backend/test_sentences.py holds complete.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILLED = "…"
_FOLDERS = ("backend", "operators", "panels", "scene")
_WITH_REASONS = ("operators", "preferences.py")
_LEFT_OUT = ("training",)  # does not ship
# Names under which code passes an error class on, and errors of the second Blender.
_PASSED_ON = {"error", "RefusedError"}
_LOGS = ("log", "_log")
# Calls that say something: which of their arguments does.
_SAYS = {"poll_message_set": 0, "note": 0, "State": 1, "HTTPException": 1}
# What a greyed button says, or another process is told, is returned, or put into one of these.
_GIVES_REASONS = re.compile(
    r"_?why|.*_problem$|_?obstacle$|_unfit$|explain$|busy$|.*_refused$|_refusal$|_?detail$|not_ours$"
)
_KEEPS_REASONS = {"reason", "message"}
_SHORTEST = 12  # letters; what is shorter is a part of a sentence


def sentences(root: Path = ROOT) -> dict[str, str]:
    """Return every sentence, and the path of the module that says it."""
    classes = {
        node.name
        for node in ast.parse((root / "backend/errors.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    } | _PASSED_ON
    found: dict[str, str] = {}
    paths = [path for folder in _FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    for path in (*paths, *root.glob("preferences.py")):
        if not set(path.parts) & set(_LEFT_OUT):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            place = path.relative_to(root)
            for sentence in _said(tree, classes, reasons=place.parts[0] in _WITH_REASONS):
                found.setdefault(sentence, place.as_posix())
    return found


def on_page(page: str) -> set[str]:
    """Return the sentences of a page: what stands in its lists."""
    items = re.findall(r"(?m)^- ((?:.+\n?(?!- |\n))*.*)", page)
    return {" ".join(item.split()) for item in items}


def _said(tree: ast.Module, classes: set[str], *, reasons: bool) -> Iterator[str]:
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    }
    for node in ast.walk(tree):
        for value in _values(node, classes, reasons=reasons):
            for text in _texts(value, constants):
                sentence = " ".join(text.split()).rstrip(".")
                if len(sentence) >= _SHORTEST and sentence.strip(f"{FILLED} :"):
                    yield sentence


def _values(node: ast.AST, classes: set[str], *, reasons: bool) -> Iterator[ast.expr]:
    """Yield the expressions in a node that are said to the artist."""
    if isinstance(node, ast.Call) and node.args:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        owner = getattr(getattr(node.func, "value", None), "id", "")
        place = 0 if name in classes else _SAYS.get(name)
        if owner not in _LOGS and place is not None:
            yield from node.args[place : place + 1]
    if isinstance(node, ast.FunctionDef) and _GIVES_REASONS.match(node.name):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield inner.value
    if reasons and isinstance(node, ast.Assign):
        names = {
            getattr(target, "attr", getattr(target, "id", ""))
            for each in node.targets
            for target in getattr(each, "elts", [each])
        }
        if names & _KEEPS_REASONS:
            yield node.value


def _texts(value: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """Yield the text of an expression, each branch of a choice, "…" for what is filled in."""
    if isinstance(value, ast.Name) and value.id in constants:
        yield from _texts(constants[value.id], constants)
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body, constants)
        yield from _texts(value.orelse, constants)
    elif isinstance(value, ast.Tuple):
        for each in value.elts:
            yield from _texts(each, constants)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield "".join(_filled(each, constants) for each in value.values)
    elif isinstance(value, ast.Call) and getattr(value.func, "attr", "") == "format":
        for text in _texts(value.func.value, constants):
            yield re.sub(r"{[^}]*}", FILLED, text)


def _filled(part: ast.expr, constants: dict[str, ast.expr]) -> str:
    """Return a part of an f-string as text; a constant of the same module is known."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    name = getattr(part.value, "id", "")
    constant = constants.get(name)
    known = isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    return constant.value if known else FILLED
