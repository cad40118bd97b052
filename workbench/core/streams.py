"""Named random streams: one generator for each noise source and run.

A stream is determined by (seed, name, run) alone. Hence schemes that name the same source meet the
same stragglers, and results do not depend on the order of the work or the number of processes.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import prod

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, WordArray

PAIR, WORD = np.dtype("<u8"), np.dtype("<i4")  # the lower half comes first on every machine


def stream(seed: int, name: str, run: int = 0) -> np.random.Generator:
    """Return the generator of noise source `name` in run `run`.

    Parameters
    ----------
    seed : the experiment's seed, non-negative
    name : the noise source, for instance "stragglers" or "quantizer/osgc"
    run : index of the run, non-negative

    Raises
    ------
    InputError : a negative seed
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: it must not be negative")
    key = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(key, run)))


class RunStreams:
    """Draw for many runs at once, each run from its own generator.

    Samplers and quantizers draw from it, as a `UniformSource` and a `WordSource`: the first axis of every draw is the
    run axis, so no draw can be shared between runs by broadcasting.
    """

    def __init__(self, seed: int, name: str, runs: Sequence[int] | int) -> None:
        runs = range(runs) if isinstance(runs, int) else runs
        self._generators = [stream(seed, name, run) for run in runs]

    def __len__(self) -> int:
        return len(self._generators)

    def random(self, size: tuple[int, ...]) -> FloatArray:
        """Uniform draws on [0, 1), shape `size`; size[0] must be the number of runs."""
        out = self._empty(size)
        for generator, row in zip(self._generators, out, strict=True):
            generator.random(out=row)
        return out

    def random_rows(self, counts: IntArray, width: int) -> FloatArray:
        """Uniform draws of counts[r] rows for run r, shape (R, largest count, width), 0 beyond a run's own count.

        What a run draws depends on its own count alone, not on the runs beside it.
        """
        out = np.zeros((len(self), int(counts.max(initial=0)), width))
        for generator, rows, count in zip(self._generators, out, counts.tolist(), strict=True):
            generator.random(out=rows[:count])
        return out

    def words(self, size: tuple[int, ...]) -> Iterator[WordArray]:
        """Uniform integers of 32 bits, from −2³¹ to 2³¹ − 1, run after run, shape size[1:]; drawn when asked for.

        They are the halves of the generators' own 64 bits, the lower first; of an odd number the last half is lost.
        size[0] must be the number of runs. A run's words are cheapest while they are in the cache.
        """
        self._check(size)
        return _words(self._generators, size[1:])

    def standard_normal(self, size: tuple[int, ...]) -> FloatArray:
        """Standard normal draws, shape `size`; size[0] must be the number of runs."""
        out = self._empty(size)
        for generator, row in zip(self._generators, out, strict=True):
            generator.standard_normal(out=row)
        return out

    def _empty(self, size: tuple[int, ...]) -> FloatArray:
        self._check(size)
        return np.empty(size)

    def _check(self, size: tuple[int, ...]) -> None:
        if len(size) < 2 or size[0] != len(self):
            raise ValueError(f"draw of shape {size} from {len(self)} runs: the first axis must be the runs")


def _words(generators: Sequence[np.random.Generator], shape: tuple[int, ...]) -> Iterator[WordArray]:
    """Draw the words of one generator after the other, of a shape each."""
    n_pairs = (prod(shape) + 1) // 2
    for generator in generators:
        pairs = generator.bit_generator.random_raw(n_pairs).astype(PAIR, copy=False)
        yield np.ndarray(shape, WORD, pairs)  # their memory, without a copy
