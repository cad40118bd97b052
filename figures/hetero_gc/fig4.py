"""What the trained networks make of a sample image [hetero_gc, Fig. 4]."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from figures.claims import Finding, all_of, estimate
from figures.curves import banded
from figures.hetero_gc import training
from figures.hetero_gc.training import BASELINES, IDEAL, METHODS, OURS, World, network, trained
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.core.streams import stream
from workbench.core.types import FloatArray
from workbench.datasets import fashion_mnist
from workbench.problems.samples import deal

ALIKE = 0.02  # difference of two accuracies that counts as none
DROP = 0.05  # one that is a drop
CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

SCALES = {
    "quick": {**training.SIZES["quick"], **training.ONE_WORLD, "n_images": 50},
    "paper": {**training.SIZES["paper"], **training.ONE_WORLD, "n_images": 1000},
}
DIFFERS = (
    *training.DIFFERS,
    "The sample is an image of Fashion-MNIST that no worker held, the first that is drawn; its score is the share of "
    "runs whose network names it rightly. Since one image says little, the accuracy on many such images is beside it.",
)


def fig4_data(
    *,
    seed: int,
    work: Work,
    n_workers: int,
    bits: int,
    n_rounds: int,
    n_runs: int,
    n_pilots: int,
    n_samples: int,
    steps: tuple[float, ...],
    n_images: int,
    n_hidden: int = training.N_HIDDEN,
) -> dict[str, Quantity]:
    """Train as in Fig. 2's panel a, and ask the networks about images that no part holds.

    Returns `image` (row, column), its `label`, whether each run names it rightly, `named_runs`, and the share of all
    images that it does, `accuracy_runs`, (method, run); and their means over runs with intervals.
    """
    world = World(n_workers, bits, n_rounds, n_runs, 21, network(n_hidden, n_samples))
    tuned = trained(work, world, world.all_sgd(), seed=seed, n_pilots=n_pilots, steps=steps)
    schemes = [{**world.sgd(method), "name": method, "step_size": tuned[method].step} for method in METHODS]

    def accuracy(n_held_out: int) -> FloatArray:
        """Share of the first images held out that are named rightly, (methods, R)."""
        asking = replace(world, n_points=2, problem={**world.problem, "n_held_out": n_held_out})
        done = work.run(asking.document(schemes, seed=seed, rates_seed=seed))
        return np.stack([done[method].measures["accuracy"][:, -1] for method in METHODS])

    rng = stream(seed, "problem/one_hidden_layer")  # as the problem draws it
    dealt = deal(*fashion_mnist.load(), n_workers, n_samples=n_samples, n_held_out=1, rng=rng)
    return {
        "method": Quantity(("method",), np.array(METHODS)),
        "image": Quantity(("row", "column"), dealt.held_out_images[0].reshape(28, 28)),
        "label": Quantity((), np.array(CLASSES[dealt.held_out_labels[0]])),
        **_with_bands("named", accuracy(1)),
        **_with_bands("accuracy", accuracy(n_images)),
    }


def _with_bands(name: str, samples: FloatArray) -> dict[str, Quantity]:
    """Return the samples (methods, R) as `name`_runs, and their mean with its interval."""
    return {
        **banded(name, known(samples).T, ("method",)),
        f"{name}_runs": Quantity(("method", "run"), samples),
    }


def fig4_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 4 against the accuracy on all images held out."""
    many = dict(zip(data["method"].tolist(), known(data["accuracy_runs"]), strict=True))  # method -> (R,)
    others = [method for method in BASELINES if method not in ("stochastic", "osgc")]  # those that the text names
    below = {method: estimate(many[IDEAL] - many[method]) for method in (OURS, "stochastic")}
    failing = {method: estimate(many[IDEAL] - many[method], n_looks=len(others)) for method in others}
    what = "accuracy of SGD less that of"
    return {
        "fig4_same_score_as_ideal": all_of(
            {"ours": below[OURS]}, lambda each: each.between(-ALIKE, ALIKE), f"within {ALIKE:g} of 0, {what}"
        ),
        "fig4_sgc_drops": all_of(
            {"SGC": below["stochastic"]}, lambda each: each.above(DROP), f"above {DROP:g}, {what}"
        ),
        "fig4_others_fail": all_of(failing, lambda each: each.above(DROP), f"above {DROP:g}, {what}"),
    }


def known(accuracy: FloatArray) -> FloatArray:
    """Accuracy of networks, 0 where a run diverged: such a network knows nothing."""
    return np.where(np.isfinite(accuracy), accuracy, 0.0)
