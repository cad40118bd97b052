"""What several commands ask of their options; click refuses a number outside its range in one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from workbench.core.errors import InputError
from workbench.quantizers.stochastic_levels import MIN_BITS
from workbench.stragglers.log import LONGEST_S, SHORTEST_S, ResponseLog, embedded_log, read_log

COUNT = click.IntRange(1, 10**15)  # products of larger ones leave the 64-bit integers
BITS = click.IntRange(MIN_BITS, 10**15)  # for each worker, as the design in which nobody idles needs them
SEED = click.IntRange(0, 2**63 - 1)
RUNS = click.IntRange(1, 100_000)
ITERATIONS = click.IntRange(1, 10**9)
JOBS = click.IntRange(1, 1024)


def check_out(out: str | None, *inputs: str | None) -> None:
    """Refuse a file to write that has no directory or is one of the inputs, before the work begins.

    Raises
    ------
    InputError : the file and the way out
    """
    if out is None:
        return
    target = Path(out)
    if not out or not target.absolute().parent.is_dir():
        raise InputError(f"--out '{out}': its directory does not exist: make it first, or choose another")
    for source in inputs:
        if source is not None and target.exists() and Path(source).exists() and target.samefile(source):
            raise InputError(f"--out {out}: this would replace the input {source}: choose another file")


def read_trace(trace: str | None, where: Sequence[str]) -> ResponseLog:
    """Read the log at `trace`, one group of it; the log that travels with the package if None."""
    if trace is not None:
        return read_log(trace, parse_where(where))
    if where:
        raise InputError("--where selects in a log: name its file too")
    return embedded_log()


def parse_where(pairs: Sequence[str]) -> dict[str, str]:
    """Return key -> value of `--where key=value` options."""
    chosen: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--where {pair}: write --where column=value")
        if key.strip() in chosen:
            raise InputError(f"--where {pair}: {key.strip()} is chosen twice: keep one")
        chosen[key.strip()] = value.strip()
    return chosen


def parse_deadline(text: str) -> float | Literal["auto"]:
    """Return seconds, or "auto"."""
    if text == "auto":
        return "auto"
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InputError(f"--deadline {text}: give a number of seconds from {SHORTEST_S:g} to {LONGEST_S:g}, or auto")
    return seconds
