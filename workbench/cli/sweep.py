"""`workbench simulate CONFIG.toml`: a sweep into a store, with its progress and a table of what came out."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np

from workbench.core.errors import InputError, LostWorkerError

if TYPE_CHECKING:
    import xarray as xr

    from workbench.engine.store import Store
    from workbench.engine.sweep import Configuration


def sweep(path: str, *, out: str | None, jobs: int, cluster: str | None, resume: bool, as_json: bool) -> None:
    """Run what is missing of the sweep at `path` and print its results."""
    from workbench.cli.progress import bar
    from workbench.engine.store import Store
    from workbench.engine.sweep import check, read_sweep, run_sweep

    configurations = read_sweep(path)
    store = Store(out if out is not None else Path(path).with_suffix(".results"))
    there = {each.name for each in configurations} & store.whole()
    if store.names() and not resume:
        raise InputError(
            f"{store.folder} holds {len(store.names())} results, {len(there)} of them of this sweep's "
            f"{len(configurations)}: add --resume to go on, or choose another folder with --out"
        )
    missing = [each for each in configurations if each.name not in there]
    with bar("checking", len(missing), stays=False) as advance:
        check(missing, advance)
    click.echo(f"{len(configurations)} configurations, {len(missing)} to run, results in {store.folder}", err=True)
    try:
        with bar("run-iterations", sum(each.work for each in missing)) as advance:
            run_sweep(
                configurations,
                store,
                n_jobs=jobs,
                cluster=cluster,
                done=lambda each: advance(each.work),
                tell=partial(click.echo, err=True),
            )
    except (KeyboardInterrupt, LostWorkerError) as stop:
        kept = len({each.name for each in configurations} & store.whole())
        reason = f"{stop}; there are" if isinstance(stop, LostWorkerError) else "interrupted with"
        stop.args = (f"{reason} {kept} of {len(configurations)} results in {store.folder}: --resume goes on",)
        raise
    rows = [_summary(each, store.read(each.name)) for each in configurations]
    if as_json:
        click.echo(msgspec.json.encode({"store": str(store.folder), "results": rows}))
    else:
        _show(rows, store)


def _summary(configuration: "Configuration", result: "xr.Dataset") -> dict[str, object]:
    """What a result says at its last checkpoint, as plain values; None where it is not finite."""
    from workbench.engine.compare import mean_band, typical

    loss = np.asarray(result["loss"])  # (R, T+1)
    mean, low, high = (float(curve[-1]) for curve in mean_band(loss))
    last = {name: float(typical(np.asarray(result[name]))[-1]) for name in ("seconds", "bits_up", "bits_down")}
    return {
        "label": configuration.label,
        "file": f"{configuration.name}.nc",
        "seed": configuration.table.seed,
        "runs": len(loss),
        "iterations": int(result["iteration"][-1]),
        "loss": {"mean": _finite(mean), "low": _finite(low), "high": _finite(high), "confidence": 0.95},
        "diverged_rate": float(1 - np.isfinite(loss).all(axis=1).mean()),
    } | {name: _finite(value) for name, value in last.items()}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _show(rows: list[dict[str, Any]], store: "Store") -> None:
    """Print one line a configuration; what all of them share is in the title."""
    from rich.console import Console
    from rich.table import Table

    shared = {key: {row[key] for row in rows} for key in ("runs", "iterations", "seed")}
    own = [key for key, values in shared.items() if len(values) > 1]
    common = ", ".join(f"{next(iter(values))} {key}" for key, values in shared.items() if key not in (*own, "seed"))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.title = f"At the last checkpoint ({common or 'each its own size'}); results in {store.folder}"
    table.add_column("configuration", overflow="fold")
    for heading in (*own, "final loss, 95 %", "seconds", "Mbit up", "Mbit down"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        loss = row["loss"]
        shown = "diverged" if loss["mean"] is None else f"{loss['mean']:.5g}"
        if loss["mean"] is not None and loss["high"] is not None:
            shown += f" ± {loss['high'] - loss['mean']:.1g}"
        if 0 < row["diverged_rate"] < 1:
            shown += f", {row['diverged_rate']:.0%} diverged"
        seconds = "never" if row["seconds"] is None else f"{row['seconds']:.4g}"
        bits = [f"{row[name] / 1e6:.4g}" for name in ("bits_up", "bits_down")]
        table.add_row(row["label"], *(str(row[key]) for key in own), shown, seconds, *bits)
    Console(highlight=False).print(table)
