"""Imports point only backwards along the line of layers, and heavy libraries stay inside functions."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Layers of one rank do not know each other.
RANKS = {
    "core": 0,
    **dict.fromkeys(("stragglers", "quantizers", "topologies", "problems", "solvers", "datasets", "combinatorics"), 1),
    "codes": 2,
    "moments": 3,
    "schemes": 4,
    "engine": 5,
    "bounds": 6,
    "verdicts": 7,
    "worst_cases": 7,
    "formats": 8,
    "proofs_check": 9,
    "figures": 10,
    "report": 11,
    "cli": 12,
}
ONLY = {"bounds": {"core", "moments"}}
BESIDE = ("proofs_check", "figures")  # packages that are layers of their own
HEAVY = {"cvxpy", "sympy", "matplotlib", "rich", "jinja2"}  # at a module's top level, in workbench/
CORE_LIBRARIES = {"numpy"}


def violations(root: Path) -> list[str]:
    """Return every import below `root` that breaks the order, as "file:line: why"."""
    found = []
    for package in ("workbench", *BESIDE):
        for path in sorted((root / package).rglob("*.py")):
            module = path.relative_to(root).with_suffix("").parts
            where = str(path.relative_to(root))
            found += [f"{where}:{line}: {why}" for line, why in _of_file(path, module)]
    return found


def _of_file(path: Path, module: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    own = _layer(module)
    tree = ast.parse(path.read_text())
    if own is not None and own not in RANKS:
        yield 1, f"'{own}' is no known layer: give it a place in RANKS"
        return
    for node in ast.walk(tree):
        for target in _targets(node, module):
            top = target[0]
            if top == "workbench" or top in BESIDE:
                if (why := _backward(own, _layer(target))) is not None:
                    yield node.lineno, why
            elif own == "core" and top not in sys.stdlib_module_names | CORE_LIBRARIES:
                yield node.lineno, f"core imports {top}: numpy only"
    if module[0] == "workbench":
        for node in _at_import_time(tree.body):
            heavy = {target[0] for target in _targets(node, module)} & HEAVY
            if heavy:
                yield node.lineno, f"imports {heavy.pop()} at module level: import it where it is used"


def _layer(module: tuple[str, ...]) -> str | None:
    """Name the layer of a module; None for the root package itself and its attributes."""
    if module[0] in BESIDE:
        return module[0]
    return module[1] if len(module) > 1 and module[1] != "__init__" else None


def _targets(node: ast.AST, module: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the modules an import statement names; of `from workbench import x`, workbench.x."""
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split(".")) for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = module[: -node.level] if node.level else ()
    base += tuple(node.module.split(".")) if node.module else ()
    if base == ("workbench",):
        return [base if alias.name.startswith("__") else (*base, alias.name) for alias in node.names]
    return [base]


def _at_import_time(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Walk the statements that run on import: not into functions, nor below `if TYPE_CHECKING`."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _at_import_time(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from _at_import_time(handler.body)


def _backward(own: str | None, target: str | None) -> str | None:
    """Say why layer `own` may not import layer `target`, or None."""
    if target == own or target is None:
        return None
    if own is None:
        return f"the root package imports {target}: it holds the version only"
    if target not in RANKS:
        return f"'{target}' is no known layer: give it a place in RANKS"
    if RANKS[target] >= RANKS[own]:
        return f"{own} imports {target}: imports point backwards only"
    if own in ONLY and target not in ONLY[own]:
        return f"{own} imports {target}: it may know {', '.join(sorted(ONLY[own]))} only"
    return None


def test_the_project_holds_the_order() -> None:
    assert violations(ROOT) == []


def test_there_is_something_to_hold() -> None:
    assert len(list((ROOT / "workbench").rglob("*.py"))) > 20
    for package in BESIDE:
        assert (ROOT / package).is_dir()


PLANTED = {
    "forward": ("workbench/codes/x.py", "from workbench.engine.loop import simulate", "codes imports engine"),
    "forward inside a function": (
        "workbench/moments/x.py",
        "def f():\n    import workbench.schemes.coded_sgd",
        "moments imports schemes",
    ),
    "forward by the root": ("workbench/solvers/x.py", "from workbench import codes", "solvers imports codes"),
    "forward, relative": ("workbench/core/x.py", "from ..bounds import hetero_gc", "core imports bounds"),
    "sideways": ("workbench/problems/x.py", "from workbench.quantizers import identity", "problems imports"),
    "bounds beyond its two": ("workbench/bounds/x.py", "import workbench.engine.loop", "it may know core, moments"),
    "figures in the package": ("workbench/verdicts.py", "import figures.style", "verdicts imports figures"),
    "unknown layer": ("workbench/novelty/x.py", "", "'novelty' is no known layer"),
    "unknown target": ("workbench/cli/x.py", "import workbench.novelty", "'novelty' is no known layer"),
    "root package": ("workbench/__init__.py", "from workbench.core import types", "the root package imports core"),
    "library in core": ("workbench/core/x.py", "def f():\n    import scipy.stats", "core imports scipy"),
    "heavy at module level": ("workbench/solvers/x.py", "import cvxpy as cp", "imports cvxpy at module level"),
    "heavy in a try": (
        "workbench/cli/x.py",
        "try:\n    from rich.table import Table\nexcept ImportError:\n    Table = None",
        "imports rich at module level",
    ),
}
ALLOWED = {
    "workbench/codes/x.py": "import os\nfrom workbench.core.types import FloatArray\nfrom workbench.codes.y import z",
    "workbench/codes/y.py": "import scipy\nfrom . import x\nfrom ..quantizers import identity",
    "workbench/solvers/x.py": "def f():\n    import cvxpy\n\n    return cvxpy",
    "workbench/engine/x.py": "from workbench import __version__",
    "figures/x.py": "import matplotlib\nfrom workbench.solvers import x",
    "workbench/cli/x.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rich\nimport proofs_check.x",
}


def plant(root: Path, files: dict[str, str]) -> None:
    """Write a synthetic source tree."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_backward_imports_pass(tmp_path: Path) -> None:
    plant(tmp_path, ALLOWED)
    assert violations(tmp_path) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found(name: str, tmp_path: Path) -> None:
    path, text, why = PLANTED[name]
    plant(tmp_path, ALLOWED | {path: text})
    found = violations(tmp_path)
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}:")
    assert why in found[0]
