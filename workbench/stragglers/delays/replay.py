"""Replay of a recorded log: whole rounds as they were, so that workers and rounds depend on each other as they did."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray, UniformSource
from workbench.stragglers.log import recorded_responses

Order = Literal["in_order", "blocks"]
Start = Literal["random", "first"]


@dataclass(frozen=True)
class Replay:
    """The rounds of a log, one after the other and from the last to the first again, or in random blocks of them."""

    response_s: FloatArray  # (rounds, W), inf where missing
    order: Order = "in_order"
    block_rounds: int = 1
    start: Start = "random"

    @property
    def n_workers(self) -> int:
        """W."""
        return int(self.response_s.shape[1])

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds of rounds drawn each on its own, shape (*shape, W): one uniform a round."""
        return self.response_s[self._drawn(shape, rng)]

    def rounds(self, n_runs: int, *, rng: UniformSource) -> Iterator[FloatArray]:
        """Yield the response times of one round after the other, without end, shape (R, W) each.

        In order, a run starts at a round of its own, drawn with its only uniform, so that it does not matter which
        runs are beside it; in blocks, every block starts at a round drawn anew (circular block bootstrap).
        """
        n_rounds = len(self.response_s)
        if self.order == "blocks":
            while True:
                start = self._drawn((n_runs,), rng)  # (R,)
                for step in range(self.block_rounds):
                    yield self.response_s[(start + step) % n_rounds]
        start = np.zeros(n_runs, np.int64) if self.start == "first" else self._drawn((n_runs,), rng)
        while True:
            yield self.response_s[start]
            start = (start + 1) % n_rounds

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """Share of the log's rounds in which the response took longer, shape (W,)."""
        return np.asarray((self.response_s > deadline_s).mean(axis=0))

    def _drawn(self, shape: tuple[int, ...], rng: UniformSource) -> IntArray:
        """Draw rounds, all alike likely, shape `shape`."""
        uniform = rng.random((*shape, 1))[..., 0]
        return (uniform * len(self.response_s)).astype(np.int64)


def build(
    n_workers: int,
    *,
    log: Path | None = None,
    where: dict[str, str] | None = None,
    order: Order = "in_order",
    block_rounds: int = 1,
    start: Start = "random",
) -> Replay:
    """Return the replay of a recorded log; a response that is missing there never comes.

    Parameters
    ----------
    log : a CSV file, of whose workers the first are taken; the embedded log if left out
    where : grouping column -> value, until one group of the log is left
    order : "in_order" goes through the log and starts again, "blocks" joins random blocks of its rounds
    block_rounds : rounds in a block
    start : "random", or "first": in order every run starts at the log's first round

    Raises
    ------
    InputError : a log that cannot be read or has fewer workers, a block longer than the log, blocks where
        there are none
    """
    response_s = recorded_responses(n_workers, log, where)  # (rounds, W)
    if order not in ("in_order", "blocks") or start not in ("random", "first"):
        raise InputError(f"order is '{order}', start '{start}': take in_order or blocks, and random or first")
    if not 1 <= block_rounds <= len(response_s):
        raise InputError(f"block_rounds is {block_rounds}: the log has {len(response_s)} rounds, take 1 to that many")
    if order == "in_order" and block_rounds > 1:
        raise InputError(f"block_rounds is {block_rounds}, but order is in_order: set order to blocks")
    if order == "blocks" and start == "first":
        raise InputError("start is first, but blocks start at random rounds: leave start out, or replay in_order")
    return Replay(response_s, order, block_rounds, start)
