"""Problems: gradients against derivatives of losses written anew, constants against their definitions."""

import inspect
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, Problem
from workbench.datasets import mnist
from workbench.engine.setup import build_problem
from workbench.problems import (
    binary_logistic,
    least_squares,
    linear_scores,
    logistic_regression,
    one_hidden_layer,
    one_vs_rest_logistic,
    products,
    quadratic,
    rosenbrock,
    samples,
    softmax_regression,
    two_class_logistic,
)
from workbench.problems.binary_logistic import BinaryLogistic
from workbench.problems.least_squares import LeastSquares
from workbench.problems.one_hidden_layer import OneHiddenLayer
from workbench.problems.quadratic import Quadratic
from workbench.problems.regularity import curvature_at, minimise, regularity_along
from workbench.problems.rosenbrock import Rosenbrock
from workbench.problems.softmax_regression import SoftmaxRegression

FALSE_ALARM = 1e-6  # of each statistical test; the seeds are fixed


def digits(n_samples: int = 60, n_pixels: int = 784) -> tuple[FloatArray, np.ndarray]:
    """Noise with a bright pixel for each digit, so that there is something to learn."""
    labels = np.arange(n_samples) % 10
    images = np.random.default_rng(11).random((n_samples, n_pixels))
    images[:, : min(n_pixels, 10)] /= 2
    images[np.arange(n_samples), labels % n_pixels] = 1.0
    return images, labels


def on_digits(module: ModuleType, n_parts: int = 4, *, n_images: int = 60, n_pixels: int = 784, **options):
    images, labels = digits(n_images, n_pixels)
    return module.build(n_parts, seed=5, images=images, labels=labels, **options)


def softmax(**options) -> SoftmaxRegression:
    return on_digits(softmax_regression, **options)


def two_digits(n_parts: int = 7, *, n_pixels: int = 784, **options) -> BinaryLogistic:
    images, labels = digits(100, n_pixels)
    return two_class_logistic.build(n_parts, seed=5, images=images, labels=labels, **{"n_samples": 20, **options})


LEAST_SQUARES = least_squares.build(6, seed=3, dim=8, n_samples=24, condition=7.0)
DOUBLE = softmax(l2=0.3, precision="double")
# Every module of the workbench, and what else its file builds; in double precision.
PROBLEMS: dict[str, Problem] = {
    "least_squares": LEAST_SQUARES,
    "least_squares/long parts": least_squares.build(3, seed=3, dim=8, n_samples=24),
    "least_squares/onebit_gc": least_squares.onebit_gc(20, seed=1, dim=6, n_samples=20),
    "least_squares/fastest_k": least_squares.fastest_k(4, seed=1, dim=6, n_samples=40),
    "quadratic": quadratic.build(5, seed=2, dim=9),
    "logistic_regression": logistic_regression.build(4, seed=2, dim=7, n_samples=50),
    "logistic_regression/one sample a part": logistic_regression.build(12, seed=2, dim=7, n_samples=12),
    "two_class_logistic": two_digits(),
    "one_vs_rest_logistic": on_digits(one_vs_rest_logistic, precision="double"),
    "one_vs_rest_logistic/sum": on_digits(one_vs_rest_logistic, 20, precision="double", average=False, centre=False),
    "rosenbrock": rosenbrock.build(5, seed=4, n_samples=13),
    "one_hidden_layer": on_digits(one_hidden_layer, precision="double", n_hidden=6),
    "one_hidden_layer/relu": on_digits(
        one_hidden_layer, 5, precision="double", n_hidden=4, activation="relu", classes=(7, 3)
    ),
    "softmax_regression": DOUBLE,
    "softmax_regression/small parts": softmax(n_parts=25, l2=0.0, precision="double"),
}
# Those that other packages add, as they build them; their losses are not written down here.
ADDED: dict[str, Problem] = {
    key: on_digits(module) if hasattr(module, "DATASET") else module.build(4, seed=1)
    for key, module in catalogue.problems().items()
    if not any(own.split("/")[0] == key for own in PROBLEMS)
}
EVERY = pytest.mark.parametrize("problem", [*PROBLEMS.values(), *ADDED.values()], ids=[*PROBLEMS, *ADDED])
WITH_LOSS = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


def iterates(problem: Problem, n_runs: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((n_runs, problem.dim)) / np.sqrt(problem.dim)


def mixing(n_workers: int, n_parts: int) -> FloatArray:
    """Weights of both signs; worker 3 holds nothing."""
    encode = np.random.default_rng(2).standard_normal((n_workers, n_parts))
    encode[encode < -0.5] = 0
    encode[3] = 0
    return encode


# ---- losses from their definitions, without conjugation or moduli, for complex steps ----------------------


def samples_of(problem: Problem, part: int) -> int:
    match problem:
        case LeastSquares():
            return problem.design.shape[1]
        case Quadratic():
            return 1
        case Rosenbrock() | BinaryLogistic() | SoftmaxRegression() | OneHiddenLayer():
            return int(problem.starts[part + 1] - problem.starts[part])
    return int(problem.part_sizes[part])


def part_loss(problem: Problem, part: int, x: np.ndarray) -> complex:
    return sum(sample_loss(problem, part, sample, x) for sample in range(samples_of(problem, part)))


def sample_loss(problem: Problem, part: int, sample: int, x: np.ndarray) -> complex:
    """Share of one sample, counted within its part, in F: its scale included, the ridge spread evenly."""
    match problem:
        case LeastSquares():
            residual = problem.design[part, sample] @ x - problem.target[part, sample]
            return complex(residual * residual / 2)
        case Quadratic():
            offset = x - problem.centre[part]
            return complex(offset @ problem.curvature[part] @ offset / 2)
    i = problem.starts[part] + sample
    if isinstance(problem, Rosenbrock):
        return complex(100 * (x[i + 1] - x[i] * x[i]) ** 2 + (1 - x[i]) ** 2)
    features = problem.features[i]
    match problem:
        case BinaryLogistic():
            fit = np.log(1 + np.exp(-problem.signs[:, i] * (x.reshape(len(problem.signs), -1) @ features))).sum()
            return complex(problem.scale * fit + ridge(problem, part) * (x * x).sum())
        case SoftmaxRegression():
            fit = surprise(x.reshape(10, -1) @ features, problem.labels[i]) / len(problem.labels)
            return complex(fit + ridge(problem, part) * (x * x).sum())
        case OneHiddenLayer():
            split = problem.n_hidden * len(features)
            inner, outer = x[:split].reshape(problem.n_hidden, -1), x[split:].reshape(problem.n_classes, -1)
            drive = inner @ features
            out = np.tanh(drive) if problem.activation == "tanh" else np.where(drive.real > 0, drive, 0)
            return surprise(outer[:, :-1] @ out + outer[:, -1], problem.labels[i]) / len(problem.labels)
    raise AssertionError(f"write the loss of {problem.name} down here")


def ridge(problem: Problem, part: int) -> float:
    return problem.l2 / (2 * problem.n_parts * samples_of(problem, part))


def surprise(scores: np.ndarray, label: int) -> complex:
    return complex(np.log(np.exp(scores).sum()) - scores[label])


# ---- every problem ---------------------------------------------------------------------------------------


def test_every_problem_of_the_catalogue_is_here():
    of_workbench = {key for key, module in catalogue.problems().items() if module.__name__.startswith("workbench.")}
    assert {key.split("/")[0] for key in PROBLEMS} == of_workbench
    assert all(problem.name == key.split("/")[0] for key, problem in (PROBLEMS | ADDED).items())


@WITH_LOSS
def test_part_gradients_are_the_derivatives_of_the_part_losses(problem):
    """By complex steps, at random points and at the start."""
    x, directions = iterates(problem, 2), iterates(problem, 3, seed=1)
    x[1] = problem.initial()
    grads, losses = problem.part_grads(x), problem.loss(x)
    for run in range(2):
        total = sum(part_loss(problem, part, x[run]).real for part in range(problem.n_parts))
        assert losses[run] == pytest.approx(total, rel=1e-12)
        for part in range(problem.n_parts):
            slopes = [part_loss(problem, part, x[run] + 1e-30j * d).imag / 1e-30 for d in directions]
            size = np.linalg.norm(grads[run, part])
            np.testing.assert_allclose(directions @ grads[run, part], slopes, rtol=1e-10, atol=1e-13 * size)


ENCODINGS = {
    "signs": lambda p: mixing(5, p),
    "full gradient": lambda p: np.ones((1, p)),
    "weighted sum": lambda p: np.arange(1.0, p + 1)[None],
    "all hold all": lambda p: np.random.default_rng(3).random((4, p)) + 0.1,
    "one holder a part": lambda p: np.eye(p)[:, np.random.default_rng(4).permutation(p)] * 2.5,
    "many workers": lambda p: mixing(9 * p, p),
}


def close(found: FloatArray, expected: FloatArray, scale: FloatArray, rtol: float = 1e-12) -> None:
    """Compare vectors on the last axis by their distance, against the size of what they were made of."""
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float64, expected.shape, True)
    assert np.all(np.linalg.norm(found - expected, axis=-1) <= rtol * scale)


def sealed(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Copies that nobody may write to."""
    copies = tuple(array.copy() for array in arrays)
    for copy in copies:
        copy.flags.writeable = False
    return copies


def own_iterates(problem: Problem, n_runs: int, seed: int = 0) -> FloatArray:
    """An iterate for each run and part, shape (R, P, D)."""
    x = iterates(problem, n_runs * problem.n_parts, seed).reshape(n_runs, problem.n_parts, -1)
    return problem.initial() + x


def batches(problem: Problem, n_runs: int, size: int, seed: int = 0) -> tuple[np.ndarray, FloatArray]:
    """Samples with replacement and weights of both signs, shape (R, P, B) each."""
    rng, shape = np.random.default_rng(seed), (n_runs, problem.n_parts, size)
    return rng.integers(0, problem.part_sizes[:, None], shape), rng.standard_normal(shape)


@EVERY
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_messages_are_mixtures_of_part_gradients(problem, encoding):
    encode, x = sealed(encoding(problem.n_parts), iterates(problem, 3))
    grads = problem.part_grads(x)  # (R, P, D)
    encoder, sizes = problem.encoder(encode), np.linalg.norm(grads, axis=2)
    mixed, scale = np.einsum("wp,rpd->rwd", encode, grads), np.einsum("wp,rp->rw", np.abs(encode), sizes)
    for _ in range(2):  # an encoder may be used again
        close(encoder(x), mixed, scale)


@EVERY
def test_a_weighted_gradient_has_the_weights_of_its_own_run(problem):
    x, weights = sealed(iterates(problem, 3), np.random.default_rng(5).standard_normal((3, problem.n_parts)))
    grads = problem.part_grads(x)
    scale = np.einsum("rp,rp->r", np.abs(weights), np.linalg.norm(grads, axis=2))
    close(problem.weighted_grad(x, weights), np.einsum("rp,rpd->rd", weights, grads), scale)


@EVERY
def test_local_gradients_are_part_gradients_at_iterates_of_their_own(problem):
    common, own = sealed(iterates(problem, 3), own_iterates(problem, 3))
    grads = problem.part_grads(common)
    close(problem.local_grads(np.repeat(common[:, None], problem.n_parts, axis=1)), grads, norms(grads))
    one_by_one = np.stack([problem.part_grads(own[:, part])[:, part] for part in range(problem.n_parts)], axis=1)
    close(problem.local_grads(own), one_by_one, norms(one_by_one))


def norms(grads: FloatArray) -> FloatArray:
    """Sizes that rounding is measured by: at least the typical one, as a gradient may nearly vanish."""
    sizes = np.linalg.norm(grads, axis=-1)
    return np.maximum(sizes, sizes.mean())


@pytest.fixture(params=[True, False], ids=["gathered", "whole parts"])
def either_way(request, monkeypatch):
    """Gradients of batches, taken in one of both ways whatever their size."""
    for module in (linear_scores, one_hidden_layer):
        monkeypatch.setattr(module, "gathers", lambda *_: request.param)


@WITH_LOSS
def test_sample_gradients_are_the_derivatives_of_the_sample_losses(problem, either_way):
    """By complex steps, one sample of each part in each run; at the start in one of the runs."""
    x, directions = own_iterates(problem, 2), iterates(problem, 3, seed=1)
    x[1] = problem.initial()
    batch, _ = batches(problem, 2, 1)
    grads = problem.sample_grads(x, batch, np.ones(batch.shape))
    for run, part in np.ndindex(2, problem.n_parts):
        sample, at = batch[run, part, 0], x[run, part]
        slopes = [sample_loss(problem, part, sample, at + 1e-30j * d).imag / 1e-30 for d in directions]
        size = np.linalg.norm(grads[run, part])
        np.testing.assert_allclose(directions @ grads[run, part], slopes, rtol=1e-10, atol=1e-13 * size)


@EVERY
def test_the_samples_of_a_part_make_its_gradient(problem, either_way):
    """Each once, in any order, the shorter parts padded with weights 0."""
    sizes = problem.part_sizes
    assert sizes.dtype == np.int64
    assert sizes.tolist() == [samples_of(problem, part) for part in range(problem.n_parts)]
    order = np.random.default_rng(6).permutation(sizes.max() + 2)
    weights = np.broadcast_to((order < sizes[:, None]).astype(float), (3, problem.n_parts, len(order)))
    x, batch, weights = sealed(own_iterates(problem, 3), np.where(weights > 0, order, 0), weights)
    grads = problem.local_grads(x)
    close(problem.sample_grads(x, batch, weights), grads, norms(grads))


@EVERY
def test_parts_that_share_an_iterate_have_the_gradients_that_they_have_alone(problem, either_way):
    x = iterates(problem, 3)
    everywhere = np.broadcast_to(x[:, None], (3, problem.n_parts, problem.dim))
    (batch, weights), each = batches(problem, 3, 4), everywhere.copy()
    for grads, alone in (
        (problem.local_grads(everywhere), problem.local_grads(each)),
        (problem.sample_grads(everywhere, batch, weights), problem.sample_grads(each, batch, weights)),
    ):
        close(grads, alone, norms(alone))


@EVERY
def test_sample_gradients_add_up(problem, either_way):
    """Of samples drawn with replacement, and of nothing."""
    x = own_iterates(problem, 2)
    batch, weights = batches(problem, 2, 5)
    weights[0, 0] = 0
    single = [problem.sample_grads(x, batch[..., [b]], np.ones((*batch.shape[:2], 1))) for b in range(5)]
    scale = sum(np.abs(weights[..., b]) * np.linalg.norm(single[b], axis=2) for b in range(5))
    together = problem.sample_grads(x, batch, weights)
    close(together, sum(weights[..., [b]] * single[b] for b in range(5)), scale)
    assert not together[0, 0].any()


@pytest.mark.parametrize(
    "problem",
    [*PROBLEMS.values(), *ADDED.values(), softmax(), *(on_digits(m) for m in (one_vs_rest_logistic, one_hidden_layer))],
    ids=[*PROBLEMS, *ADDED, "softmax, single", "one_vs_rest_logistic, single", "one_hidden_layer, single"],
)
def test_a_run_does_not_see_the_others(problem, monkeypatch):
    """Beside any others, in any order, and in chunks of any size; up to rounding, in the products' precision."""
    single = getattr(problem, "features", np.ones(1)).dtype == np.float32
    rtol, n_parts = 1e-5 if single else 1e-12, problem.n_parts
    rng = np.random.default_rng(2)
    x, own = iterates(problem, 7), own_iterates(problem, 7)
    weights, (batch, sample_weights) = rng.standard_normal((7, n_parts)), batches(problem, 7, 2)
    encoders = [problem.encoder(encode) for encode in (rng.random((3, n_parts)), np.ones((1, n_parts)))]

    def all_of(runs: slice) -> list[FloatArray]:
        return [
            problem.loss(x[runs])[:, None],
            problem.part_grads(x[runs]),
            *(encoder(x[runs]) for encoder in encoders),
            problem.weighted_grad(x[runs], weights[runs]),
            problem.local_grads(own[runs]),
            problem.sample_grads(own[runs], batch[runs], sample_weights[runs]),
        ]

    together = all_of(slice(None))
    for runs in (slice(0, 1), slice(2, 5), slice(None, None, -1)):
        for found, among_all in zip(all_of(runs), together, strict=True):
            close(found, among_all[runs], norms(among_all)[runs], rtol)
    for chunk in (1, 2**40):
        monkeypatch.setattr(products, "CHUNK", chunk)
        for found, before in zip(all_of(slice(None)), together, strict=True):
            close(found, before, norms(before), rtol)


@pytest.mark.parametrize("key", catalogue.problems())
def test_what_the_catalogue_builds_is_whole(key, monkeypatch):
    """Built as the engine builds it: shapes, the start, and Σ_j ∇f_j against differences of fourth order."""
    monkeypatch.setattr(mnist, "load", lambda: digits(120))
    module = catalogue.problems()[key]
    built = build_problem(key, 4, seed=1)
    assert (built.name, built.n_parts, built.initial().shape) == (key, 4, (built.dim,))
    options = {"precision": "double"} if "precision" in inspect.signature(module.build).parameters else {}
    images, labels = digits(120)
    data = {"images": images, "labels": labels} if hasattr(module, "DATASET") else {}
    double = module.build(4, seed=1, **data, **options)
    np.testing.assert_array_equal(double.initial(), built.initial())
    x, directions, step = double.initial() + iterates(double, 1), iterates(double, 4, seed=8), 1e-3
    gradient = double.part_grads(x)[0].sum(axis=0)  # (D,)
    ahead = {k: double.loss(x + k * step * directions) for k in (-2, -1, 1, 2)}  # (4,) each
    slopes = (8 * (ahead[1] - ahead[-1]) - (ahead[2] - ahead[-2])) / (12 * step)
    tolerance = 1e-12 * double.loss(x) / step + 1e-9 * np.linalg.norm(gradient)
    np.testing.assert_allclose(directions @ gradient, slopes, rtol=0, atol=tolerance[0])


@pytest.mark.parametrize("key", catalogue.problems())
def test_the_seed_fixes_the_problem(key, monkeypatch):
    monkeypatch.setattr(mnist, "load", lambda: digits(60, 5))
    first, again, other = (build_problem(key, 3, seed=seed) for seed in (7, 7, 8))
    x = first.initial() + iterates(first, 1)
    grads = first.part_grads(x)
    np.testing.assert_array_equal(again.initial(), first.initial())
    np.testing.assert_array_equal(again.part_grads(x), grads)
    moved = other.part_grads(other.initial() + iterates(other, 1))
    assert not np.array_equal(moved, grads)


CUT_ANYWHERE = {
    "least_squares/onebit_gc": lambda p: least_squares.onebit_gc(p, seed=1, dim=6, n_samples=24),
    "least_squares/fastest_k": lambda p: least_squares.fastest_k(p, seed=1, dim=6, n_samples=24),
    "two_class_logistic": lambda p: two_digits(p, n_pixels=8),
    "one_vs_rest_logistic": lambda p: on_digits(one_vs_rest_logistic, p, n_pixels=8, precision="double"),
    "softmax_regression": lambda p: on_digits(softmax_regression, p, n_pixels=8, precision="double"),
    "one_hidden_layer": lambda p: on_digits(one_hidden_layer, p, n_pixels=8, precision="double"),
    "rosenbrock": lambda p: rosenbrock.build(p, seed=1, n_samples=24),
}


@pytest.mark.parametrize("make", CUT_ANYWHERE.values(), ids=CUT_ANYWHERE)
def test_the_same_samples_in_more_parts_are_the_same_loss(make):
    few, many = make(3), make(12)
    x = iterates(few, 4)
    np.testing.assert_allclose(many.loss(x), few.loss(x), rtol=1e-12)
    gradient = few.part_grads(x).sum(axis=1)
    np.testing.assert_allclose(many.part_grads(x).sum(axis=1), gradient, atol=1e-12 * np.abs(gradient).max())
    np.testing.assert_array_equal(many.initial(), few.initial())


@pytest.mark.parametrize(
    "module", [softmax_regression, one_vs_rest_logistic, one_hidden_layer], ids=lambda m: m.__name__
)
def test_single_precision_is_close_to_double(module, either_way):
    single, double = on_digits(module), on_digits(module, precision="double")
    assert single.features.dtype == np.float32
    x, own = iterates(double, 7) * 30, own_iterates(double, 2) * 30
    weights, (batch, sample_weights) = np.random.default_rng(2).random((7, 4)), batches(double, 2, 6)
    np.testing.assert_allclose(single.loss(x), double.loss(x), rtol=1e-5)
    for found, exact in (
        (single.part_grads(x), double.part_grads(x)),
        (single.encoder(weights)(x), double.encoder(weights)(x)),
        (single.weighted_grad(x, weights), double.weighted_grad(x, weights)),
        (single.local_grads(own), double.local_grads(own)),
        (single.sample_grads(own, batch, sample_weights), double.sample_grads(own, batch, sample_weights)),
    ):
        close(found, exact, np.linalg.norm(exact, axis=-1), 2e-5)
        assert not np.array_equal(found, exact)


# ---- constants -------------------------------------------------------------------------------------------

NARROW = {
    **{key: PROBLEMS[key] for key in PROBLEMS if key.startswith(("least_squares", "quadratic"))},
    "quadratic/ill-conditioned": quadratic.build(3, seed=0, spectrum=np.geomspace(1e-4, 100.0, 12)),
    "logistic_regression": PROBLEMS["logistic_regression"],
    "two_class_logistic": two_digits(n_pixels=6, l2=0.01),
    "one_vs_rest_logistic": on_digits(one_vs_rest_logistic, n_pixels=5, precision="double"),
    "one_vs_rest_logistic/sum": on_digits(
        one_vs_rest_logistic, n_pixels=5, precision="double", average=False, centre=False
    ),
    "softmax_regression": on_digits(softmax_regression, n_pixels=5, precision="double"),
}
CONVEX = pytest.mark.parametrize("problem", NARROW.values(), ids=NARROW)


def hessian(problem: Problem, x: FloatArray, step: float = 1e-5) -> FloatArray:
    """Central differences of the gradient at x (D,), shape (D, D)."""
    moves = step * np.eye(problem.dim)
    ahead, back = (problem.part_grads(x + sign * moves).sum(axis=1) for sign in (1, -1))
    slope = (ahead - back) / (2 * step)
    return (slope + slope.T) / 2


@CONVEX
def test_curvatures_lie_between_the_constants(problem):
    reg = problem.regularity
    for x in (np.zeros(problem.dim), iterates(problem, 1)[0] * 3, reg.optimum):
        eigenvalues = np.linalg.eigvalsh(hessian(problem, x))
        slack = 1e-6 * reg.smoothness
        assert eigenvalues[0] >= reg.strong_convexity - slack
        assert eigenvalues[-1] <= reg.smoothness + slack
        if not x.any() and not isinstance(problem, SoftmaxRegression):
            assert eigenvalues[-1] == pytest.approx(reg.smoothness, rel=1e-6)
        if isinstance(problem, LeastSquares | Quadratic):
            assert eigenvalues[0] == pytest.approx(reg.strong_convexity, abs=slack)


@pytest.mark.parametrize("problem", [p for k, p in NARROW.items() if "logistic" in k or "softmax" in k])
def test_far_out_only_the_ridge_curves(problem):
    """Strong convexity is l2 and no more: along a direction that separates nothing, F flattens."""
    x = 1e4 * np.ones(problem.dim) + 1e5 * iterates(problem, 1)[0]
    assert np.linalg.eigvalsh(hessian(problem, x))[0] == pytest.approx(problem.l2, rel=1e-4)
    assert problem.regularity.strong_convexity == problem.l2


WITH_OPTIMUM = {**NARROW, "softmax_regression/784": DOUBLE, **{k: PROBLEMS[k] for k in PROBLEMS if "one_vs" in k}}


@pytest.mark.parametrize("problem", [*WITH_OPTIMUM.values(), PROBLEMS["rosenbrock"]], ids=[*WITH_OPTIMUM, "rosenbrock"])
def test_the_optimum_is_one(problem):
    reg = problem.regularity
    at = np.stack([reg.optimum, np.zeros(problem.dim)])
    size = np.linalg.norm(problem.part_grads(at).sum(axis=1), axis=1)
    assert size[0] <= 1e-12 * size[1]
    around = reg.optimum + np.concatenate([iterates(problem, 10), 1e-3 * iterates(problem, 10, seed=1)])
    assert problem.loss(at)[0] == pytest.approx(reg.optimal_loss, rel=1e-10, abs=1e-30)
    assert np.all(problem.loss(around) > reg.optimal_loss)


@pytest.mark.parametrize("key", ["logistic_regression", "one_vs_rest_logistic", "softmax_regression"])
def test_another_method_finds_the_same_optimum(key):
    problem = NARROW[key]
    found = optimize.minimize(
        lambda x: problem.loss(x[None])[0],
        problem.initial(),
        jac=lambda x: problem.part_grads(x[None])[0].sum(axis=0),
        method="BFGS",
        options={"gtol": 1e-8},
    )
    np.testing.assert_allclose(found.x, problem.regularity.optimum, atol=1e-5)
    assert found.fun == pytest.approx(problem.regularity.optimal_loss, rel=1e-12)


@pytest.mark.parametrize("module", [binary_logistic, softmax_regression], ids=lambda m: m.__name__)
def test_newton_is_given_the_hessian(module, monkeypatch):
    """Products against differences of the gradient; the preconditioner is symmetric and positive."""
    given_maps = []
    monkeypatch.setattr(module, "minimise", lambda *maps, **sizes: given_maps.append((maps, sizes)))
    builder = one_vs_rest_logistic if module is binary_logistic else softmax_regression
    problem = on_digits(builder, n_pixels=5, precision="double", l2=0.02)
    assert problem.regularity.optimum is None
    (((gradient, hessian_at, precondition), sizes),) = given_maps
    assert sizes == {"dim": problem.dim, "strong_convexity": 0.02}
    x, v, u = iterates(problem, 3) * 3
    np.testing.assert_allclose(gradient(x), problem.part_grads(x[None])[0].sum(axis=0), rtol=1e-10, atol=1e-15)
    slope = (gradient(x + 1e-5 * v) - gradient(x - 1e-5 * v)) / 2e-5
    np.testing.assert_allclose(hessian_at(x)(v), slope, rtol=1e-6, atol=1e-9)
    assert u @ precondition(v) == pytest.approx(v @ precondition(u), rel=1e-10)
    assert v @ precondition(v) > 0


def test_an_optimum_out_of_reach_is_not_claimed():
    """A gradient that jumps at its zero never gets small; next to no ridge is lost in rounding."""
    for jump in (1e-6, 1e-10):
        jumping = minimise(
            lambda x, jump=jump: x - 1 + np.where(x < 1, -jump, jump),
            lambda _: np.copy,
            np.copy,
            dim=3,
            strong_convexity=1.0,
        )
        assert jumping is None
    for flat in (two_digits(l2=1e-300), softmax(l2=1e-9), on_digits(one_vs_rest_logistic, l2=1e-300)):
        assert flat.regularity.strong_convexity == flat.l2
        assert flat.regularity.optimum is None


def test_a_small_gradient_is_no_optimum_where_the_function_is_flat():
    """The gradient of e^(−x) + 1e-20 x²/2 is below 1e-12 from x = 28 on, the optimum is at 42."""
    found = minimise(
        lambda x: 1e-20 * x - np.exp(-x),
        lambda x: lambda v: (1e-20 + np.exp(-x)) * v,
        np.copy,
        dim=1,
        strong_convexity=1e-20,
    )
    root = optimize.brentq(lambda x: np.log(1e-20 * x) + x, 1, 100, xtol=1e-12)
    np.testing.assert_allclose(found, root, rtol=1e-8)


def test_newton_gets_there_where_full_steps_overshoot():
    spread = np.geomspace(1, 1e4, 30)
    found = minimise(
        lambda x: spread * x - 1 + x**3,
        lambda x: lambda v: (spread + 3 * x**2) * v,
        np.copy,
        dim=30,
        strong_convexity=1.0,
    )
    np.testing.assert_allclose(spread * found + found**3, 1, atol=1e-11)
    far = minimise(
        lambda x: np.arctan(x - 9), lambda x: lambda v: v / (1 + (x - 9) ** 2), np.copy, dim=1, strong_convexity=0.01
    )
    np.testing.assert_allclose(far, 9, atol=1e-11)
    at_once = minimise(np.arctan, lambda x: lambda v: v / (1 + x**2), np.copy, dim=2, strong_convexity=0.1)
    np.testing.assert_array_equal(at_once, [0, 0])


def test_nothing_is_claimed_where_nothing_holds():
    network = PROBLEMS["one_hidden_layer"].regularity
    assert (network.strong_convexity, network.smoothness, network.optimum, network.optimal_loss) == (None,) * 4
    valley = PROBLEMS["rosenbrock"].regularity
    assert (valley.strong_convexity, valley.smoothness, valley.optimal_loss) == (None, None, 0.0)
    for separable in (two_digits(), softmax(l2=0.0), on_digits(one_vs_rest_logistic, l2=0.0)):
        reg = separable.regularity
        assert (reg.strong_convexity, reg.optimum, reg.optimal_loss) == (None, None, None)
        assert reg.smoothness > 0


@CONVEX
def test_curvature_at_a_point_is_that_of_the_hessian(problem):
    """Within a percent below the largest |eigenvalue|, as the power iteration is."""
    x = problem.initial()
    largest = np.abs(np.linalg.eigvalsh(hessian(problem, x))).max()
    assert 0.97 * largest <= curvature_at(problem, x) <= 1.001 * largest


@pytest.mark.parametrize("key", ["least_squares", "rosenbrock", "one_hidden_layer"])
def test_constants_along_a_run_are_the_largest(key):
    problem = PROBLEMS[key]
    path = problem.initial() + np.linspace(1, 0, 23)[:, None] * iterates(problem, 1)
    bounds, variances = [], []
    for x in path:
        grads = problem.part_grads(x[None])[0]
        bounds.append(max(g @ g for g in grads))
        variances.append(sum(np.sum((g - grads.mean(axis=0)) ** 2) for g in grads) / len(grads))
    reg = regularity_along(problem, path)
    assert reg.grad_bound_sq == pytest.approx(max(bounds), rel=1e-12)
    assert reg.grad_var == pytest.approx(max(variances), rel=1e-12)
    assert (reg.smoothness, reg.optimal_loss) == (problem.regularity.smoothness, problem.regularity.optimal_loss)
    assert reg.grad_var <= reg.grad_bound_sq
    with pytest.raises(InputError, match="no iterates"):
        regularity_along(problem, path[:0])


def test_softmax_smoothness_bounds_the_curvature_and_is_not_idle():
    """The gradient is L-Lipschitz, and two classes at even odds come within the factor that the ½ allows."""
    x = iterates(DOUBLE, 20)
    y = x + iterates(DOUBLE, 20, seed=9)
    grad_x, grad_y = (DOUBLE.part_grads(z).sum(axis=1) for z in (x, y))
    ratio = np.linalg.norm(grad_x - grad_y, axis=1) / np.linalg.norm(x - y, axis=1)
    assert ratio.max() <= DOUBLE.regularity.smoothness
    # Samples torn between classes 0 and 1: the Hessian there is XᵀX/(4N) for each, XᵀX/(2N) across the two.
    torn = np.zeros((1, 10, 785))
    torn[0, 2:, -1] = -60.0
    values, vectors = np.linalg.eigh(DOUBLE.features.T @ DOUBLE.features / len(DOUBLE.labels))
    along = np.zeros((1, 10, 785))
    along[0, 0], along[0, 1] = vectors[:, -1] / np.sqrt(2), -vectors[:, -1] / np.sqrt(2)
    at, beside = (DOUBLE.part_grads(z.reshape(1, -1)).sum(axis=1) for z in (torn, torn + 1e-5 * along))
    curvature = np.linalg.norm(beside - at) / 1e-5
    assert curvature == pytest.approx(values[-1] / 2 + DOUBLE.l2, rel=1e-4)
    assert curvature == pytest.approx(DOUBLE.regularity.smoothness, rel=1e-4)


# ---- generators ------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n_parts=st.integers(1, 9), dim=st.integers(1, 12), condition=st.floats(1.0, 50.0))
def test_least_squares_constants_are_exact(seed, n_parts, dim, condition):
    problem = least_squares.build(n_parts, seed=seed, dim=dim, condition=condition)
    reg = problem.regularity
    if dim > 1:
        assert reg.smoothness == pytest.approx(condition, rel=1e-10)
    assert reg.strong_convexity == pytest.approx(1.0, rel=1e-10)
    gradient = problem.part_grads(reg.optimum[None]).sum(axis=1)
    assert np.linalg.norm(gradient) < 1e-12 * max(1.0, condition)
    x = iterates(problem, 20, seed) * 3
    gap, distance = problem.loss(x) - reg.optimal_loss, np.square(x - reg.optimum).sum(axis=1)
    slack = 1e-9 * (1 + problem.loss(x))
    assert np.all(gap >= reg.strong_convexity / 2 * distance - slack)
    assert np.all(gap <= reg.smoothness / 2 * distance + slack)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n_parts=st.integers(1, 6), spectrum=st.lists(st.floats(1e-3, 1e3), min_size=1))
def test_a_quadratic_has_the_spectrum_asked_for(seed, n_parts, spectrum):
    problem = quadratic.build(n_parts, seed=seed, spectrum=np.array(spectrum))
    found = np.linalg.eigvalsh(problem.curvature.sum(axis=0))
    np.testing.assert_allclose(found, np.sort(spectrum), atol=1e-12 * max(spectrum))
    for part in problem.curvature:
        np.testing.assert_allclose(part, part.T, atol=1e-15 * max(spectrum))
        assert np.linalg.eigvalsh(part)[0] > -1e-12 * max(spectrum)
    assert problem.regularity.smoothness == found[-1]
    assert problem.regularity.strong_convexity == found[0]


def test_quadratic_parts_agree_without_disagreement_and_by_default_do_not():
    agreed = quadratic.build(4, seed=0, dim=6, disagreement=0.0)
    assert agreed.regularity.optimal_loss < 1e-25
    np.testing.assert_allclose(agreed.regularity.optimum, agreed.centre[0], atol=1e-13)
    spectrum = np.geomspace(1.0, 5.0, 6)
    np.testing.assert_allclose(np.linalg.eigvalsh(agreed.curvature.sum(axis=0)), spectrum, rtol=1e-12)
    weights = np.trace(quadratic.build(12, seed=0, dim=40).curvature, axis1=1, axis2=2)
    assert weights.max() > 2 * weights.min()


@pytest.mark.parametrize("key", ["least_squares", "quadratic", "logistic_regression", "one_vs_rest_logistic"])
def test_parts_are_unlike_each_other(key):
    problem = PROBLEMS[key]
    at_optimum = problem.part_grads(problem.regularity.optimum[None])[0]  # (P, D)
    at_start = problem.part_grads(problem.initial()[None])[0]
    assert np.linalg.norm(at_optimum, axis=1).min() > 0.1 * np.linalg.norm(at_start, axis=1).mean()


def uniform_p_value(values: np.ndarray, low: int, high: int) -> float:
    assert (values.min(), values.max()) == (low, high)
    return float(stats.chisquare(np.bincount(values, minlength=high + 1)[low:]).pvalue)


def residual_p_value(problem: LeastSquares, n_samples: int) -> float:
    """Twice the optimal loss is χ² with N − D degrees of freedom when the noise is standard normal."""
    law = stats.chi2(n_samples - problem.dim)
    return float(2 * min(law.cdf(2 * problem.regularity.optimal_loss), law.sf(2 * problem.regularity.optimal_loss)))


def test_the_regression_of_onebit_gc():
    problem = least_squares.onebit_gc(1000, seed=6)
    assert problem.design.shape == (1000, 1, 100)
    assert stats.kstest(problem.design.ravel() / 10, "norm").pvalue > FALSE_ALARM
    assert stats.kstest(problem.regularity.optimum, "norm").pvalue > FALSE_ALARM  # β* within 0.003
    assert stats.kstest(problem.initial(), "norm").pvalue > FALSE_ALARM
    assert abs(np.corrcoef(problem.initial(), problem.regularity.optimum)[0, 1]) < 0.5  # 5 standard errors
    assert residual_p_value(problem, 1000) > FALSE_ALARM


def test_the_regression_of_fastest_k():
    problem = least_squares.fastest_k(50, seed=6, average=False)
    assert problem.design.shape == (50, 40, 100)
    entries = problem.design.astype(int)
    np.testing.assert_array_equal(entries, problem.design)
    assert uniform_p_value(entries.ravel(), 1, 10) > FALSE_ALARM
    weights = problem.regularity.optimum.round()
    assert np.abs(problem.regularity.optimum - weights).max() < 0.1
    assert 1 <= weights.min() <= weights.max() <= 100
    assert stats.kstest((weights - 0.5) / 100, "uniform").pvalue > FALSE_ALARM
    assert residual_p_value(problem, 2000) > FALSE_ALARM
    assert not problem.initial().any()


SMALL = {"dim": 5, "n_samples": 24}


@pytest.mark.parametrize(
    ("generator", "options"),
    [
        ("spectrum", {}),
        ("spectrum", SMALL),
        ("spectrum", {"dim": 5, "condition": 3.0, "disagreement": 0.0, "noise": 2.0}),
        ("onebit_gc", {}),
        ("onebit_gc", SMALL | {"average": True}),
        ("fastest_k", {}),
        ("fastest_k", SMALL | {"average": False}),
    ],
)
def test_plain_values_reach_every_generator(generator, options):
    built = build_problem("least_squares", 4, seed=3, generator=generator, **options)
    direct = getattr(least_squares, generator)(4, seed=3, **options)
    for name in ("design", "target", "start"):
        np.testing.assert_array_equal(getattr(built, name), getattr(direct, name))


@pytest.mark.parametrize("make", [least_squares.onebit_gc, least_squares.fastest_k], ids=lambda make: make.__name__)
def test_the_mean_is_the_sum_over_n(make):
    total, mean = (make(4, seed=3, dim=5, n_samples=24, average=average) for average in (False, True))
    x = iterates(total, 3)
    np.testing.assert_allclose(24 * mean.loss(x), total.loss(x), rtol=1e-12)
    np.testing.assert_allclose(24 * mean.part_grads(x), total.part_grads(x), rtol=1e-10, atol=1e-9)
    assert 24 * mean.regularity.smoothness == pytest.approx(total.regularity.smoothness, rel=1e-12)
    np.testing.assert_allclose(mean.regularity.optimum, total.regularity.optimum, rtol=1e-9)


def test_the_papers_step_sizes_fit_the_losses_that_are_the_default():
    """Gradient descent converges for steps below 2/L: fastest_k's with the mean alone, onebit_gc's with the sum."""
    assert 1.4 < 0.0005 * least_squares.fastest_k(50, seed=0).regularity.smoothness < 1.6
    assert 0.0005 * least_squares.fastest_k(50, seed=0, average=False).regularity.smoothness > 2900
    assert 1.5 < 1e-5 * least_squares.onebit_gc(100, seed=0).regularity.smoothness < 2


def test_synthetic_classes_follow_the_logistic_model():
    """Features by Kolmogorov and Smirnov, labels by χ² over 40 groups of like odds and equal variance."""
    n_samples, dim = 400_000, 4
    problem = logistic_regression.build(
        1, seed=9, dim=dim, n_samples=n_samples, condition=16.0, disagreement=4.0, l2=1e-6
    )
    white = problem.features / np.sqrt(np.geomspace(1, 16, dim))
    assert 0.5 <= white.std() <= 1.5
    assert stats.kstest((white / white.std()).ravel(), "norm").pvalue > FALSE_ALARM
    fitted = problem.features @ problem.regularity.optimum
    assert np.std(fitted) > 4  # otherwise other laws of the labels look the same
    order = np.argsort(fitted)
    prob, positive = 1 / (1 + np.exp(-fitted[order])), problem.signs[0, order] > 0
    variance = np.cumsum(prob * (1 - prob))
    group = np.minimum((40 * variance / variance[-1]).astype(int), 39)
    statistic = (np.bincount(group, positive - prob) ** 2 / np.bincount(group, prob * (1 - prob))).sum()
    assert stats.chi2(40 - dim).sf(statistic) > FALSE_ALARM


def test_synthetic_classes_have_parts_of_their_own_scale():
    features = logistic_regression.build(8, seed=9, n_samples=4000, dim=3).features
    spread = [part.std() for part in np.split(features[:, 0], 8)]
    assert max(spread) > 1.5 * min(spread)  # of equal scales, 10 standard errors


def test_two_classes_are_the_ones_named():
    images, labels = digits(100, 12)
    problem = two_digits(n_pixels=12, classes=(3, 8), n_samples=None)
    assert problem.signs.shape == (1, 20)
    for pixels, sign in zip(problem.features, problem.signs[0], strict=True):
        assert labels[(images == pixels).all(axis=1)].tolist() == [8 if sign > 0 else 3]
    assert len(np.unique(problem.features, axis=0)) == 20
    assert two_digits().scale == 1.0
    assert stats.kstest(two_digits().initial(), "norm").pvalue > FALSE_ALARM


def test_one_against_the_rest_asks_ten_questions():
    problem = PROBLEMS["one_vs_rest_logistic"]
    assert problem.dim == 10 * 785
    np.testing.assert_array_equal(np.sort(problem.signs, axis=0), np.repeat([[-1.0] * 9 + [1.0]], 60, axis=0).T)
    images, labels = digits()
    for row, own in zip(problem.features[:, :-1], problem.signs.argmax(axis=0), strict=True):
        match = np.isclose(images - images.mean(axis=0), row, atol=1e-12).all(axis=1)
        assert labels[match].tolist() == [own]
    raw = PROBLEMS["one_vs_rest_logistic/sum"]
    assert (raw.scale, problem.scale) == (0.1, 1 / 600)
    assert 0 <= raw.features.min() <= raw.features.max() == 1


def test_a_network_starts_at_random_and_learns_nothing_at_zero():
    problem = on_digits(one_hidden_layer, precision="double", n_hidden=50)
    inner, outer = problem.initial()[: 50 * 785], problem.initial()[50 * 785 :]
    assert stats.kstest(inner * np.sqrt(785), "norm").pvalue > FALSE_ALARM
    assert stats.kstest(outer * np.sqrt(51), "norm").pvalue > FALSE_ALARM
    assert problem.dim == 50 * 785 + 10 * 51
    at_zero = problem.part_grads(np.zeros((1, problem.dim)))[0]
    assert not at_zero[:, : 50 * 785].any()
    assert np.linalg.norm(problem.part_grads(problem.initial()[None])[0, :, : 50 * 785], axis=1).min() > 1e-3


def test_each_layer_starts_at_the_scale_of_its_inputs():
    images, labels = digits(10, 1)
    starts = np.stack(
        [one_hidden_layer.build(1, seed=s, images=images, labels=labels, n_hidden=1).initial() for s in range(200)]
    )
    assert stats.kstest((starts[:, :2] * np.sqrt(2)).ravel(), "norm").pvalue > FALSE_ALARM  # a pixel and the bias
    assert stats.kstest((starts[:, 2:] * np.sqrt(2)).ravel(), "norm").pvalue > FALSE_ALARM


def test_rosenbrock_starts_as_in_the_paper():
    problem = rosenbrock.build(100, seed=0)
    assert (problem.dim, problem.starts[1]) == (1001, 10)
    assert stats.kstest(problem.initial(), "norm").pvalue > FALSE_ALARM
    assert rosenbrock.build(1500, seed=0).dim == 1501


@pytest.mark.parametrize(
    "module", [softmax_regression, one_vs_rest_logistic, one_hidden_layer], ids=lambda m: m.__name__
)
def test_by_label_sorts_the_parts_and_the_default_mixes_them(module):
    def n_classes(by_label: bool) -> list[int]:
        problem = on_digits(module, n_pixels=5, by_label=by_label)
        labels = problem.signs.argmax(axis=0) if isinstance(problem, BinaryLogistic) else problem.labels
        assert sorted(labels) == sorted(digits()[1])
        return [len(np.unique(part)) for part in np.split(labels, problem.starts[1:-1])]

    assert max(n_classes(True)) <= 4  # 15 samples of 6 a digit
    assert min(n_classes(False)) >= 6
    assert on_digits(module, n_pixels=5, n_samples=41).starts.tolist() == [0, 10, 20, 30, 41]


IMAGES = {  # problems on images, and whether the mean image is taken away
    "softmax_regression": (softmax_regression, {"l2": 0.3}, True),
    "one_hidden_layer": (one_hidden_layer, {"n_hidden": 6}, True),
    "one_hidden_layer/relu": (one_hidden_layer, {"n_hidden": 6, "activation": "relu", "classes": (7, 3, 5)}, True),
    "one_vs_rest_logistic": (one_vs_rest_logistic, {"l2": 0.1}, True),
    "one_vs_rest_logistic/uncentred": (one_vs_rest_logistic, {"l2": 0.1, "centre": False}, False),
}
ON_IMAGES = pytest.mark.parametrize(("module", "options", "centred"), IMAGES.values(), ids=IMAGES)


def plain_scores(problem: Problem, x: FloatArray, a: FloatArray) -> FloatArray:
    """Scores of one sample's features (F,) at one iterate (D,)."""
    if not isinstance(problem, OneHiddenLayer):
        return np.array([weights @ a for weights in x.reshape(10, -1)])
    split = problem.n_hidden * len(a)
    drive = x[:split].reshape(-1, len(a)) @ a
    outputs = np.tanh(drive) if problem.activation == "tanh" else np.maximum(drive, 0)
    return x[split:].reshape(problem.n_classes, -1) @ np.append(outputs, 1)


@ON_IMAGES
def test_accuracy_is_the_share_of_samples_held_out_that_are_classified_rightly(module, options, centred):
    """Against the images themselves: those that come after the parts' in the order in which they are drawn."""
    images, labels = digits(300, 20)
    problem = on_digits(
        module, n_images=300, n_pixels=20, n_samples=40, n_held_out=41, precision="double", by_label=True, **options
    )
    classes = list(options.get("classes", range(10)))
    own = np.flatnonzero(np.isin(labels, classes))
    order = own[stream(5, f"problem/{problem.name}").permutation(len(own))]
    mean = images[order[:40]].mean(axis=0) if centred else np.zeros(20)
    x = problem.initial() + 10 * iterates(problem, 6)
    expected = [
        sum(
            classes[plain_scores(problem, at, np.append(images[i] - mean, 1)).argmax()] == labels[i]
            for i in order[40:81]
        )
        / 41
        for at in x
    ]
    assert len(set(expected)) > 2
    np.testing.assert_array_equal(problem.measures(x)["accuracy"], expected)


@ON_IMAGES
def test_what_is_held_out_changes_nothing_about_the_training(module, options, centred):
    without = on_digits(module, n_pixels=9, n_samples=9, **options)
    beside = on_digits(module, n_pixels=9, n_samples=9, n_held_out=8, **options)
    assert without.measures(without.initial()[None]) == {}
    for name in ("features", "labels", "signs", "starts"):
        if hasattr(without, name):
            np.testing.assert_array_equal(getattr(beside, name), getattr(without, name))
    np.testing.assert_array_equal(beside.initial(), without.initial())
    assert beside.regularity.smoothness == without.regularity.smoothness


def test_all_images_that_are_not_held_out_are_trained_with():
    assert softmax(n_pixels=4, n_held_out=7).part_sizes.sum() == 53


def test_classes_are_numbered_in_the_order_given():
    images, labels = digits(30, 4)
    kept, numbered = samples.of_classes(images, labels, (7, 2, 9))
    for pixels, number in zip(kept, numbered, strict=True):
        assert labels[(images == pixels).all(axis=1)].tolist() == [(7, 2, 9)[number]]
    assert len(kept) == 9


# ---- products --------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=7)
    | st.tuples(st.integers(1, 4), st.integers(1, 7)).map(lambda pair: [pair[0]] * pair[1]),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    n_workers=st.integers(1, 4),
    chunk=st.integers(1, 200),
    keeps=st.booleans(),
    per_run=st.booleans(),
)
def test_products_agree_with_their_definition(seed, sizes, shape, n_workers, chunk, keeps, per_run):
    """Sample by sample; parts of one size or not, right factors of all runs or of each, results in a wider array."""
    rng = np.random.default_rng(seed)
    starts, width = np.concatenate([[0], np.cumsum(sizes)]), 5
    n_samples, n_parts = int(starts[-1]), len(sizes)
    left = rng.standard_normal((*shape, n_samples))
    right = rng.standard_normal((shape[0], n_samples, width) if per_run else (n_samples, width))
    each = np.einsum("rkn,rnf->rnkf", left, np.broadcast_to(right, (shape[0], n_samples, width)))
    parts = np.stack([each[:, a:b].sum(axis=1) for a, b in pairwise(starts)], axis=1)
    parts = parts.reshape(shape[0], n_parts, -1)  # (R, P, K F)
    room = np.full((shape[0], n_parts, parts.shape[2] + 3), 7.0)
    products.part_products(left, right, starts, room[..., 2:-1])
    np.testing.assert_allclose(room[..., 2:-1], parts, atol=1e-12)
    assert np.all(room[..., [0, 1, -1]] == 7)

    x = rng.standard_normal((shape[0], n_parts, shape[1], width))
    owner = np.repeat(np.arange(n_parts), sizes)
    columns = np.broadcast_to(right.swapaxes(-1, -2), (shape[0], width, n_samples))
    expected = np.einsum("rnkf,rfn->rkn", x[:, owner], columns)
    np.testing.assert_allclose(products.local_products(x, right.swapaxes(-1, -2), starts), expected, atol=1e-12)

    weights, wider = rng.standard_normal((shape[0], n_parts)), np.full((*shape, 2 * n_samples), 7.0)
    wider[..., ::2] = left
    products.weigh(wider[..., ::2], weights, starts)
    np.testing.assert_array_equal(wider[..., ::2], left * weights[:, None, owner])
    assert np.all(wider[..., 1::2] == 7)

    encode = rng.standard_normal((n_workers, n_parts)) * (rng.random((n_workers, n_parts)) < 0.6)
    mixed, ways = np.einsum("wp,rpm->rwm", encode, parts), [(products.part_mixer(encode, left.dtype), parts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "MOST_HELD", 2**24 if keeps else 0)
        patch.setattr(products, "CHUNK", chunk)
        if not per_run:
            ways += [(way(encode, right, starts), left) for way in (products._by_part, products._by_worker)]
        for mix, factor in ways:
            messages = np.full((shape[0], n_workers, mixed.shape[2] + 3), 7.0)
            mix(factor, messages[..., 2:-1])
            np.testing.assert_allclose(messages[..., 2:-1], mixed, atol=1e-12)
            assert np.all(messages[..., [0, 1, -1]] == 7)


def holders(n_workers: int, n_parts: int, n_holders: int) -> FloatArray:
    """Each part with as many workers, in turn."""
    worker = np.add.outer(np.arange(n_parts), np.arange(n_holders)) % n_workers
    encode = np.zeros((n_workers, n_parts))
    encode[worker, np.arange(n_parts)[:, None]] = 0.5
    return encode


def test_samples_are_mixed_in_the_cheaper_way(monkeypatch):
    """Small parts are not multiplied one by one, long ones not once for each holder."""
    for way in ("_by_part", "_by_worker"):
        monkeypatch.setattr(products, way, lambda *_, way=way: way)

    def chosen(encode: FloatArray, n_samples: int) -> str:
        starts = samples.part_starts(n_samples, encode.shape[1])
        return products.mixer(encode, np.ones((n_samples, 2)), starts)

    assert chosen(holders(100, 1000, 20), 1000) == "_by_worker"
    assert chosen(holders(100, 200, 3), 1000) == "_by_worker"  # to store the products of all parts takes longer
    assert chosen(holders(100, 100, 20), 1000) == "_by_part"
    assert chosen(holders(10, 10, 3), 1000) == "_by_part"
    assert chosen(np.eye(10), 1000) == "_by_part"  # no rows are gathered
    assert chosen(np.ones((1, 10)), 1000) == "_by_worker"  # a single product
    assert chosen(np.ones((8, 10)), 1000) == "_by_part"


def test_a_full_gradient_is_one_product_with_the_rows_as_they_are():
    """Nothing is gathered, copied or weighted: the result is the bare product's, bit for bit."""
    rows, left = np.random.default_rng(0).random((50, 3)), np.random.default_rng(1).random((2, 4, 50))
    mix, out = products.mixer(np.ones((1, 10)), rows, samples.part_starts(50, 10)), np.empty((2, 1, 12))
    rows[7] += 1  # seen by the mixer, which holds no copy
    mix(left, out)
    np.testing.assert_array_equal(out.ravel(), (left.reshape(8, 50) @ rows).ravel())


def test_batches_are_gathered_where_they_are_small():
    starts = samples.part_starts(1000, 5)
    for n_rows in (1, 10, 50):
        assert products.gathers(np.zeros((2, 5, 10), int), starts, n_rows)
        assert not products.gathers(np.zeros((2, 5, 200), int), starts, n_rows)
    assert not products.gathers(np.zeros((2, 5, 60), int), starts, 1)
    assert products.gathers(np.zeros((2, 5, 60), int), starts, 50)


@pytest.mark.parametrize(
    ("problem", "encode", "is_one_product"),
    {
        "least squares, every part one sample": (
            least_squares.onebit_gc(200, seed=0, dim=10, n_samples=200),
            holders(20, 200, 8),
            True,
        ),
        "least squares, full gradient": (
            least_squares.build(5, seed=0, dim=10, n_samples=20),
            np.ones((1, 5)),
            True,
        ),
        "least squares, few holders": (least_squares.build(20, seed=0, dim=50, n_samples=200), np.eye(20), False),
        "quadratic, full gradient": (quadratic.build(4, seed=0, dim=6), np.ones((1, 4)), True),
        "quadratic, few workers": (quadratic.build(12, seed=0, dim=6), holders(6, 12, 2), True),
        "quadratic, many workers": (quadratic.build(4, seed=0, dim=6), holders(40, 4, 2), False),
    }.values(),
)
def test_messages_that_are_affine_are_one_product_where_that_is_cheaper(problem, encode, is_one_product, monkeypatch):
    """Both ways agree, and too many Hessians are never formed."""
    module = {LeastSquares: least_squares, Quadratic: quadratic}[type(problem)]
    calls = []
    monkeypatch.setattr(module, "by_hessians", lambda *maps: calls.append(maps) or products.by_hessians(*maps))
    x = iterates(problem, 3)
    chosen = problem.encoder(encode)(x)
    assert bool(calls) == is_one_product
    calls.clear()
    monkeypatch.setattr(module, "MOST_HESSIANS", encode.shape[0] * problem.dim**2 - 1)
    other = problem.encoder(encode)(x)
    assert not calls
    grads = problem.part_grads(x)
    scale = np.einsum("wp,rp->rw", np.abs(encode), np.linalg.norm(grads, axis=2))
    close(chosen, other, scale)
    close(other, np.einsum("wp,rpd->rwd", encode, grads), scale)


# ---- refusals --------------------------------------------------------------------------------------------

REFUSED = {
    "least_squares, no part": (lambda: least_squares.build(0, seed=0), "n_parts = 0"),
    "least_squares, unequal parts": (lambda: least_squares.build(4, seed=0, n_samples=202), "n_samples = 202"),
    "least_squares, few samples": (lambda: least_squares.build(4, seed=0, n_samples=96), "at least dim = 100"),
    "least_squares, condition": (lambda: least_squares.build(4, seed=0, condition=0.5), "condition = 0.5"),
    "least_squares, generator": (lambda: least_squares.build(4, seed=0, generator="mnist"), "choose one of spectrum, "),
    "least_squares, average": (lambda: least_squares.build(4, seed=0, average=False), "average = False: .*'spectrum'"),
    "onebit_gc, condition": (
        lambda: least_squares.build(4, seed=0, generator="onebit_gc", condition=2.0),
        "condition = 2.0: the generator 'onebit_gc' has none",
    ),
    "fastest_k, noise": (lambda: least_squares.build(4, seed=0, generator="fastest_k", noise=0.0), "noise = 0.0: "),
    "fastest_k, unequal parts": (
        lambda: least_squares.build(7, seed=0, generator="fastest_k"),
        "n_samples = 2000: give a multiple of 7",
    ),
    "onebit_gc, no part": (lambda: least_squares.onebit_gc(0, seed=0), "n_parts = 0"),
    "onebit_gc, unequal parts": (lambda: least_squares.onebit_gc(3, seed=0), "a multiple of 3 parts"),
    "fastest_k, few samples": (lambda: least_squares.fastest_k(4, seed=0, n_samples=96), "at least dim = 100"),
    "fastest_k, no dimension": (lambda: least_squares.fastest_k(4, seed=0, dim=0), "dim = 0: neither"),
    "quadratic, no part": (lambda: quadratic.build(0, seed=0), "n_parts = 0"),
    "quadratic, no dimension": (lambda: quadratic.build(2, seed=0, dim=0), "dim = 0"),
    "quadratic, flat": (lambda: quadratic.build(2, seed=0, spectrum=np.array([1.0, 0.0])), "spectrum holds 0"),
    "quadratic, NaN": (lambda: quadratic.build(2, seed=0, spectrum=np.array([1.0, np.nan])), "spectrum holds nan"),
    "quadratic, samples": (lambda: quadratic.build(2, seed=0, n_samples=9), "n_samples = 9: a quadratic has no"),
    "rosenbrock, few terms": (lambda: rosenbrock.build(5, seed=0, n_samples=4), "4 samples for 5 parts"),
    "rosenbrock, no part": (lambda: rosenbrock.build(0, seed=0), "for 0 parts"),
    "logistic, few samples": (lambda: logistic_regression.build(5, seed=0, n_samples=4), "4 samples for 5 parts"),
    "logistic, no part": (lambda: logistic_regression.build(0, seed=0), "n_parts = 0"),
    "logistic, ridge": (lambda: logistic_regression.build(2, seed=0, l2=-1), "l2 = -1"),
    "two classes, ridge": (lambda: two_digits(n_pixels=4, l2=-1), "l2 = -1"),
    "two classes, three": (lambda: two_digits(n_pixels=4, classes=(1, 2, 3)), "name the two"),
    "two classes, one twice": (lambda: two_digits(n_pixels=4, classes=(1, 1)), "each once"),
    "two classes, absent": (lambda: two_digits(n_pixels=4, classes=(1, 12)), "class 12 has no image"),
    "two classes, many samples": (lambda: two_digits(n_pixels=4, n_samples=21), "21 of them for 7 parts"),
    "ovr, ridge": (lambda: on_digits(one_vs_rest_logistic, n_pixels=4, l2=-1), "l2 = -1"),
    "softmax, ridge": (lambda: softmax(n_pixels=4, l2=-1), "l2 = -1"),
    "softmax, many parts": (lambda: softmax(n_parts=61, n_pixels=4), "61 parts"),
    "softmax, many samples": (lambda: softmax(n_samples=70, n_pixels=4), "70 of them"),
    "softmax, many held out": (lambda: softmax(n_samples=50, n_held_out=11, n_pixels=4), "50 of .* 11 held out"),
    "softmax, all held out": (lambda: softmax(n_held_out=60, n_pixels=4), "0 of them"),
    "softmax, fewer than none": (lambda: softmax(n_held_out=-1, n_pixels=4), "n_held_out = -1"),
    "network, no unit": (lambda: on_digits(one_hidden_layer, n_pixels=4, n_hidden=0), "n_hidden = 0"),
    "network, activation": (lambda: on_digits(one_hidden_layer, n_pixels=4, activation="step"), "tanh or relu"),
    "network, one class": (lambda: on_digits(one_hidden_layer, n_pixels=4, classes=(3,)), "name two or more"),
    "network, frame": (lambda: on_digits(one_hidden_layer, n_pixels=9, side=2), "9 pixels cannot be framed to 2 x 2"),
    "network, no square": (lambda: on_digits(one_hidden_layer, n_pixels=8, side=4), "8 pixels cannot be framed"),
    "network, absent class": (lambda: on_digits(one_hidden_layer, n_pixels=4, classes=(3, 11)), "class 11 has no"),
}


@pytest.mark.parametrize(("build", "match"), REFUSED.values(), ids=REFUSED)
def test_sizes_that_do_not_fit_are_refused(build, match):
    with pytest.raises(InputError, match=match) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "module", [softmax_regression, one_vs_rest_logistic, one_hidden_layer], ids=lambda m: m.__name__
)
def test_labels_that_do_not_match_are_refused(module):
    images, labels = digits(20, 4)
    with pytest.raises(InputError, match="19 labels"):
        module.build(2, seed=0, images=images, labels=labels[:-1])
    if module is not one_hidden_layer:  # which keeps the classes it is asked for
        with pytest.raises(InputError, match="to 10"):
            module.build(2, seed=0, images=images, labels=labels + 1)


@pytest.mark.parametrize("n_held_out", [0, 10])
@pytest.mark.parametrize(("side", "before"), [(3, 0), (4, 0), (5, 1), (8, 2)])
def test_a_frame_around_the_images_changes_no_loss(side: int, before: int, n_held_out: int) -> None:
    """The pixels of the frame are 0 whatever their weights, which get the gradient 0."""
    plain, wide = (
        on_digits(one_hidden_layer, n_pixels=9, precision="double", n_hidden=2, n_held_out=n_held_out, side=each)
        for each in (None, side)
    )
    assert wide.dim == plain.dim + 2 * (side**2 - 9)
    inside = [(before + row) * side + before + column for row in range(3) for column in range(3)] + [side**2]
    x = wide.initial()
    weights = x[: 2 * (side**2 + 1)].reshape(2, -1)  # (hidden, features)
    seen = np.concatenate([weights[:, inside].ravel(), x[weights.size :]])  # (D of the plain problem,)
    np.testing.assert_allclose(wide.loss(x[None]), plain.loss(seen[None]), rtol=1e-13)
    assert wide.measures(x[None]) == plain.measures(seen[None])
    gradient = wide.part_grads(x[None]).sum(axis=1)[0, : weights.size].reshape(2, -1)
    np.testing.assert_array_equal(np.delete(gradient, inside, axis=1), 0)
