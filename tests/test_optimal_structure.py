"""The optimal code structure: closed form against convex program, certificates, extremes."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, Structure
from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.moments.estimate import moments
from workbench.solvers import optimal_structure as structure
from workbench.stragglers.profile import StragglerProfile

EXTREMES = {
    "perfect worker that quantizes": ([0.0, 0.3], [1e-3, 1.0], 5),
    "nearly dead worker": ([0.999999, 0.2, 0.5], [1.0, 1.0, 1e-2], 4),
    "coarse beside fine": ([0.1, 0.2, 0.3], [1e6, 1e-13, 1e6], 7),
    "one worker": ([0.4], [0.7], 3),
    "one part": ([0.4, 0.1, 0.6], [0.7, 0.0, 2.0], 1),
    "more workers than parts": (np.linspace(0.05, 0.9, 40), np.linspace(3, 0, 40), 3),
    "more parts than workers": ([0.4, 0.1], [0.0, 2.0], 90),
    "idle worker": ([0.4, 0.1, 0.2], [0.0, np.inf, 2.0], 6),
    "equal workers, no rounding at the borders": ([0.1] * 30, [0.23] * 30, 10),
}


def random_profile(seed: int) -> tuple[FloatArray, FloatArray, int]:
    rng = np.random.default_rng(seed)
    n_workers, n_parts = rng.integers(1, 13, 2)
    prob = rng.uniform(0, 0.95, n_workers)
    return prob, rng.exponential(size=n_workers) * 10 ** rng.uniform(-3, 2), int(n_parts)


@pytest.mark.parametrize("seed", range(30))
def test_the_closed_form_is_the_convex_optimum(seed: int) -> None:
    """Primal and dual values recomputed from CVXPY's answer enclose the optimum within 1e-8."""
    prob, omega, n_parts = random_profile(seed)
    answer, _ = structure.solve_convex(prob, omega, n_parts)
    assert answer.min() >= 0
    total = np.sum((1 - prob) / (prob + omega))
    closed = structure.residual_bound(structure.solve_dense(prob, omega, n_parts), prob, omega)
    assert closed == pytest.approx(n_parts**2 / total, rel=1e-12)

    answer = answer / ((1 - prob) @ answer)  # makes it feasible, so its value is an upper bound
    above = np.sum((1 - prob) * (prob + omega) * answer.sum(axis=1) ** 2)
    multiplier = np.mean(2 * (prob + omega) * answer.sum(axis=1))
    below = multiplier * n_parts - multiplier**2 * total / 4  # the dual function at this multiplier
    assert above - below <= 1e-8 * above
    assert below * (1 - 1e-12) <= closed <= above * (1 + 1e-12)
    assert structure.kkt_residuals(answer, prob, omega).relative <= 1e-5


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_sparse_and_dense_are_optimal_codes(data: st.DataObject) -> None:
    """Both closed forms: unbiased, KKT point, the same row masses, few nonzeros, no negative weight."""
    n_workers = data.draw(st.integers(1, 30))
    n_parts = data.draw(st.integers(1, 30))
    prob = np.array(data.draw(st.lists(st.floats(0, 0.99), min_size=n_workers, max_size=n_workers)))
    omega = np.array(data.draw(st.lists(st.floats(1e-3, 1e3), min_size=n_workers, max_size=n_workers)))
    dense = structure.solve_dense(prob, omega, n_parts)
    sparse = structure.solve_sparse(prob, omega, n_parts)
    # The sparse code's masses are differences of positions, each rounded by at most 4 P eps: it is the workers
    # of least utility that feel it.
    utility = structure.utilities(prob, omega)
    rounding = 8 * np.finfo(float).eps * np.sqrt(utility.sum() * np.sum(1 / utility))
    for code, tolerance in ((dense, 1e-12), (sparse, max(1e-12, rounding))):
        residuals = structure.kkt_residuals(code, prob, omega)
        assert residuals.primal <= 1e-12
        assert residuals.relative <= tolerance
        assert structure.residual_bound(code, prob, omega) == pytest.approx(
            n_parts**2 / structure.utilities(prob, omega).sum(), rel=1e-11
        )
    np.testing.assert_allclose(
        (1 - prob) * sparse.sum(axis=1), structure.row_masses(prob, omega, n_parts), rtol=0, atol=1e-13 * n_parts
    )
    assert sparse.nnz <= n_workers + n_parts - 1
    assert np.all(sparse.data > 0)


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_profiles(name: str) -> None:
    prob, omega, n_parts = EXTREMES[name]
    prob, omega = np.asarray(prob, float), np.asarray(omega, float)
    optimum = n_parts**2 / structure.utilities(prob, omega).sum()
    dense = structure.solve_dense(prob, omega, n_parts)
    sparse = structure.solve_sparse(prob, omega, n_parts)
    for code in (dense, sparse):
        assert structure.kkt_residuals(code, prob, omega).relative <= 1e-12
        assert structure.residual_bound(code, prob, omega) == pytest.approx(optimum, rel=1e-12)
    assert sparse.nnz <= prob.size + n_parts - 1
    assert sparse.data.min() > 1e-8 * sparse.data.max() or "coarse" in name


def test_no_sliver_is_stored_where_segments_meet_a_border() -> None:
    """Thirty equal workers on ten parts: three to a part, exactly thirty weights, though 1/3 is not exact."""
    code = structure.solve_sparse(np.full(30, 0.1), np.full(30, 0.23), 10)
    assert code.nnz == 30
    large = structure.solve_sparse(np.full(3000, 0.1), np.full(3000, 0.23), 1000)
    assert large.nnz == 3000


def test_workers_without_error_share_everything_equally() -> None:
    """The limit of Theorem 1 as p + omega -> 0: error 0, and the others get nothing."""
    prob, omega = np.array([0.0, 0.2, 0.0]), np.array([0.0, 0.1, 0.0])
    np.testing.assert_array_equal(structure.row_masses(prob, omega, 4), [2, 0, 2])
    for code in (structure.solve_dense(prob, omega, 4), structure.solve_sparse(prob, omega, 4)):
        assert structure.residual_bound(code, prob, omega) == 0
        assert structure.kkt_residuals(code, prob, omega).relative == 0
    near = structure.row_masses(prob, omega + 1e-12, 4)
    np.testing.assert_allclose(near, [2, 0, 2], atol=1e-10)
    wrong = structure.solve_dense(prob, omega + 1.0, 4)
    assert structure.kkt_residuals(wrong, prob, omega).relative == np.inf


@pytest.mark.parametrize("seed", range(5))
def test_a_perturbed_answer_fails_the_kkt_check(seed: int) -> None:
    """Move mass between two workers, keeping unbiasedness; the residual squared is the relative excess."""
    prob, omega = np.random.default_rng(seed).uniform(0.1, 0.8, (2, 6))
    code = structure.solve_dense(prob, omega, 4)
    moved = code.copy()
    moved[0] += 1e-6 / (1 - prob[0])
    moved[1] -= 1e-6 / (1 - prob[1])
    residuals = structure.kkt_residuals(moved, prob, omega)
    assert residuals.primal <= 1e-12
    assert residuals.relative > 1e-8
    moved[0] += 0.01 / (1 - prob[0])
    moved[1] -= 0.01 / (1 - prob[1])
    excess = structure.residual_bound(moved, prob, omega) / structure.residual_bound(code, prob, omega) - 1
    assert structure.kkt_residuals(moved, prob, omega).relative ** 2 == pytest.approx(excess, rel=1e-6)
    assert structure.kkt_residuals(1.001 * code, prob, omega).primal == pytest.approx(1e-3)


def test_signed_weights_are_not_certified() -> None:
    """Row sums and columns are right, and yet the error for gradients 1 and -1 is 20,000 against a bound of 2."""
    prob, omega = np.array([0.5, 0.5]), np.zeros(2)
    signed = np.array([[101.0, -99.0], [-99.0, 101.0]])
    assert structure.residual_bound(signed, prob, omega) == 2
    for weights in (signed, csr_array(signed)):
        assert structure.kkt_residuals(weights, prob, omega).primal == 49.5


@pytest.mark.parametrize("seed", range(10))
def test_order_and_units_do_not_matter(seed: int) -> None:
    """Permuting the workers permutes the masses; the masses grow with the number of parts alone."""
    prob, omega, n_parts = random_profile(seed)
    masses = structure.row_masses(prob, omega, n_parts)
    order = np.random.default_rng(seed).permutation(prob.size)
    np.testing.assert_allclose(structure.row_masses(prob[order], omega[order], n_parts), masses[order], rtol=1e-13)
    np.testing.assert_allclose(structure.row_masses(prob, omega, 3 * n_parts), 3 * masses, rtol=1e-13)
    code = structure.solve_sparse(prob[order], omega[order], n_parts)
    np.testing.assert_allclose((1 - prob[order]) * code.sum(axis=1), masses[order], atol=1e-13 * n_parts)
    scaled = structure.residual_bound(2 * code, prob[order], omega[order])
    assert scaled == pytest.approx(4 * n_parts**2 / structure.utilities(prob, omega).sum(), rel=1e-12)


@pytest.mark.parametrize("chosen", get_args(Structure))
@pytest.mark.parametrize("bits", [[6, 2, 3, 4, 2], [6, 0, 3, 4, 0]], ids=["busy", "idle"])
def test_a_code_of_every_structure_attains_the_bound(chosen: Structure, bits: list[int]) -> None:
    """Unbiased, weights of one sign, the worst-case error P²/U and the aligned error of Theorem 1's row masses."""
    profile = StragglerProfile(np.array([0.05, 0.2, 0.4, 0.1, 0.3]))
    spec = DesignSpec(7, 60, 40, structure=chosen)
    code = optimally_structured.design_for_bits(profile, spec, np.array(bits))
    omega = np.where(code.bits > 0, code.quantizer.variance_factor(60), np.inf)
    utility = structure.utilities(profile.straggle_prob, omega)
    found = moments(code, profile.straggle_prob, 60, rng=np.random.default_rng(0))
    assert found.max_bias <= 1e-12
    assert found.worst_case == pytest.approx(49 / utility.sum(), rel=1e-9)
    masses = structure.row_masses(profile.straggle_prob, omega, 7)
    np.testing.assert_allclose(code.encode.sum(axis=1), masses, rtol=1e-9)
    assert code.encode.data.min() > 0
    busy = np.count_nonzero(bits)
    assert code.encode.nnz == (busy * 7 if chosen in ("dense", "convex") else busy + 7 - 1)
    np.testing.assert_array_equal(np.flatnonzero(np.diff(code.encode.indptr)), np.flatnonzero(bits))


def test_what_the_convex_solver_leaves_open_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of either sign below rounding are nothing, and columns sum to one exactly."""
    profile, bits = StragglerProfile(np.array([0.05, 0.2])), np.array([4, 3])
    spec = DesignSpec(3, 60, 40, structure="convex")

    def inexact(prob: FloatArray, omega: FloatArray, n_parts: int) -> tuple[FloatArray, structure.ConvexStatus]:
        mass = structure.solve_sparse(prob, omega, n_parts).toarray() * (1 - prob)[:, None]
        mass[mass == 0] = [-1e-17, 1e-18][: np.sum(mass == 0)]
        return (1 + 1e-7) * mass / (1 - prob)[:, None], structure.ConvexStatus("inexact", "optimal", 0.0)

    monkeypatch.setattr(structure, "solve_convex", inexact)
    code = optimally_structured.design_for_bits(profile, spec, bits)
    assert code.encode.nnz == 2 + 3 - 1
    np.testing.assert_allclose(code.encode.sum(axis=0), 1, rtol=1e-15)


def test_the_dense_structure_is_least_for_orthonormal_gradients() -> None:
    """One worst case, but workers that hold few parts pay where these have gradients of their own direction."""
    profile = StragglerProfile(np.array([0.05, 0.2, 0.4, 0.1, 0.3]))
    error = {}
    for chosen in ("sparse", "fewest-edges", "dense"):
        code = optimally_structured.design_for_bits(
            profile, DesignSpec(7, 60, 40, structure=chosen), np.array([6, 2, 3, 4, 2])
        )
        error[chosen] = moments(code, profile.straggle_prob, 60, rng=np.random.default_rng(0)).orthonormal.mse
    assert error["dense"] < error["sparse"]
    assert error["dense"] < error["fewest-edges"]


def test_the_segments_of_a_worked_example() -> None:
    """Masses 1.5 and 0.5 on two parts: worker 0 holds part 0 and half of part 1."""
    prob, omega = np.array([0.5, 0.5]), np.array([0.0, 1.0])  # utilities 1 and 1/3
    code = structure.solve_sparse(prob, omega, 2).toarray()
    np.testing.assert_allclose(code, [[2, 1], [0, 1]], rtol=1e-15)


@pytest.mark.parametrize(
    ("prob", "omega", "n_parts", "message"),
    [
        ([0.1, 1.0], [1, 1], 2, "straggle_prob of worker 1 is 1"),
        ([-0.1, 0.5], [1, 1], 2, "straggle_prob of worker 0"),
        ([0.1, np.nan], [1, 1], 2, "straggle_prob of worker 1 is nan"),
        ([0.1, 0.5], [1, -1], 2, "variance_factor of worker 1"),
        ([0.1, 0.5], [1, 1], 0, "n_parts is 0"),
        ([0.1, 0.5], [np.inf, np.inf], 2, "no worker of 2 can be used"),
        ([], [], 2, "no worker of 0 can be used"),
    ],
)
def test_mistakes_are_named(prob: list[float], omega: list[float], n_parts: int, message: str) -> None:
    for solve in (structure.solve_dense, structure.solve_sparse, structure.solve_convex):
        with pytest.raises(InputError, match=message):
            solve(np.array(prob, float), np.array(omega, float), n_parts)
