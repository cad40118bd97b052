"""A figure's numbers: read where this code has computed them before, else computed and kept."""

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures.catalogue import Entry, Scale, engine_sources
from figures.quantities import Data, arrays, from_netcdf, to_netcdf
from proofs_check.ledger import sentences
from workbench.core import versions
from workbench.core.atomic import write_atomically
from workbench.core.errors import InputError

if TYPE_CHECKING:
    from figures.work import Work


@dataclass(frozen=True)
class Judged:
    """A sentence of the paper about a figure, what the ledger says of it, and what the numbers say."""

    key: str
    statement: str
    reason: str
    expected: str
    outcome: str
    explanation: str
    evidence: Mapping[str, float]

    @property
    def as_expected(self) -> bool:
        """Whether the numbers say what the ledger says."""
        return self.outcome == self.expected


@dataclass(frozen=True)
class Computed:
    """A figure's numbers, what they say of the paper's sentences, and how they came about.

    notes : parameters, seed, scale, versions, findings by key, what differs from the paper; `new` where computed now
    """

    entry: Entry
    data: Data
    notes: Mapping[str, Any]
    new: bool

    @property
    def scale(self) -> Scale:
        """At which scale the numbers were computed."""
        scale: Scale = self.notes["made_by"]["scale"]
        return scale

    @property
    def is_current(self) -> bool:
        """Whether this very code and these libraries would compute the same numbers."""
        return bool(self.notes["made_by"] == _made_by(self.entry, self.scale, self.notes["made_by"]["seed"]))

    def judged(self) -> list[Judged]:
        """Return the ledger's sentences about the figure, in its order, with what the numbers say of them."""
        findings = self.notes["findings"]
        return [
            Judged(key, row.statement, row.reason, row.outcome, **findings[name])
            for key, row in sentences().items()
            if row.figure == self.entry.key and (name := key.partition("/")[2]) in findings
        ]


def stored(entry: Entry, out: Path) -> Computed | None:
    """Return a figure whose numbers are in `out`, the paper's scale before the quick one; None without any."""
    for scale in ("paper", "quick"):
        path = out / scale / f"{entry.stem}.nc"
        if path.exists():
            data, attributes = from_netcdf(path)
            return Computed(entry, data, json.loads(attributes["notes"]), new=False)
    return None


def compute(
    entry: Entry, folder: Path, scale: Scale, *, seed: int, work: "Callable[[], Work] | None" = None
) -> Computed:
    """Return a figure's numbers: those in `folder` if they were computed by this code, else new ones, kept there.

    Parameters
    ----------
    work : makes who simulates, if that is needed; by default one process, which keeps its results in `folder`
    """
    made_by = _made_by(entry, scale, seed)
    path = folder / f"{entry.stem}.nc"
    if path.exists():
        try:
            data, attributes = from_netcdf(path)
            notes = json.loads(attributes.get("notes", "{}"))
            if notes.get("made_by") == made_by:
                return Computed(entry, data, notes, new=False)
        except InputError:  # damaged, and replaced below
            pass
    computed = entry.compute(scale, seed=seed, work=work() if work else work_in(folder))
    findings = {key: asdict(finding) for key, finding in entry.claims(arrays(computed)).items()}
    parameters = entry.parameters(scale)
    notes = {"made_by": made_by, "parameters": parameters, "findings": findings, "differs": list(entry.differs)}
    write_atomically(path, to_netcdf(computed, {"figure": entry.key, "notes": notes}))
    return Computed(entry, computed, json.loads(json.dumps(notes)), new=True)


def work_in(folder: Path, n_jobs: int = 1, done: Callable[[str], None] | None = None) -> "Work":
    """Return the work that keeps its simulations in `folder`, apart from those of other code."""
    from figures.work import Work
    from workbench.engine.store import Store

    return Work(Store(folder / "runs" / engine_sources()[:16]), n_jobs, done)


def _made_by(entry: Entry, scale: Scale, seed: int) -> dict[str, Any]:
    """What determines the numbers."""
    return {
        "scale": scale,
        "seed": seed,
        "sources": entry.sources(),
        "versions": {"python": platform.python_version(), **versions.determining()},
    }
