"""Independent jobs on several processes, with the same results for any number of them."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")


def run_jobs(jobs: Sequence[Callable[[], T]], n_jobs: int, done: Callable[[int], None] | None = None) -> list[T]:
    """Return the results of the jobs in their order.

    The jobs always run in processes of one BLAS thread, even one at a time: products are rounded by the
    number of threads, and several threads for small matrices only get into each other's way.

    Parameters
    ----------
    jobs : picklable, for instance `functools.partial` of a module's function
    done : called with the number of finished jobs
    """
    joblib: Any = import_module("joblib")  # heavy, and untyped
    results: list[T] = []
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_jobs=max(min(n_jobs, len(jobs)), 2), pre_dispatch=n_jobs, return_as="generator")
        for result in pool((job, (), {}) for job in jobs):
            results.append(result)
            if done is not None:
                done(len(results))
    return results
