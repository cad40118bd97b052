"""Work on the messages of few runs at a time, so that intermediate results stay in the cache."""

from collections.abc import Iterator

BLOCK = 2**15  # coordinates: 256 kB each for messages, draws and an intermediate result


def run_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the runs of messages of a shape (R, W, D) into pieces of at most `BLOCK` coordinates, or single runs."""
    n_runs, *rest = shape
    coordinates = 1
    for length in rest:
        coordinates *= length
    size = max(1, BLOCK // max(1, coordinates))
    return (slice(start, start + size) for start in range(0, n_runs, size))
