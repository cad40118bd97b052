"""The response times that a simulation meets: rounds of all workers, or one worker after the other."""

from collections.abc import Iterator

import numpy as np

from workbench.core.streams import RunStreams
from workbench.core.types import DelayModel, FloatArray, IntArray, SequentialDelayModel

ROUNDS_AHEAD = 8  # drawn at once, and kept at first where workers are asked alone; more if they are far apart
TIMES_AHEAD = 2**17  # response times drawn at once at most, unless a round alone has more


class Responses:
    """Draw the response times of R runs, each run from its own stream.

    The j-th response time of a worker is the same whether it is met in a round or alone, so that synchronous and
    asynchronous schemes meet the same stragglers. A simulation uses one of the two ways. Asked alone, a worker that
    once does not answer never answers again.
    """

    def __init__(self, delay: DelayModel, rng: RunStreams) -> None:
        self._rounds = _rounds(delay, rng)
        self._runs = np.arange(len(rng))  # (R,)
        self._taken = np.zeros((len(rng), delay.n_workers), np.int64)  # (R, W) responses each worker has given
        self._stopped = np.zeros(self._taken.shape, np.bool_)  # (R, W)
        self._drawn = 0
        self._ring = np.empty((ROUNDS_AHEAD, len(rng), delay.n_workers))  # round j lies at j modulo its length

    def next_round(self) -> FloatArray:
        """Return the response times of the next round in seconds, shape (R, W); infinite: it never comes."""
        return next(self._rounds)

    def next_of(self, workers: IntArray) -> FloatArray:
        """Return the next response time of one worker in each run, workers (R,), in seconds, shape (R,)."""
        index = self._taken[self._runs, workers]  # (R,)
        goes_on = ~self._stopped[self._runs, workers]  # (R,)
        while np.max(index, initial=-1, where=goes_on) >= self._drawn:
            self._draw()
        times = np.where(goes_on, self._ring[index % len(self._ring), self._runs, workers], np.inf)  # (R,)
        self._taken[self._runs, workers] += 1
        self._stopped[self._runs, workers] = np.isinf(times)
        return times

    def _draw(self) -> None:
        """Draw one more round; the ring grows while some worker that goes on still needs its oldest."""
        needed = np.min(self._taken, initial=self._drawn, where=~self._stopped)
        if self._drawn - needed == len(self._ring):
            kept = np.arange(self._drawn - len(self._ring), self._drawn)
            larger = np.empty((2 * len(self._ring), *self._ring.shape[1:]))
            larger[kept % len(larger)] = self._ring[kept % len(self._ring)]
            self._ring = larger
        self._ring[self._drawn % len(self._ring)] = next(self._rounds)
        self._drawn += 1


def _rounds(delay: DelayModel, rng: RunStreams) -> Iterator[FloatArray]:
    """Yield rounds without end, shape (R, W) each; at most as many are drawn in vain as are taken."""
    if isinstance(delay, SequentialDelayModel):
        yield from delay.rounds(len(rng), rng=rng)
        return
    most = min(ROUNDS_AHEAD, max(1, TIMES_AHEAD // (len(rng) * delay.n_workers)))
    n_rounds = 1
    while True:
        yield from delay.sample((len(rng), n_rounds), rng=rng).swapaxes(0, 1)
        n_rounds = min(2 * n_rounds, most)
