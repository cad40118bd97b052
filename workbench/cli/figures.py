"""`workbench figures`: compute and draw the papers' figures and tables."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from workbench.cli.options import JOBS, SEED
from workbench.core.errors import InputError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from figures.computed import Computed, Judged

Scale = Literal["quick", "paper"]
SCALE = click.Choice(["quick", "paper"])


@click.command()
@click.argument("keys", nargs=-1, metavar="[PAPER/FIGN]...")
@click.option("--paper", metavar="KEY", help="All figures of one paper.")
@click.option("--scale", type=SCALE, default="quick", show_default=True, help="The paper's size, or one to look at.")
@click.option("--list", "as_list", is_flag=True, help="Only list the figures.")
@click.option("--out", default="build/figures", show_default=True, metavar="DIR", help="They go to DIR/SCALE.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Of everything that is random.")
@click.option("--jobs", type=JOBS, default=2, show_default=True, help="Processes; the numbers do not depend on it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def command(
    keys: tuple[str, ...], paper: str | None, scale: Scale, as_list: bool, out: str, seed: int, jobs: int, as_json: bool
) -> None:
    """Draw the figures and tables PAPER/FIGN, by default all, and hold the papers' sentences against them.

    Each becomes SVG, PDF and PNG, with its numbers (NetCDF, CSV) and a manifest (JSON). Numbers that are there
    are drawn again without being computed again; an interrupted simulation goes on where it was. With --scale paper
    the exit code is 1 if a sentence comes out otherwise than the ledger says.
    """
    from figures.catalogue import available

    found = available()
    for key in keys:
        if key not in found:
            raise InputError(f"unknown figure '{key}': choose one of {', '.join(found)}")
    papers = sorted({entry.paper for entry in found.values()})
    if paper is not None and paper not in papers:
        raise InputError(f"unknown paper '{paper}': choose one of {', '.join(papers)}")
    chosen = [each for key, each in found.items() if key in (keys or found) and paper in (None, each.paper)]
    if as_list:
        _list({each.key: each.title for each in chosen}, as_json)
        return
    from figures.computed import compute, work_in
    from figures.rendering import rendering

    folder = Path(out, scale)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a directory ({error.strerror}): choose another --out") from None
    told: dict[str, object] = {}
    surprises = 0

    def tell(computed: "Computed", seconds: float, rendered: "Future[list[Path]]") -> None:
        nonlocal surprises
        entry, judged = computed.entry, computed.judged()
        surprises += sum(not each.as_expected for each in judged)
        made = {"files": [str(path) for path in rendered.result()], "computed": computed.new, "seconds": seconds}
        told[entry.key] = {"title": entry.title, **made, "claims": [asdict(each) for each in judged]}
        if not as_json:
            _show(computed, folder, seconds, judged)

    waiting: deque[tuple[Computed, float, Future[list[Path]]]] = deque()
    with _progress() as (begin, done), rendering(folder, min(jobs, len(chosen) or 1)) as draw:
        for entry in chosen:
            begin(entry.key)
            start = time.perf_counter()
            computed = compute(entry, folder, scale, seed=seed, work=lambda: work_in(folder, jobs, done))
            waiting.append((computed, time.perf_counter() - start, draw(computed)))
            while waiting and waiting[0][-1].done():
                tell(*waiting.popleft())
        for each in waiting:
            tell(*each)
    if as_json:
        click.echo(msgspec.json.encode(told))
    if surprises and scale == "paper":
        click.echo(f"{surprises} sentences come out otherwise than the ledger says", err=True)
        sys.exit(1)


def _show(computed: "Computed", folder: Path, seconds: float, judged: "list[Judged]") -> None:
    entry = computed.entry
    click.echo(f"{entry.key}: {entry.title}")
    click.echo(f"  {f'computed in {seconds:.1f} s' if computed.new else 'drawn again'}: {folder / entry.stem}.*")
    for each in judged:
        differs = "" if each.as_expected else f" (ledger: {each.expected})"
        click.echo(f"  {each.outcome}{differs}: {each.statement}\n    {each.explanation}")


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Show on a terminal's stderr what is being computed; yield what begins a figure and what ends a simulation."""
    if not sys.stderr.isatty():
        yield (lambda key: None), (lambda label: None)
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        now = ""

        def begin(key: str) -> None:
            nonlocal now
            now = key
            status.update(key)

        yield begin, lambda label: status.update(f"{now}: {label} is done")


def _list(titles: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(titles))
        return
    width = max(map(len, titles), default=0)
    for key, title in titles.items():
        click.echo(f"{key:{width}}  {title}")
