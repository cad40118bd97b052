"""The constants of Example 1 and the bounds, policies and times that follow [fastest_k, Figs. 1 and 2]."""

from dataclasses import dataclass

import numpy as np

from workbench.bounds.fastest_k import eq_7, lemma_1
from workbench.core.types import FloatArray, IntArray, Regularity
from workbench.solvers.switch_times import WaitPolicy, decay_rate, envelope, error_floors, theorem_1

N_WORKERS, PART_SIZE = 5, 10
STEP_SIZE, GAP = 0.001, 100.0
REGULARITY = Regularity(strong_convexity=1.0, smoothness=2.0, grad_var=10.0)
RATES = (0.2, 5.0)  # λ as printed, and the λ whose mean is the printed 1/5
SHOWN_RATE = RATES[1]  # time scales with 1/λ: this one has the paper's axis
WAITS: IntArray = np.arange(1, N_WORKERS + 1)


@dataclass(frozen=True)
class Example:
    """Example 1 for one rate of the delays.

    rate : λ per second
    """

    rate: float

    @property
    def mean_wait(self) -> FloatArray:
        """μ_k in seconds [eq. 7], shape (W,)."""
        return eq_7(N_WORKERS, WAITS, rate=self.rate).value

    def fixed(self, time_s: FloatArray) -> FloatArray:
        """Error bound (6) with ε = 0 for every fixed k at times (T,), shape (W, T)."""
        bound = [
            lemma_1(REGULARITY, int(k), PART_SIZE, time_s, mean_wait=float(mean), step_size=STEP_SIZE, gap=GAP)
            for k, mean in zip(WAITS, self.mean_wait, strict=True)
        ]
        return np.stack([each.value for each in bound])

    def policies(self) -> tuple[WaitPolicy, WaitPolicy]:
        """Theorem 1's policy, and the one that lowers the bound fastest at every moment."""
        floor = error_floors(
            step_size=STEP_SIZE,
            smoothness=float(REGULARITY.smoothness or 0),
            strong_convexity=float(REGULARITY.strong_convexity or 0),
            worker_var=float(REGULARITY.grad_var or 0) / PART_SIZE,
            n_workers=N_WORKERS,
        )  # (W,)
        decay = decay_rate(STEP_SIZE, float(REGULARITY.strong_convexity or 0))
        return (
            theorem_1(floor, self.mean_wait, decay=decay, gap=GAP),
            envelope(floor, self.mean_wait, decay=decay, gap=GAP),
        )

    def best_fixed(self, time_s: FloatArray) -> IntArray:
        """The fixed k of the least bound at times (T,), shape (T,)."""
        return np.asarray(WAITS[self.fixed(time_s).argmin(axis=0)])

    def fixed_switch_s(self) -> FloatArray:
        """First whole second from which on k = 2, ..., 5 or more is the best fixed k, shape (W-1,)."""
        horizon = 1
        while self.best_fixed(np.array([horizon]))[0] < N_WORKERS:
            horizon *= 2
        found = np.empty(N_WORKERS - 1)  # (W-1,)
        for index, k in enumerate(WAITS[1:]):
            early, late = 0, horizon  # the best k rises with time
            while late - early > 1:
                middle = (early + late) // 2
                early, late = (early, middle) if self.best_fixed(np.array([middle]))[0] >= k else (middle, late)
            found[index] = late
        return found
