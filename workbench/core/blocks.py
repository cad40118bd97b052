"""Work on few messages at a time, so that intermediate results stay in the cache."""

from collections.abc import Iterator

BLOCK = 2**15  # coordinates: 256 kB each for messages, draws and an intermediate result


def message_blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Cut messages of a shape (R, W, D) into whole runs or workers of one run: `BLOCK` coordinates, or a message."""
    n_runs, n_workers, dim = shape
    workers = max(1, BLOCK // max(1, dim))
    if workers < n_workers:
        for run in range(n_runs):
            for start in range(0, n_workers, workers):
                yield slice(run, run + 1), slice(start, start + workers)
        return
    runs = max(1, BLOCK // max(1, n_workers * dim))
    for start in range(0, n_runs, runs):
        yield slice(start, start + runs), slice(0, n_workers)
