"""Draw figures in processes beside this one, so that this one need not load what draws."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from figures.computed import Computed


@contextmanager
def rendering(folder: Path, n_processes: int) -> Iterator[Callable[[Computed], "Future[list[Path]]"]]:
    """Yield what renders a figure: at once with one process, else on one of several beside this one."""
    if n_processes == 1:
        yield lambda computed: _rendered(computed, folder)
        return
    ignore_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)  # this process ends the others
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, spawn, ignore_interrupts) as pool:
        try:
            yield lambda computed: pool.submit(_render, computed, folder)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _rendered(computed: Computed, folder: Path) -> "Future[list[Path]]":
    future: Future[list[Path]] = Future()
    future.set_result(_render(computed, folder))
    return future


def _render(computed: Computed, folder: Path) -> list[Path]:
    from figures.render import render  # matplotlib takes as long to import as a figure to draw

    return render(computed, folder)
