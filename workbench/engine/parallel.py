"""Independent jobs in this process, on several, or on a cluster, with the same results wherever they run."""

import contextlib
import ctypes
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

from workbench.core.errors import InputError

T = TypeVar("T")

CLUSTER_PATIENCE_S = 10
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
    jobs: Sequence[Callable[[], T]], n_jobs: int, *, cluster: str | None = None
) -> Iterator[tuple[int, T]]:
    """Yield each job's index and result as it is finished.

    Every job runs on one BLAS thread: products are rounded by the number of threads, and several threads for small
    matrices only get into each other's way.

    Parameters
    ----------
    cluster : address of a Dask scheduler, whose workers have this package; then n_jobs says nothing

    Raises
    ------
    InputError : no cluster at the address, one without workers, or no Dask to speak to it
    """
    if cluster is not None and jobs:
        yield from _on_cluster(jobs, cluster)
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
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_processes, return_as="generator_unordered")
        results = pool((_on_one_thread, each, {}) for each in enumerate(jobs))
    try:
        yield from results
    finally:
        with warnings.catch_warnings():  # whoever stops early knows that there was more to come
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def _on_cluster(jobs: Sequence[Callable[[], T]], address: str) -> Iterator[tuple[int, T]]:
    client = _client(address)
    try:
        futures = client.map(_on_one_thread, range(len(jobs)), jobs, pure=False)
        for future in import_module("distributed").as_completed(futures, loop=client.loop):
            yield future.result()
            future.release()
    finally:
        client.close()  # the cluster drops what nobody waits for


def _on_one_thread(index: int, job: Callable[[], T]) -> tuple[int, T]:
    _keep_freed_memory()
    import_module("scipy.linalg")  # brings a BLAS of its own: it must be there to be limited
    threadpoolctl: Any = import_module("threadpoolctl")  # untyped
    with threadpoolctl.threadpool_limits(1):
        return index, job()


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
