"""`workbench measure`: record a response-time log on this machine."""

import sys

import click

from workbench.cli.options import SEED, check_out
from workbench.core.atomic import write_atomically
from workbench.stragglers.measure import log_csv, measure


@click.command()
@click.option(
    "--workers", type=click.IntRange(2, 4096), default=16, show_default=True, help="Worker processes, at least 2."
)
@click.option(
    "--rounds", type=click.IntRange(2, 10**7), default=50, show_default=True, help="Rounds to record, at least 2."
)
@click.option("--out", required=True, help="The CSV file to write.")
@click.option(
    "--size",
    type=click.IntRange(1, 10**9),
    default=40_000,
    show_default=True,
    help="Data rows of a worker's part (250 features).",
)
@click.option(
    "--spread",
    type=click.FloatRange(1, 1000),
    default=1.0,
    show_default=True,
    help="Largest part over smallest: an uneven cluster.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the data.")
def command(workers: int, rounds: int, out: str, size: int, spread: float, seed: int) -> None:
    """Train least squares on worker processes and record how long each response takes."""
    check_out(out)

    shown = False

    def progress(done: int, loss: float) -> None:
        nonlocal shown
        shown = True
        print(f"\rround {done}/{rounds}, loss {loss:.4f}", end="", file=sys.stderr, flush=True)

    try:
        response_s = measure(workers, rounds, rows=size, spread=spread, seed=seed, progress=progress)
    finally:
        if shown:
            print(file=sys.stderr)
    write_atomically(out, log_csv(response_s).encode())
    print(f"{out}: {workers} workers, {rounds} rounds; next: workbench profile {out}")
