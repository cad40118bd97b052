"""Independent jobs in this process, on several, or on a cluster, with the same results wherever they run."""

import contextlib
import ctypes
import logging
import os
import queue
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from importlib import import_module
from typing import Any, TypeVar

from workbench.core.errors import InputError, LostWorkerError

T = TypeVar("T")

CLUSTER_PATIENCE_S = 10
LOOK_S = 1  # between looks at whether those are still there on whom one waits
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as <malloc.h> numbers them
CLUSTER_ADDRESS = r"(tcp|tls|ws|wss)://.+:\d+"


def run_jobs(jobs: Sequence[Callable[[], T]], n_jobs: int, done: Callable[[int], None] | None = None) -> list[T]:
    """Return the results of the jobs in their order.

    Parameters
    ----------
    jobs : picklable, for instance `functools.partial` of a module's function
    n_jobs : processes
    done : called with the number of finished jobs
    """
    results: dict[int, T] = {}
    for index, result in finished_jobs(jobs, n_jobs):
        results[index] = result
        if done is not None:
            done(len(results))
    return [results[index] for index in range(len(jobs))]


def finished_jobs(
    jobs: Sequence[Callable[[], T]],
    n_jobs: int,
    *,
    cluster: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Iterator[tuple[int, T]]:
    """Yield each job's index and result as it is finished.

    Every job runs on one BLAS thread: products are rounded by the number of threads, and several threads for small
    matrices only get into each other's way.

    Parameters
    ----------
    cluster : address of a Dask scheduler, whose workers have this package; then n_jobs says nothing
    tell : called with a line when the cluster has lost its last worker, and one has to come back

    Raises
    ------
    InputError : no cluster at the address, one without workers, or no Dask to speak to it
    LostWorkerError : a process was killed, or the scheduler
    """
    if cluster is not None and jobs:
        yield from _on_cluster(jobs, cluster, tell)
    elif n_jobs == 1 or len(jobs) <= 1:
        for index, job in enumerate(jobs):
            yield _on_one_thread(index, job)
    else:
        yield from _on_processes(jobs, min(n_jobs, len(jobs)))


def _on_processes(jobs: Sequence[Callable[[], T]], n_processes: int) -> Iterator[tuple[int, T]]:
    joblib: Any = import_module("joblib")  # heavy, and untyped
    # A process that has grown is replaced, which changes no result. joblib says so in the thread that feeds the
    # processes: where warnings are errors it would die of that, and all would wait for ever.
    warnings.filterwarnings("ignore", "A worker stopped while", UserWarning, module=r"joblib\.externals\.loky\.")
    # Its advice to whoever stops early, who knows that there was more to come.
    warnings.filterwarnings("ignore", ".*You could benefit from adjusting", UserWarning, module=r"joblib\.parallel")
    worker = {"initializer": _follow, "initargs": (os.getpid(),)}
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1, **worker):
        pool = joblib.Parallel(n_processes, return_as="generator_unordered")
        results = pool((_on_one_thread, each, {}) for each in enumerate(jobs))
    killed: Any = import_module("joblib.externals.loky.process_executor").TerminatedWorkerError
    try:
        yield from results
    except killed:
        raise LostWorkerError(
            "a worker process was killed, perhaps for want of memory: run again, or with fewer --jobs"
        ) from None


def _follow(parent: int) -> None:
    """Leave interrupts to the parent, which ends its workers, and end when it was killed and could not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_cluster(
    jobs: Sequence[Callable[[], T]], address: str, tell: Callable[[str], None] | None
) -> Iterator[tuple[int, T]]:
    client = _client(address)
    killed: Any = import_module("distributed").KilledWorker
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    try:
        futures = client.map(_on_one_thread, range(len(jobs)), jobs, pure=False)
        for future in futures:
            future.add_done_callback(finished.put)
        for _ in futures:
            future = _next(finished, client, tell)
            yield future.result()
            future.release()
    except CancelledError:
        logging.getLogger("distributed.client").disabled = True  # it would say the same at length
        raise LostWorkerError(f"the Dask scheduler at {address} is gone: start one and run again") from None
    except killed:
        raise LostWorkerError(
            "Dask workers die again and again of the same work, perhaps for want of memory: "
            "see what their logs say, and run again"
        ) from None
    finally:
        client.close()  # the cluster drops what nobody waits for


def _next(finished: "queue.SimpleQueue[Any]", client: Any, tell: Callable[[str], None] | None) -> Any:
    """Wait for a future that has finished, and tell of a cluster on which none can."""
    while True:
        with contextlib.suppress(queue.Empty):
            return finished.get(timeout=LOOK_S)
        with contextlib.suppress(OSError):  # a scheduler that is gone cancels what is waited for
            if tell is not None and not client.nthreads():
                tell("the cluster has no workers left: waiting for one to come back")
                tell = None


def _on_one_thread(index: int, job: Callable[[], T]) -> tuple[int, T]:
    _keep_freed_memory()
    with one_thread():
        return index, job()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Do linear algebra on one thread: with more of them, sums come out otherwise in the last bits."""
    import_module("scipy.linalg")  # brings a BLAS of its own: it must be there to be limited
    threadpoolctl: Any = import_module("threadpoolctl")  # untyped
    with threadpoolctl.threadpool_limits(1):
        yield


def _keep_freed_memory() -> None:
    """Let the C library keep what freed arrays leave.

    Handed back to the system, it is cleared before it is had again: a tenth to a sixth of a step of large models.
    """
    with contextlib.suppress(OSError, AttributeError):  # glibc has this call, others do without it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 2**25)  # the most it takes
        mallopt(M_TRIM_THRESHOLD, 2**30)


def _client(address: str) -> Any:
    """Connect to a Dask scheduler that has workers, for these jobs alone: xarray leaves its work to a default one."""
    if not re.fullmatch(CLUSTER_ADDRESS, address):
        raise InputError(f"'{address}' is no address of a Dask scheduler: write tcp://host:port")
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise InputError("a cluster needs Dask: pip install 'straggler-workbench[cluster]'") from None
    try:
        client = distributed.Client(address, timeout=CLUSTER_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"no Dask scheduler answers at {address} ({reason}): start one, or leave --cluster out"
        ) from None
    try:
        client.wait_for_workers(1, CLUSTER_PATIENCE_S)
    except TimeoutError:
        client.close()
        raise InputError(f"the Dask scheduler at {address} has no workers: start some") from None
    return client
