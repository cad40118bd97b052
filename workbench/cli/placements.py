"""`workbench placements`: which placements of parts on workers there are, and the certificate of one of them."""

from dataclasses import asdict, dataclass
from types import ModuleType

import click
import msgspec
import numpy as np

from workbench.cli.options import SEED
from workbench.codes.code import MAX_WORKERS
from workbench.codes.placement import Balance, Placement, Size, check_replication
from workbench.combinatorics.expanders import second_eigenvalue
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import IntArray

COUNTED = click.IntRange(1, MAX_WORKERS)
LISTED = click.IntRange(1, 256)
ROUNDING = 1e-9  # of an overlap's deviation


@dataclass(frozen=True)
class Span:
    """Least and most."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True)
class Row:
    """One size at which a placement exists, what to ask for and what comes of it.

    parts : the most there can be, None where any number will do
    copies, load, overlap : measured
    """

    workers: int
    parts: int | None
    replication: int
    copies: Span
    load: Span
    overlap: Span
    construction: str


@dataclass(frozen=True)
class Expansion:
    """The gap between the degree of the graph behind a placement and its second eigenvalue."""

    degree: int
    second_eigenvalue: float
    gap: float


@click.command()
@click.argument("name", required=False)
@click.option("--workers", "n_workers", type=COUNTED, help="W, number of workers.")
@click.option("--parts", "n_parts", type=COUNTED, help="P, number of parts.")
@click.option("--replication", type=COUNTED, help="Workers that hold a part; on average, or at most, for some.")
@click.option("--most-workers", type=LISTED, default=32, show_default=True, help="List sizes up to this.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of random placements.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with who holds what.")
def command(
    name: str | None,
    n_workers: int | None,
    n_parts: int | None,
    replication: int | None,
    most_workers: int,
    seed: int,
    as_json: bool,
) -> None:
    """List the placements and the sizes at which they exist; with sizes, build NAME and say how good it is."""
    known = catalogue.placements()
    modules = known if name is None else {name: catalogue.pick("placement", known, name)}
    if n_workers is None and n_parts is None and replication is None:
        _list(modules, most_workers, as_json)
        return
    if n_workers is None or n_parts is None or replication is None:
        raise InputError("a placement has three sizes: give --workers, --parts and --replication together")
    if name is None:
        raise InputError(f"sizes are for one placement: name it, one of {', '.join(known)}")
    check_replication(n_workers, replication)
    draws = f"placement/{name}"
    placement = modules[name].place(n_workers, n_parts, replication, rng=stream(seed, draws))
    expansion = None
    if hasattr(modules[name], "adjacency"):
        graph = modules[name].adjacency(n_workers, replication, rng=stream(seed, draws))  # the very same graph
        second = second_eigenvalue(graph)
        expansion = Expansion(replication, second, replication - second)
    if as_json:
        click.echo(msgspec.json.encode({"placement": name, "seed": seed, **_as_object(placement, expansion)}))
    else:
        click.echo(f"{name}: {n_workers} workers, {n_parts} parts, replication {replication}")
        _show(placement, expansion)


# ---- what there is ----------------------------------------------------------------------------------------


def _list(modules: dict[str, ModuleType], most_workers: int, as_json: bool) -> None:
    """Print every placement with the sizes at which it exists."""
    rows = {name: _rows(module, most_workers) for name, module in modules.items()}
    summaries = {name: (module.__doc__ or "").partition("\n")[0] for name, module in modules.items()}
    if as_json:
        listed = {
            name: {"summary": summaries[name], "sizes": rows[name], "for": getattr(module, "SIZES", None)}
            for name, module in modules.items()
        }
        click.echo(msgspec.json.encode(listed))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True, markup=False)
    for name, found in rows.items():
        console.print(name, style="bold", end="")
        console.print(f"  {summaries[name]}")
        if found is None:
            console.print(f"{modules[name].SIZES}\n")
            continue
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in ("workers", "parts ≤", "replication", "copies", "load", "overlap", "construction"):
            last = heading == "construction"
            table.add_column(heading, justify="left" if last else "right", no_wrap=not last)
        for row in found:
            parts = "any" if row.parts is None else str(row.parts)
            spans = map(str, (row.replication, row.copies, row.load, row.overlap))
            table.add_row(str(row.workers), parts, *spans, row.construction)
        if found:
            console.print(table)
        console.print(f"{'and more' if found else 'only'} beyond {most_workers} workers\n")


def _rows(module: ModuleType, most_workers: int) -> list[Row] | None:
    """Build and measure every size there is, or None for a placement without fixed ones."""
    return [_row(size) for size in module.sizes(most_workers)] if hasattr(module, "sizes") else None


def _row(size: Size) -> Row:
    """Measure one size; where any number of parts will do, with as many as there are workers."""
    holds = size.holds()  # (W, P)
    overlap = (holds.T @ holds)[np.triu_indices(holds.shape[1], 1)]
    copies, load = _span(holds.sum(axis=0)), _span(holds.sum(axis=1))
    return Row(size.n_workers, size.n_parts, size.replication, copies, load, _span(overlap), size.construction)


def _span(values: IntArray) -> Span:
    return Span(int(values.min()), int(values.max()))


# ---- one of them ------------------------------------------------------------------------------------------


def _as_object(placement: Placement, expansion: Expansion | None) -> dict[str, object]:
    """Return the certificate and who holds what, as one JSON object."""
    n_workers, n_parts = placement.holds.shape
    balance = placement.balance
    held = np.split(placement.holds.indices, placement.holds.indptr[1:-1])
    return {
        "workers": n_workers,
        "parts": n_parts,
        "replication": _span(placement.replication),
        "load": _span(placement.load),
        "pairs": placement.n_edges,
        "balance": {**asdict(balance), "ratio": _ratio(balance)},
        "expansion": expansion,
        "parts_of_worker": [np.sort(parts).tolist() for parts in held],
    }


def _ratio(balance: Balance) -> float | None:
    """Return how many times the least possible the deviation is; None where nothing stands against balance."""
    return balance.rms / balance.least if balance.least > ROUNDING else None


def _show(placement: Placement, expansion: Expansion | None) -> None:
    """Print the certificate for people."""
    click.echo(f"  replication  {_span(placement.replication)} (workers for each part)")
    click.echo(f"  load         {_span(placement.load)} (parts on each worker), {placement.n_edges} pairs in all")
    if placement.holds.shape[1] > 1:
        click.echo("  overlap of two parts' workers, |S_j ∩ S_k|, against pair-wise balance, d_j d_k/W")
        _show_balance(placement.balance)
    if expansion is not None:
        click.echo(
            f"  expansion    second eigenvalue {expansion.second_eigenvalue:.4g} of degree {expansion.degree}, "
            f"gap {expansion.gap:.4g}"
        )


def _show_balance(balance: Balance) -> None:
    if balance.worst <= ROUNDING:
        click.echo("    exactly pair-wise balanced")
        return
    ratio = _ratio(balance)
    times = "" if ratio is None else ", attained" if ratio < 1 + ROUNDING else f"; {ratio:.4g} times the larger one"
    click.echo(f"    deviation  rms {balance.rms:.4g}, largest {balance.worst:.4g}")
    click.echo(f"    no less    rms {balance.welch:.4g} (Welch), {balance.integral:.4g} (integers){times}")
