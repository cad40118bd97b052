"""Record a response-time log from real worker processes that train a real model, one gradient each a round."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray

DIM = 250
PATIENCE_S = 60.0  # without any response: something is wrong
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def measure(
    n_workers: int,
    n_rounds: int,
    *,
    rows: int = 40_000,
    spread: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, float], None] = lambda _done, _loss: None,
) -> FloatArray:
    """Train least squares synchronously on worker processes; return the response times, (rounds, W) seconds.

    Each process holds its own part of the data, computes one gradient a round with one thread, and is timed
    from the sending of the iterate to the receipt of its gradient.  The first round, which warms up, is not
    recorded.

    Parameters
    ----------
    n_workers, n_rounds : W and the number of recorded rounds, at least 2
    rows : data rows of a worker's part, with 250 features
    spread : the last worker's rows over the first's, the others geometrically between: an uneven cluster
    progress : is told the number of finished rounds and the loss

    Raises
    ------
    InputError : sizes out of range; a worker that died or stopped answering
    """
    for name, value in (("workers", n_workers), ("rounds", n_rounds)):
        if value < 2:
            raise InputError(f"{name} is {value}: a log needs at least 2")
    if not 1 <= spread < np.inf:
        raise InputError(f"spread is {spread}: the ratio of the largest part to the smallest is at least 1")
    part_rows = (rows * spread ** (np.arange(n_workers) / (n_workers - 1) - 0.5)).astype(int)  # (W,)
    if part_rows[0] < DIM:
        raise InputError(f"the smallest part has {part_rows[0]} rows, fewer than {DIM} features: raise --size")
    response_s = np.empty((n_rounds, n_workers))
    with _workers(part_rows.tolist(), seed) as pipes:
        x = np.zeros(DIM)  # (D,)
        for done in range(-1, n_rounds):
            seconds, loss, grad = _round(x, pipes)
            # Features have covariance I, so the loss has smoothness about 1: half a step of 1/L.
            x = x - 0.5 * grad / n_workers
            if done >= 0:
                response_s[done] = seconds
                progress(done + 1, loss / n_workers)
    return response_s


@contextmanager
def _workers(part_rows: list[int], seed: int) -> Iterator[list[Connection]]:
    """Start the processes, and stop them whatever happens."""
    context = get_context("spawn")
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    processes: list[BaseProcess] = []
    pipes: list[Connection] = []
    try:
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # inherited by the processes
        for worker, rows in enumerate(part_rows):
            here, there = context.Pipe()
            process: BaseProcess = context.Process(target=work, args=(there, worker, rows, seed), daemon=True)
            process.start()
            there.close()
            processes.append(process)
            pipes.append(here)
        yield pipes
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.terminate()
            process.join()


def work(pipe: Connection, worker: int, rows: int, seed: int) -> None:
    """Answer every iterate with (loss, gradient) on this worker's own part, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is the master's to handle
    rng = stream(seed, "measure/data", worker)
    features = rng.standard_normal((rows, DIM), dtype=np.float32)  # (rows, D)
    labels = features @ np.ones(DIM, dtype=np.float32) + rng.standard_normal(rows, dtype=np.float32)
    try:
        while True:
            x = pipe.recv()  # (D,)
            residual = features @ x.astype(np.float32) - labels  # (rows,)
            pipe.send((float(residual @ residual) / (2 * rows), (residual @ features / rows).astype(float)))
    except (EOFError, OSError):
        return


def _round(x: FloatArray, pipes: list[Connection]) -> tuple[FloatArray, float, FloatArray]:
    """Send the iterate to all, wait for all; return seconds (W,), the sum of losses and of gradients (D,)."""
    sent, seconds = np.empty(len(pipes)), np.empty(len(pipes))
    loss, grad = 0.0, np.zeros_like(x)
    try:
        for worker, pipe in enumerate(pipes):
            sent[worker] = time.perf_counter()
            pipe.send(x)
        waiting = set(range(len(pipes)))
        while waiting:
            ready = wait([pipes[worker] for worker in waiting], timeout=PATIENCE_S)
            if not ready:
                silent = ", ".join(map(str, sorted(waiting)))
                raise InputError(f"no answer from workers {silent} for {PATIENCE_S:g} s: use fewer or a smaller --size")
            for worker in [worker for worker in waiting if pipes[worker] in ready]:
                waiting.remove(worker)
                part_loss, part_grad = pipes[worker].recv()
                seconds[worker] = time.perf_counter() - sent[worker]
                loss, grad = loss + part_loss, grad + part_grad
    except (EOFError, ConnectionError):
        raise InputError(f"worker process {worker} died: start fewer workers or a smaller --size") from None
    return seconds, loss, grad


def log_csv(response_s: FloatArray) -> str:
    """Return the log as CSV: round, worker, response_s, one row for each response."""
    rows = (
        f"{index},{worker},{value:.6f}"
        for index, row in enumerate(response_s)
        for worker, value in enumerate(row.tolist())
    )
    return "\n".join(["round,worker,response_s", *rows, ""])
