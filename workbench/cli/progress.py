"""A bar with the time left, on a terminal's stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task


@contextmanager
def bar(
    text: str,
    total: float,
    *,
    stays: bool = True,
    console: "Console | None" = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[float], None]]:
    """Show how much of `total` is done, and the time left; yield what moves it on by some work.

    Parameters
    ----------
    stays : False: it is wiped away in the end
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn

    class TimeLeft(ProgressColumn):  # rich's own looks back 30 s, and one piece of work may take longer
        def render(self, task: "Task") -> str:
            return _shown(time_left(task.completed, total, task.fields["moved_s"], clock() - began))

    console = console or Console(stderr=True, force_terminal=sys.stderr.isatty())
    columns = TextColumn(text), BarColumn(), TaskProgressColumn(), TimeLeft()
    began = clock()
    with Progress(*columns, console=console, transient=not stays, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, moved_s=0.0)
        yield lambda work: progress.update(task, advance=work, moved_s=clock() - began)


def time_left(done: float, total: float, moved_s: float, now_s: float) -> float | None:
    """Estimate the seconds left: at a move, what is left takes as long for its size as all that is done has taken.

    From there they count down. What is later than that is taken to be late as much again: they count up.

    Parameters
    ----------
    done, total : work, without what was there before the bar began
    moved_s, now_s : seconds from the bar's beginning to its last move, and to now
    """
    if done >= total:
        return 0.0
    return abs(moved_s * (total - done) / done - (now_s - moved_s)) if done else None


def _shown(seconds: float | None) -> str:
    minutes, rest = divmod(round(seconds or 0), 60)
    return "-:--:-- left" if seconds is None else f"{minutes // 60}:{minutes % 60:02}:{rest:02} left"
