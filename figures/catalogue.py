"""Find the figures: figures/<paper>/figN.py computes one, figN_draw in figures/<paper>/draw.py draws it."""

import ast
import hashlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import figures
from figures.quantities import Arrays, Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from figures.claims import Finding
    from figures.work import Work

Scale = Literal["quick", "paper"]

ROOT = Path(figures.__file__).resolve().parents[1]
# Files that change no number:
APPEARANCE = {"draw.py", "style.py", "render.py", "rendering.py", "catalogue.py", "computed.py"}
BESIDE = {"cli", "report"}  # parts of workbench/ that no figure computes with
BEHIND = {"bounds", "worst_cases.py", "verdicts.py", "formats"}  # parts that no simulation does


@dataclass(frozen=True)
class Entry:
    """One figure or table; its modules are imported when they are needed.

    key : for instance hetero_gc/fig1
    """

    key: str

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """The figure's name within the paper, for instance fig1."""
        return self.key.partition("/")[2]

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return self.key.replace("/", "_")

    @property
    def title(self) -> str:
        """What is shown, in one line."""
        # From the source: to import what draws takes as long as to draw.
        drawing = ast.parse((ROOT / "figures" / self.paper / "draw.py").read_text(encoding="utf-8"))
        functions = {each.name: each for each in drawing.body if isinstance(each, ast.FunctionDef)}
        return str(ast.get_docstring(functions[f"{self.name}_draw"])).splitlines()[0].rstrip(".")

    @property
    def draw(self) -> Callable[[Arrays], "Figure"]:
        """The function that draws it and computes nothing."""
        drawing = importlib.import_module(f"figures.{self.paper}.draw")
        function: Callable[[Arrays], Figure] = getattr(drawing, f"{self.name}_draw")
        return function

    @property
    def data(self) -> Callable[..., Data]:
        """The pure function of parameters and seed that computes it."""
        function: Callable[..., Data] = getattr(self._module, f"{self.name}_data")
        return function

    @property
    def claims(self) -> Callable[[Arrays], Mapping[str, "Finding"]]:
        """The function that holds the paper's sentences against the numbers: findings by the ledger's key."""
        function: Callable[[Arrays], Mapping[str, Finding]] = getattr(self._module, f"{self.name}_claims")
        return function

    @property
    def differs(self) -> tuple[str, ...]:
        """What differs from the paper, and why."""
        told: tuple[str, ...] = self._module.DIFFERS
        return told

    def parameters(self, scale: Scale) -> dict[str, Any]:
        """Return the parameters of `data` at a scale."""
        return dict(self._module.SCALES[scale])

    def compute(self, scale: Scale, *, seed: int, work: "Work | None") -> Data:
        """Compute the numbers, with what `data` asks for of seed and work; one without simulations needs no work."""
        asked = inspect.signature(self.data).parameters
        given = {name: value for name, value in {"seed": seed, "work": work}.items() if name in asked}
        return self.data(**self.parameters(scale), **given)

    @property
    def _module(self) -> Any:
        return importlib.import_module(f"figures.{self.paper}.{self.name}")

    def sources(self) -> str:
        """Hash the code that its numbers and findings come from, but not what draws them."""
        folders = (ROOT / "figures", ROOT / "figures" / self.paper)
        files = [each for folder in folders for each in sorted(folder.glob("*.py")) if each.name not in APPEARANCE]
        return _hash([*_workbench(BESIDE), *files])


def engine_sources() -> str:
    """Hash the code that simulations come from."""
    return _hash(_workbench(BESIDE | BEHIND))


def _workbench(left_out: set[str]) -> list[Path]:
    return [each for each in sorted((ROOT / "workbench").rglob("*.py")) if left_out.isdisjoint(each.parts)]


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def available() -> dict[str, Entry]:
    """Return every figure and table by its key, paper by paper."""
    found = {}
    for paper in pkgutil.iter_modules(figures.__path__):
        if paper.ispkg:
            names = [info.name for info in pkgutil.iter_modules([str(ROOT / "figures" / paper.name)])]
            for name in filter(re.compile(r"(fig|table)\d+").fullmatch, names):
                found[f"{paper.name}/{name}"] = Entry(f"{paper.name}/{name}")
    return found
