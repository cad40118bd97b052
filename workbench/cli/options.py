"""What several commands ask of their options; click refuses a number outside its range in one line."""

from pathlib import Path

import click

from workbench.core.errors import InputError

COUNT = click.IntRange(1, 10**15)  # products of larger ones leave the 64-bit integers
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
