"""Bit allocation: dynamic programming against enumeration and an integer program, bounds, heuristics."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from workbench.core.errors import InputError
from workbench.core.types import FloatArray
from workbench.solvers import bit_allocation as allocation
from workbench.solvers.bit_allocation import VarianceOfBits

EQUAL = 1e-12  # relative
HEURISTICS = [
    allocation.solve_algorithm_1,
    allocation.solve_greedy,
    allocation.solve_relaxation,
    allocation.solve_equal,
]


def variance(constant: str, dim: float) -> VarianceOfBits:
    """The three constants of the quantizer with s = 2^(b-1) - 1 levels."""

    def paper(bits: FloatArray) -> FloatArray:
        return dim / (4 * (2 ** (bits - 1) - 1) ** 2)

    def qsgd(bits: FloatArray) -> FloatArray:
        levels = 2 ** (bits - 1) - 1
        return np.minimum(dim / levels**2, np.sqrt(dim) / levels)

    def tight(bits: FloatArray) -> FloatArray:
        levels = 2 ** (bits - 1) - 1
        return np.where(np.sqrt(dim) >= 2 * levels, np.sqrt(dim) / levels - 1, dim / (4 * levels**2))

    return {"paper": paper, "qsgd": qsgd, "tight": tight}[constant]


CONSTANTS = ["paper", "qsgd", "tight"]


def random_instance(seed: int, most_workers: int) -> tuple[FloatArray, VarianceOfBits, int, bool]:
    """Any constant, any dimension, reliable and unreliable workers, any budget; idle workers every other time."""
    rng = np.random.default_rng(seed)
    n_workers = int(rng.integers(1, most_workers + 1))
    prob = rng.uniform(0, 1) ** 3 * rng.uniform(0, 0.95, n_workers) + 1e-4
    of_bits = variance(CONSTANTS[seed % 3], 10 ** rng.uniform(0, 7))
    allow_idle = bool(seed // 3 % 2)
    least = 2 if allow_idle else 2 * n_workers
    return prob, of_bits, int(rng.integers(least, 20 * n_workers + 1)), allow_idle


def choices(allow_idle: bool) -> FloatArray:
    return np.array([0.0] * allow_idle + list(range(2, 33)))


def utility_of(prob: FloatArray, of_bits: VarianceOfBits, bits: FloatArray) -> float:
    """The objective, written out once more."""
    busy = bits > 0
    return float(np.sum((1 - prob[busy]) / (prob[busy] + of_bits(bits[busy].astype(float)))))


@pytest.mark.parametrize("seed", range(60))
def test_exact_is_the_best_of_all_allocations(seed: int) -> None:
    prob, of_bits, budget, allow_idle = random_instance(seed, most_workers=3)
    bits = choices(allow_idle)
    table = allocation.utility_table(prob, of_bits, bits)
    every = np.array(list(product(range(bits.size), repeat=prob.size)))
    utility = table[np.arange(prob.size), every].sum(axis=1)
    best = utility[bits[every].sum(axis=1) <= budget].max()
    found = allocation.solve_exact(prob, of_bits, budget, allow_idle=allow_idle)
    assert found.utility == pytest.approx(best, rel=EQUAL)
    assert utility_of(prob, of_bits, found.bits) == pytest.approx(best, rel=EQUAL)
    assert found.bits.sum() <= budget
    assert set(found.bits) <= set(bits)
    assert found.gap == 0


@pytest.mark.parametrize("block", range(6))
def test_exact_is_the_optimum_of_the_integer_program(block: int) -> None:
    """HiGHS on 240 instances; utilities are scaled up because its absolute gap of 1e-6 cannot be set."""
    for seed in range(1000 + 40 * block, 1040 + 40 * block):
        prob, of_bits, budget, allow_idle = random_instance(seed, most_workers=8)
        bits = choices(allow_idle)
        table = allocation.utility_table(prob, of_bits, bits)
        found = allocation.solve_exact(prob, of_bits, budget, allow_idle=allow_idle)
        one_each = np.kron(np.eye(prob.size), np.ones(bits.size))
        program = milp(
            -1e7 / found.utility * table.ravel(),
            integrality=np.ones(table.size),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(one_each, 1, 1),
                LinearConstraint(np.tile(bits, prob.size)[None, :], -np.inf, budget),
            ],
            options={"mip_rel_gap": 0},
        )
        picked = bits[np.argmax(program.x.reshape(table.shape), axis=1)]
        assert picked.sum() <= budget
        assert utility_of(prob, of_bits, picked) == pytest.approx(found.utility, rel=EQUAL), seed


@pytest.mark.parametrize("seed", range(40))
def test_bounds_and_heuristics_enclose_the_optimum(seed: int) -> None:
    prob, of_bits, budget, allow_idle = random_instance(2000 + seed, most_workers=25)
    exact = allocation.solve_exact(prob, of_bits, budget, allow_idle=allow_idle)
    bound = allocation.lagrangian_bound(prob, of_bits, budget, allow_idle=allow_idle)
    assert bound >= exact.utility * (1 - EQUAL)
    if allow_idle:
        budget = max(budget, 2 * prob.size)
        exact = allocation.solve_exact(prob, of_bits, budget)
    for solve in HEURISTICS:
        found = solve(prob, of_bits, budget)
        assert found.method == solve.__name__.removeprefix("solve_")
        assert found.bits.min() >= 2
        assert found.bits.max() <= 32
        assert found.bits.sum() == min(budget, 32 * prob.size)
        assert found.utility == pytest.approx(utility_of(prob, of_bits, found.bits), rel=EQUAL)
        assert found.utility <= exact.utility * (1 + EQUAL)
        assert found.upper_bound >= exact.utility * (1 - EQUAL)
        assert found.gap >= -EQUAL
    assert np.ptp(allocation.solve_equal(prob, of_bits, budget).bits) <= 1


@pytest.mark.parametrize("seed", range(30))
def test_algorithm_1_leaves_no_gaining_swap_among_active_workers(seed: int) -> None:
    prob, of_bits, budget, _ = random_instance(6000 + seed, most_workers=15)
    found = allocation.solve_algorithm_1(prob, of_bits, max(budget, 2 * prob.size))
    active = np.flatnonzero(found.bits > 2)
    for giver, taker in product(active, active[found.bits[active] < 32]):
        if giver != taker:
            moved = found.bits.copy()
            moved[giver] -= 1
            moved[taker] += 1
            assert utility_of(prob, of_bits, moved) <= found.utility * (1 + EQUAL)


@pytest.mark.parametrize("seed", range(24))
def test_the_bound_is_the_least_dual_value(seed: int) -> None:
    """The dual is convex and piecewise linear: its least value is at one of the pairwise slopes, or at 0."""
    prob, of_bits, budget, allow_idle = random_instance(3000 + seed, most_workers=3)
    budget = min(budget, 32 * prob.size)
    bits = choices(allow_idle)
    table = allocation.utility_table(prob, of_bits, bits)
    low, high = np.triu_indices(bits.size, 1)
    slopes = (table[:, high] - table[:, low]) / (bits[high] - bits[low])
    multiplier = np.append(0, np.unique(slopes))
    dual = multiplier * budget + sum(np.max(row[:, None] - bits[:, None] * multiplier, axis=0) for row in table)
    bound = allocation.lagrangian_bound(prob, of_bits, budget, allow_idle=allow_idle)
    assert bound == pytest.approx(dual.min(), rel=EQUAL)


@pytest.mark.parametrize("allow_idle", [False, True])
@pytest.mark.parametrize("constant", CONSTANTS)
def test_more_bits_are_never_worse_until_all_have_32(constant: str, allow_idle: bool) -> None:
    prob, of_bits = np.array([0.02, 0.3, 0.1, 0.05]), variance(constant, 1e5)
    utility = [allocation.solve_exact(prob, of_bits, budget, allow_idle=allow_idle).utility for budget in range(8, 141)]
    assert np.all(np.diff(utility) >= -EQUAL * utility[-1])
    full = allocation.solve_exact(prob, of_bits, 140, allow_idle=allow_idle)
    np.testing.assert_array_equal(full.bits, [32] * 4)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_workers_does_not_matter(seed: int) -> None:
    prob, of_bits, budget, _ = random_instance(4000 + seed, most_workers=15)
    budget = max(budget, 2 * prob.size)
    order = np.random.default_rng(seed).permutation(prob.size)
    for solve in [allocation.solve_exact, *HEURISTICS]:
        found, moved = solve(prob, of_bits, budget), solve(prob[order], of_bits, budget)
        assert moved.utility == pytest.approx(found.utility, rel=EQUAL)
        assert moved.upper_bound == pytest.approx(found.upper_bound, rel=EQUAL)
        assert utility_of(prob[order], of_bits, found.bits[order]) == pytest.approx(moved.utility, rel=EQUAL)


def test_allowing_idle_workers_never_hurts() -> None:
    for seed in range(5000, 5020):
        prob, of_bits, budget, _ = random_instance(seed, most_workers=15)
        budget = max(budget, 2 * prob.size)
        busy = allocation.solve_exact(prob, of_bits, budget)
        idle = allocation.solve_exact(prob, of_bits, budget, allow_idle=True)
        assert idle.utility >= busy.utility * (1 - EQUAL)


def test_an_odd_bit_may_be_better_left() -> None:
    """33 bits for two workers: 32 + 0 beats 31 + 2 when two bits are worth less than the 32nd."""
    prob, of_bits = np.array([1e-4, 1e-4]), variance("paper", 5e6)
    found = allocation.solve_exact(prob, of_bits, 33, allow_idle=True)
    assert sorted(found.bits) == [0, 32]
    assert found.utility > utility_of(prob, of_bits, np.array([31, 2]))


@pytest.mark.parametrize("budget", [8, 20, 60, 100])
def test_greedy_is_optimal_where_gains_diminish(budget: int) -> None:
    prob, of_bits = np.array([0.5, 0.7, 0.6, 0.9]), variance("paper", 1.0)
    table = allocation.utility_table(prob, of_bits, np.arange(2.0, 33))
    assert np.all(np.diff(table, n=2) <= 0)
    greedy = allocation.solve_greedy(prob, of_bits, budget)
    assert greedy.utility == pytest.approx(allocation.solve_exact(prob, of_bits, budget).utility, rel=EQUAL)


def test_greedy_is_trapped_where_gains_first_grow() -> None:
    """Greedy feeds one worker far beyond saturation before it starts another."""
    prob, of_bits = np.array([0.05, 0.1, 0.15, 0.2]), variance("paper", 5e6)
    exact = allocation.solve_exact(prob, of_bits, 48)
    greedy = allocation.solve_greedy(prob, of_bits, 48)
    assert 1 - greedy.utility / exact.utility == pytest.approx(0.142779, rel=1e-4)


@pytest.mark.parametrize(
    ("constant", "dim", "budget", "prob", "best", "theirs", "loss"),
    [
        (
            "paper",
            139702,
            57,
            [0.215, 0.639, 0.234, 0.242, 0.405],
            [12, 10, 12, 12, 11],
            [14, 2, 14, 14, 13],
            0.002818,
        ),
        (
            "qsgd",
            243928,
            45,
            [0.271, 0.655, 0.311, 0.355, 0.443, 0.092, 0.354],
            [12, 2, 11, 2, 2, 14, 2],
            [13, 2, 9, 2, 2, 15, 2],
            0.026391,
        ),
    ],
)
def test_algorithm_1_is_not_exact(
    constant: str, dim: float, budget: int, prob: list[float], best: list[int], theirs: list[int], loss: float
) -> None:
    """Found by random search: one-bit swaps cannot leave a convex valley, so Algorithm 1 stays below."""
    profile, of_bits = np.array(prob), variance(constant, dim)
    exact = allocation.solve_exact(profile, of_bits, budget)
    algorithm_1 = allocation.solve_algorithm_1(profile, of_bits, budget)
    np.testing.assert_array_equal(exact.bits, best)
    np.testing.assert_array_equal(algorithm_1.bits, theirs)
    assert 1 - algorithm_1.utility / exact.utility == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("solve", [allocation.solve_exact, *HEURISTICS])
def test_mistakes_are_named(solve: object) -> None:
    assert callable(solve)
    of_bits = variance("paper", 100.0)
    with pytest.raises(InputError, match=r"budget 5 is below the minimum of 6 .* 3 workers.*--allow-idle"):
        solve(np.array([0.1, 0.2, 0.3]), of_bits, 5)
    with pytest.raises(InputError, match="straggle_prob of worker 1 is 1"):
        solve(np.array([0.1, 1.0]), of_bits, 8)
    with pytest.raises(InputError, match="worker 1 neither straggles nor quantizes"):
        solve(np.array([0.1, 0.0]), lambda bits: np.zeros_like(bits), 8)


def test_the_minimum_with_idle_workers_is_one_worker_at_two_bits() -> None:
    prob, of_bits = np.array([0.3, 0.1, 0.2]), variance("paper", 100.0)
    with pytest.raises(InputError, match=r"budget 1 is below the minimum of 2 .*: raise the budget$"):
        allocation.solve_exact(prob, of_bits, 1, allow_idle=True)
    np.testing.assert_array_equal(allocation.solve_exact(prob, of_bits, 2, allow_idle=True).bits, [0, 2, 0])
