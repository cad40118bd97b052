"""1-bit gradient coding, SGC and 1-bit learning that ignores stragglers on images [onebit_gc, Fig. 8]."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from figures.claims import Finding, every, over_readings
from figures.curves import banded
from figures.onebit_gc import setting
from figures.onebit_gc.judge import beats, share_of_overhead
from figures.onebit_gc.setting import METHODS, at_overheads, images_case, overhead_to_match, tuned, written
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.core.types import FloatArray, IntArray
from workbench.schemes.step_sizes import ConstantStep, InverseTimeStep, StepSize

DATASETS: tuple[setting.ProblemName, ...] = ("mnist", "fashion_mnist")
PIXEL_SCALES = (1.0, 255.0)
SCALES = {
    "quick": {"n_runs": 4, "n_pilots": 1, "looks": (1,), "n_steps": 2},
    "paper": {"n_runs": 20, "n_pilots": 2, "looks": (1, 2, 3, 5), "n_steps": 5},
}
DIFFERS = (
    *setting.DIFFERS,
    "The 100 images are drawn from a selection of 5,000 of MNIST's, and from all 70,000 of Fashion-MNIST's.",
    "The paper does not tell the scale of the pixels, which makes a step size large or small: both [0, 1] and [0, 255] "
    "are shown.",
    "Panels (e) and (f) are not in the paper: pixels on [0, 1], each method with the step size out of the same ones "
    "that is best on pilot runs, at each overhead; the classes of MNIST can be separated, so that the largest is best.",
)


def fig8_data(
    *, seed: int, work: Work, n_runs: int, n_pilots: int, looks: tuple[int, ...], n_steps: int
) -> dict[str, Quantity]:
    """Run the three methods on two classes of each data set, for both scales of the pixels, for the same overhead.

    Parameters
    ----------
    looks : rounds of SGC at whose overheads methods are compared; the last one ends the curves
    n_steps : constant steps and as many falling ones that every method tries when it is tuned
    """
    sgc_bits = images_case("mnist", 1.0, "stochastic", 0, n_runs=1).message_bits
    look = np.array(looks) * sgc_bits  # (L,)
    overhead = np.arange(0, look[-1] + 1, sgc_bits // 16)  # (G,)
    cells = list(product(DATASETS, PIXEL_SCALES, METHODS))
    cases = {cell: images_case(*cell, int(look[-1]), n_runs=n_runs) for cell in cells}
    named = {f"{dataset} {scale} {method}": cases[dataset, scale, method] for dataset, scale, method in cells}
    found = dict(zip(cells, setting.simulated(work, seed, named).values(), strict=True))

    def read(at: IntArray) -> FloatArray:
        """Losses at overheads (G,), shape (datasets, scales, methods, R, G)."""
        rows = [at_overheads(found[cell].loss, found[cell].iterations, cases[cell].message_bits, at) for cell in cells]
        return np.stack(rows).reshape(len(DATASETS), len(PIXEL_SCALES), len(METHODS), n_runs, len(at))

    candidates: tuple[StepSize, ...] = (
        *(ConstantStep(1e-3 * 4**power) for power in range(n_steps)),
        *(InverseTimeStep(4e-3 * 4**power) for power in range(n_steps)),
    )
    at_look = read(look)
    match, steps, tuned_at = [], [], []
    for d, dataset in enumerate(DATASETS):
        best = tuned(work, seed, {m: cases[dataset, 1.0, m] for m in METHODS}, candidates, look, n_pilots=n_pilots)
        tuned_at.append([best[m].loss for m in METHODS])
        steps.append([[written(each) for each in best[m].steps] for m in METHODS])
        for s, scale in enumerate(PIXEL_SCALES):
            own = found[dataset, scale, "one_bit"]
            clock = own.iterations.astype(float) * cases[dataset, scale, "one_bit"].message_bits  # (T+1,)
            bits = np.broadcast_to(clock, own.loss.shape)
            match.append(overhead_to_match(own.loss, bits, at_look[d, s, 1]))
    axes = ("dataset", "pixel_scale", "method")
    ends = np.array(tuned_at)  # (datasets, methods, L, R)
    return {
        "dataset": Quantity(("dataset",), np.array(DATASETS)),
        "pixel_scale": Quantity(("pixel_scale",), np.array(PIXEL_SCALES)),
        "method": Quantity(("method",), np.array(METHODS)),
        "overhead": Quantity(("overhead",), overhead, "bit"),
        "look": Quantity(("look",), look, "bit"),
        **banded("loss", read(overhead), (*axes, "overhead")),
        **banded("tuned_loss", ends.swapaxes(2, 3), ("dataset", "method", "look")),
        "loss_at": Quantity((*axes, "look", "run"), at_look.swapaxes(3, 4)),
        "tuned_loss_at": Quantity(("dataset", "method", "look", "run"), ends),
        "tuned_step": Quantity(("dataset", "method", "look"), np.array(steps)),
        "overhead_to_match": Quantity(
            (*axes[:2], "look", "run"), np.reshape(match, (len(DATASETS), len(PIXEL_SCALES), len(look), n_runs)), "bit"
        ),
    }


def fig8_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 8 against the runs."""
    look = data["look"].tolist()
    index = {method: at for at, method in enumerate(data["method"].tolist())}
    datasets = data["dataset"].tolist()

    def over_scales(judge: Callable[[int, int], Finding]) -> Finding:
        """Judge a sentence about both data sets, d, at each scale of the pixels, s."""
        scales = [f"pixels to {scale:g}" for scale in data["pixel_scale"]]
        return over_readings(
            {scale: every({name: judge(d, s) for d, name in enumerate(datasets)}) for s, scale in enumerate(scales)}
        )

    def against(other: str) -> Finding:
        loss, ours = data["loss_at"], index["one_bit"]
        return over_scales(lambda d, s: beats(loss[d, s, ours], loss[d, s, index[other]], look))

    def against_tuned(other: str) -> Finding:
        parts = {
            dataset: beats(losses[index["one_bit"]], losses[index[other]], look)
            for dataset, losses in zip(datasets, data["tuned_loss_at"], strict=True)
        }
        return every(parts)

    return {
        "fig8_better_than_sgc": against("stochastic"),
        "fig8_better_than_ignoring_stragglers": against("one_bit_ignoring"),
        "fig8_rounds_offset_inaccuracy": over_scales(
            lambda d, s: share_of_overhead(data["overhead_to_match"][d, s], look)
        ),
        "fig8_better_than_sgc_when_tuned": against_tuned("stochastic"),
        "fig8_better_than_ignoring_when_tuned": against_tuned("one_bit_ignoring"),
    }
