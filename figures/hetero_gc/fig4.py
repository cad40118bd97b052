"""What the trained networks make of a sample image [hetero_gc, Fig. 4]."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from figures.claims import Estimate, Finding, Outcome, estimate, worst
from figures.hetero_gc import training
from figures.hetero_gc.training import IDEAL, METHODS, OURS, World, network, shown, trained
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.core.streams import stream
from workbench.core.types import FloatArray
from workbench.datasets import fashion_mnist
from workbench.problems.samples import deal

ALIKE = 0.02  # difference of two accuracies that counts as none
DROP = 0.05  # one that is a drop
CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

_WORLD = {"n_workers": 10, "bits": 3}
SCALES = {
    "quick": {**training.SIZES["quick"], **_WORLD, "n_images": 50},
    "paper": {**training.SIZES["paper"], **_WORLD, "n_images": 1000},
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
    n_hidden: int = 10,
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
    found = [
        estimate(np.where(np.isfinite(each), each, 0.0)) for each in samples
    ]  # a network that diverged knows nothing
    shown = {"": [e.mean for e in found], "_low": [e.low for e in found], "_high": [e.high for e in found]}
    quantities = {f"{name}{end}": Quantity(("method",), np.array(values)) for end, values in shown.items()}
    return quantities | {f"{name}_runs": Quantity(("method", "run"), samples)}


def fig4_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 4 against the accuracy on all images held out."""
    row = {method: index for index, method in enumerate(data["method"].tolist())}
    many = np.nan_to_num(data["accuracy_runs"], nan=0.0, posinf=0.0)  # (methods, R)
    below = {method: estimate(many[row[IDEAL]] - many[row[method]]) for method in METHODS if method != IDEAL}
    others = {method: below[method] for method in METHODS[2:-1] if method != "stochastic"}
    ours, sgc = below[OURS], below["stochastic"]
    return {
        "fig4_same_score_as_ideal": Finding(
            worst([ours.below(ALIKE), ours.above(-ALIKE)]),
            f"accuracy of SGD less ours, to be within {ALIKE:g} of 0: {ours}",
            ours.evidence("difference"),
        ),
        "fig4_sgc_drops": Finding(
            _drop(sgc), f"accuracy of SGD less SGC's, to be above {DROP:g}: {sgc}", sgc.evidence("difference")
        ),
        "fig4_others_fail": Finding(
            worst([_drop(each) for each in others.values()]),
            f"accuracy of SGD less that of the others, to be above {DROP:g}: {shown(others)}",
            {method: each.mean for method, each in others.items()},
        ),
    }


def _drop(difference: Estimate) -> Outcome:
    return difference.above(DROP)
