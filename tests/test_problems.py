"""Problems: gradients against differences of losses written anew, constants against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Problem
from workbench.problems import least_squares, softmax_regression
from workbench.problems.softmax_regression import SoftmaxRegression

LEAST_SQUARES = least_squares.build(6, seed=3, dim=8, n_samples=24, condition=7.0)


def digits(n_samples: int = 60) -> tuple[FloatArray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.random((n_samples, 784)), np.arange(n_samples) % 10


def softmax(**options: object) -> SoftmaxRegression:
    images, labels = digits()
    return softmax_regression.build(4, seed=5, images=images, labels=labels, **options)  # type: ignore[arg-type]


DOUBLE = softmax(l2=0.3, precision="double")


def iterates(problem: Problem, n_runs: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((n_runs, problem.dim)) / np.sqrt(problem.dim)


def least_squares_part_loss(problem: least_squares.LeastSquares, part: int, x: np.ndarray) -> complex:
    """½‖A_j x − b_j‖² without conjugation, so that it can be differentiated by a complex step."""
    residual = problem.design[part] @ x - problem.target[part]
    return complex((residual * residual).sum() / 2)


def softmax_part_loss(problem: SoftmaxRegression, part: int, x: np.ndarray) -> complex:
    """Cross-entropy straight from its definition, one sample after the other."""
    weights, total = x.reshape(10, -1), 0j
    for i in range(problem.starts[part], problem.starts[part + 1]):
        scores = weights @ problem.features[i]
        total += np.log(np.exp(scores).sum()) - scores[problem.labels[i]]
    return complex(total / len(problem.labels) + problem.l2 / (2 * problem.n_parts) * (x * x).sum())


CASES = [(LEAST_SQUARES, least_squares_part_loss), (DOUBLE, softmax_part_loss)]


@pytest.mark.parametrize(("problem", "part_loss"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_part_gradients_are_the_derivatives_of_the_part_losses(problem, part_loss):
    x, directions = iterates(problem, 2), iterates(problem, 3, seed=1)
    grads = problem.part_grads(x)
    for run in range(2):
        total = sum(part_loss(problem, part, x[run]).real for part in range(problem.n_parts))
        assert problem.loss(x)[run] == pytest.approx(total, rel=1e-12)
        for part in range(problem.n_parts):
            slopes = [part_loss(problem, part, x[run] + 1e-30j * d).imag / 1e-30 for d in directions]
            np.testing.assert_allclose(directions @ grads[run, part], slopes, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("problem", [LEAST_SQUARES, DOUBLE], ids=lambda problem: problem.name)
def test_messages_are_mixtures_of_part_gradients(problem):
    encode = np.random.default_rng(2).standard_normal((5, problem.n_parts))
    encode[3] = 0
    encode[encode < -0.5] = 0
    x = iterates(problem, 3)
    mixed = np.einsum("wp,rpd->rwd", encode, problem.part_grads(x))
    np.testing.assert_allclose(problem.encoded_grads(x, encode), mixed, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("problem", [LEAST_SQUARES, DOUBLE, softmax()], ids=["least_squares", "double", "single"])
def test_a_run_does_not_see_how_many_others_there_are(problem):
    encode = np.random.default_rng(2).random((3, problem.n_parts))
    x = iterates(problem, 23)
    for n_runs in (1, 5):
        np.testing.assert_array_equal(problem.loss(x[:n_runs]), problem.loss(x)[:n_runs])
        np.testing.assert_array_equal(problem.part_grads(x[:n_runs]), problem.part_grads(x)[:n_runs])
        few, all_ = problem.encoded_grads(x[:n_runs], encode), problem.encoded_grads(x, encode)
        np.testing.assert_array_equal(few, all_[:n_runs])


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


def test_least_squares_parts_are_unlike_each_other():
    at_optimum = LEAST_SQUARES.part_grads(LEAST_SQUARES.regularity.optimum[None])[0]  # (P, D)
    at_start = LEAST_SQUARES.part_grads(LEAST_SQUARES.initial()[None])[0]
    assert np.linalg.norm(at_optimum, axis=1).min() > 0.1 * np.linalg.norm(at_start, axis=1).mean()


def test_single_precision_is_close_to_double():
    encode = np.random.default_rng(2).random((3, 4))
    single, double = softmax(l2=0.3), DOUBLE
    x = iterates(double, 12) * 30
    np.testing.assert_allclose(single.loss(x), double.loss(x), rtol=1e-5)
    error = np.linalg.norm(single.encoded_grads(x, encode) - double.encoded_grads(x, encode), axis=-1)
    assert np.all(error <= 1e-5 * np.linalg.norm(double.encoded_grads(x, encode), axis=-1))


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


def test_by_label_sorts_the_parts_and_the_default_mixes_them():
    def n_classes(problem: SoftmaxRegression) -> list[int]:
        return [len(np.unique(part)) for part in np.split(problem.labels, problem.starts[1:-1])]

    assert max(n_classes(softmax(by_label=True))) <= 4  # 15 samples of 6 a digit
    assert min(n_classes(softmax())) >= 6
    assert sorted(softmax(by_label=True).labels) == sorted(digits()[1])
    assert softmax(n_samples=41).starts.tolist() == [0, 10, 20, 30, 41]


@pytest.mark.parametrize("problem", [LEAST_SQUARES, DOUBLE], ids=lambda problem: problem.name)
def test_the_seed_fixes_the_problem(problem):
    assert np.all(problem.initial() == 0)
    again = least_squares.build(6, seed=3, dim=8, n_samples=24, condition=7.0)
    other = least_squares.build(6, seed=4, dim=8, n_samples=24, condition=7.0)
    np.testing.assert_array_equal(again.target, LEAST_SQUARES.target)
    assert not np.array_equal(other.target, LEAST_SQUARES.target)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_parts": 0}, "n_parts = 0"),
        ({"n_parts": 4, "n_samples": 202}, "n_samples = 202"),
        ({"n_parts": 4, "n_samples": 96}, "at least dim = 100"),
        ({"n_parts": 4, "condition": 0.5}, "condition = 0.5"),
    ],
)
def test_least_squares_refuses_sizes_that_do_not_fit(options, match):
    with pytest.raises(InputError, match=match):
        least_squares.build(seed=0, **options)


def test_softmax_refuses_what_it_cannot_deal_out():
    images, labels = digits(20)
    with pytest.raises(InputError, match="19 labels"):
        softmax_regression.build(2, seed=0, images=images, labels=labels[:-1])
    with pytest.raises(InputError, match="21 parts"):
        softmax_regression.build(21, seed=0, images=images, labels=labels)
    with pytest.raises(InputError, match="30 of them"):
        softmax_regression.build(2, seed=0, images=images, labels=labels, n_samples=30)
    with pytest.raises(InputError, match="to 10"):
        softmax_regression.build(2, seed=0, images=images, labels=labels + 1)
    with pytest.raises(InputError, match="l2 = -1"):
        softmax_regression.build(2, seed=0, images=images, labels=labels, l2=-1)
