"""Bit allocation: dynamic programming against enumeration and an integer program, bounds, heuristics."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from proofs_check.allocation_losses import METHODS, random_instance, random_losses, read_losses
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


def draw(seed: int, most_workers: int) -> tuple[FloatArray, VarianceOfBits, int, bool]:
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


@pytest.mark.parametrize("block", range(40))
def test_all_exact_methods_agree(block: int) -> None:
    """DP = structured = HiGHS on 10,000 instances, and = enumeration of all allocations of up to three workers."""
    for seed in range(250 * block, 250 * (block + 1)):
        instance = random_instance(seed)
        prob, of_bits = np.array(instance.straggle_prob), variance(instance.constant, instance.dim)
        budget, allow_idle = instance.budget, instance.allow_idle
        found = {
            "dynamic program": allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=allow_idle).bits,
            "structured": allocation.solve_structured(prob, of_bits, budget, allow_idle=allow_idle).bits,
        }
        best = utility_of(prob, of_bits, found["dynamic program"])
        bits = choices(allow_idle)
        table = allocation.utility_table(prob, of_bits, bits)
        found["HiGHS"] = by_integer_program(table, bits, budget, best)
        if prob.size <= 3:
            found["enumeration"] = by_enumeration(table, bits, budget)
        for method, chosen in found.items():
            assert chosen.sum() <= budget, (seed, method)
            assert set(chosen) <= set(bits), (seed, method)
            assert utility_of(prob, of_bits, chosen) == pytest.approx(best, rel=EQUAL), (seed, method)


def by_enumeration(table: FloatArray, bits: FloatArray, budget: int) -> FloatArray:
    """Look at every allocation."""
    every = np.array(list(product(range(bits.size), repeat=len(table))))
    utility = table[np.arange(len(table)), every].sum(axis=1)
    return bits[every[np.argmax(np.where(bits[every].sum(axis=1) <= budget, utility, -np.inf))]]


def by_integer_program(table: FloatArray, bits: FloatArray, budget: int, scale: float) -> FloatArray:
    """Let HiGHS choose; utilities are scaled up because its absolute gap of 1e-6 cannot be set."""
    one_each = np.kron(np.eye(len(table)), np.ones(bits.size))
    program = milp(
        -1e7 / scale * table.ravel(),
        integrality=np.ones(table.size),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(np.tile(bits, len(table))[None, :], -np.inf, budget),
        ],
        options={"mip_rel_gap": 0},
    )
    return bits[np.argmax(program.x.reshape(table.shape), axis=1)]


@pytest.mark.parametrize("allow_idle", [False, True])
@pytest.mark.parametrize("kind", ["spread", "equal", "nearly equal", "two classes", "few values"])
@pytest.mark.parametrize("constant", CONSTANTS)
def test_structured_equals_the_dynamic_program_with_many_workers(constant: str, kind: str, allow_idle: bool) -> None:
    """Up to 90 workers, ties and near ties among them, at budgets from the least to the most."""
    rng = np.random.default_rng([CONSTANTS.index(constant), len(kind)])
    for budget_share in (0.02, 0.2, 0.35, 0.6, 0.97):
        n_workers = int(rng.integers(40, 90))
        prob = {
            "spread": rng.uniform(0.01, 0.7, n_workers),
            "equal": np.full(n_workers, 0.3),
            "nearly equal": 0.3 + 1e-9 * rng.standard_normal(n_workers),
            "two classes": np.where(rng.random(n_workers) < 0.3, 0.05, 0.4),
            "few values": rng.integers(1, 8, n_workers) / 10,
        }[kind]
        of_bits = variance(constant, 10 ** rng.uniform(1, 7))
        budget = int(2 * n_workers + budget_share * 30 * n_workers)
        exact = allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=allow_idle)
        found = allocation.solve_structured(prob, of_bits, budget, allow_idle=allow_idle)
        assert found.bits.sum() <= budget
        assert found.utility == pytest.approx(exact.utility, rel=EQUAL)
        assert found.utility == pytest.approx(utility_of(prob, of_bits, found.bits), rel=EQUAL)
        assert found.gap == 0


@pytest.mark.parametrize("smallest", [0.0, 1e-300, 1e-20, 1e-15, 1e-12, 1e-10, 1e-7])
@pytest.mark.parametrize("constant", CONSTANTS)
def test_structured_with_workers_that_hardly_ever_straggle(constant: str, smallest: float) -> None:
    """Their utilities at many bits are up to 1e17 times the others', which must not vanish in the rounding."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n_workers, allow_idle = int(rng.integers(2, 14)), bool(seed % 2)
        prob = rng.uniform(0, 0.9, n_workers)
        reliable = rng.random(n_workers) < 0.4
        prob[reliable] = smallest * rng.choice([1, 1, 2, 10], np.count_nonzero(reliable))
        of_bits = variance(constant, 10 ** rng.uniform(0, 8))
        budget = int(rng.integers(2 if allow_idle else 2 * n_workers, 14 * n_workers))
        exact = allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=allow_idle)
        found = allocation.solve_structured(prob, of_bits, budget, allow_idle=allow_idle)
        assert found.utility == pytest.approx(exact.utility, rel=EQUAL), seed


@pytest.mark.parametrize("seed", range(30))
def test_structured_needs_no_shape(seed: int) -> None:
    """Utilities that rise by arbitrary steps: neither convex nor concave anywhere."""
    rng = np.random.default_rng(seed)
    n_workers, allow_idle = int(rng.integers(2, 40)), bool(seed % 2)
    steps = rng.exponential(size=31) ** 3

    def of_bits(bits: FloatArray) -> FloatArray:
        return 1e3 / np.cumsum(steps)[(bits - 2).astype(int)]

    prob = rng.uniform(0.01, 0.9, n_workers)
    budget = int(rng.integers(2 * n_workers, 32 * n_workers))
    exact = allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=allow_idle)
    found = allocation.solve_structured(prob, of_bits, budget, allow_idle=allow_idle)
    assert found.utility == pytest.approx(exact.utility, rel=EQUAL)


@pytest.mark.parametrize("allow_idle", [False, True])
def test_structured_at_a_size_beyond_the_dynamic_program(allow_idle: bool) -> None:
    """20,000 workers: below the dual bound by a relative 1e-8 at most, and more reliable workers get no fewer bits."""
    prob = np.random.default_rng(7).uniform(0.01, 0.6, 20_000)
    of_bits = variance("tight", 5e6)
    found = allocation.solve_structured(prob, of_bits, 200_000, allow_idle=allow_idle)
    bound = allocation.lagrangian_bound(prob, of_bits, 200_000, allow_idle=allow_idle)
    assert 0 <= bound - found.utility * (1 - EQUAL) <= 1e-8 * bound
    assert found.bits.sum() == 200_000
    assert np.all(np.diff(found.bits[np.argsort(prob)]) <= 0)


@pytest.mark.parametrize("seed", range(40))
def test_bounds_and_heuristics_enclose_the_optimum(seed: int) -> None:
    prob, of_bits, budget, allow_idle = draw(2000 + seed, most_workers=25)
    exact = allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=allow_idle)
    bound = allocation.lagrangian_bound(prob, of_bits, budget, allow_idle=allow_idle)
    assert bound >= exact.utility * (1 - EQUAL)
    for solve in HEURISTICS:
        found = solve(prob, of_bits, budget, allow_idle=allow_idle)
        assert found.method == solve.__name__.removeprefix("solve_")
        assert set(found.bits) <= set(choices(allow_idle))
        spent = min(budget, 32 * prob.size) - found.bits.sum()
        assert spent == 0 or (allow_idle and 0 <= spent <= 1)
        assert found.utility == pytest.approx(utility_of(prob, of_bits, found.bits), rel=EQUAL)
        assert found.utility <= exact.utility * (1 + EQUAL)
        assert found.upper_bound >= exact.utility * (1 - EQUAL)
        assert found.gap >= -EQUAL
    equal = allocation.solve_equal(prob, of_bits, budget, allow_idle=allow_idle).bits
    assert np.ptp(equal[equal > 0]) <= 1
    assert not np.any(equal == 0) or budget < 2 * prob.size


@pytest.mark.parametrize("seed", range(40))
def test_greedy_takes_the_best_rate_at_every_step(seed: int) -> None:
    """Against the same rule written out with a plain list of choices."""
    prob, of_bits, budget, allow_idle = draw(7000 + seed, most_workers=9)
    every = choices(allow_idle)
    cost = np.full(prob.size, every[0])
    left = budget - cost.sum()
    while True:
        options = []
        for i, b in enumerate(cost):
            following = every[every > b][:1]
            if following.size and following[0] - b <= left:
                gain = utility_of(prob[[i]], of_bits, following) - utility_of(prob[[i]], of_bits, np.array([b]))
                options.append((gain / (following[0] - b), -i, following[0]))
        if not options:
            break
        _, index, following = max(options)
        left -= following - cost[-index]
        cost[-index] = following
    found = allocation.solve_greedy(prob, of_bits, budget, allow_idle=allow_idle)
    assert found.utility == pytest.approx(utility_of(prob, of_bits, cost), rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_algorithm_1_is_the_best_of_its_sets(seed: int) -> None:
    """With idle workers its m most reliable form a problem of their own, in which none may idle."""
    prob, of_bits, budget, _ = draw(8000 + seed, most_workers=9)
    prob = np.sort(prob)
    of_sets = [
        allocation.solve_algorithm_1(prob[:m], of_bits, budget).utility
        for m in range(1, prob.size + 1)
        if 2 * m <= budget <= 32 * m
    ]
    found = allocation.solve_algorithm_1(prob, of_bits, min(budget, 32 * prob.size), allow_idle=True)
    if of_sets:  # each of them again tries all its subsets, the others at 2 bits
        assert found.utility <= max(of_sets) * (1 + EQUAL)
        busy = np.count_nonzero(found.bits)
        alone = utility_of(prob[:busy], of_bits, found.bits[:busy])
        assert found.utility == pytest.approx(alone, rel=EQUAL)
        assert not np.any(found.bits[busy:])


@pytest.mark.parametrize("seed", range(30))
def test_algorithm_1_leaves_no_gaining_swap_among_active_workers(seed: int) -> None:
    prob, of_bits, budget, _ = draw(6000 + seed, most_workers=15)
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
    prob, of_bits, budget, allow_idle = draw(3000 + seed, most_workers=3)
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
    utility = [
        allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=allow_idle).utility
        for budget in range(8, 141)
    ]
    assert np.all(np.diff(utility) >= -EQUAL * utility[-1])
    full = allocation.solve_dynamic_program(prob, of_bits, 140, allow_idle=allow_idle)
    np.testing.assert_array_equal(full.bits, [32] * 4)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_workers_does_not_matter(seed: int) -> None:
    prob, of_bits, budget, _ = draw(4000 + seed, most_workers=15)
    budget = max(budget, 2 * prob.size)
    order = np.random.default_rng(seed).permutation(prob.size)
    for solve in [allocation.solve_dynamic_program, *HEURISTICS]:
        found, moved = solve(prob, of_bits, budget), solve(prob[order], of_bits, budget)
        assert moved.utility == pytest.approx(found.utility, rel=EQUAL)
        assert moved.upper_bound == pytest.approx(found.upper_bound, rel=EQUAL)
        assert utility_of(prob[order], of_bits, found.bits[order]) == pytest.approx(moved.utility, rel=EQUAL)


def test_allowing_idle_workers_never_hurts() -> None:
    for seed in range(5000, 5020):
        prob, of_bits, budget, _ = draw(seed, most_workers=15)
        budget = max(budget, 2 * prob.size)
        busy = allocation.solve_dynamic_program(prob, of_bits, budget)
        idle = allocation.solve_dynamic_program(prob, of_bits, budget, allow_idle=True)
        assert idle.utility >= busy.utility * (1 - EQUAL)


def test_an_odd_bit_may_be_better_left() -> None:
    """33 bits for two workers: 32 + 0 beats 31 + 2 when two bits are worth less than the 32nd."""
    prob, of_bits = np.array([1e-4, 1e-4]), variance("paper", 5e6)
    found = allocation.solve_dynamic_program(prob, of_bits, 33, allow_idle=True)
    assert sorted(found.bits) == [0, 32]
    assert found.utility > utility_of(prob, of_bits, np.array([31, 2]))


@pytest.mark.parametrize("budget", [8, 20, 60, 100])
def test_greedy_is_optimal_where_gains_diminish(budget: int) -> None:
    prob, of_bits = np.array([0.5, 0.7, 0.6, 0.9]), variance("paper", 1.0)
    table = allocation.utility_table(prob, of_bits, np.arange(2.0, 33))
    assert np.all(np.diff(table, n=2) <= 0)
    greedy = allocation.solve_greedy(prob, of_bits, budget)
    assert greedy.utility == pytest.approx(allocation.solve_dynamic_program(prob, of_bits, budget).utility, rel=EQUAL)


def test_greedy_is_trapped_where_gains_first_grow() -> None:
    """Greedy feeds one worker far beyond saturation before it starts another."""
    prob, of_bits = np.array([0.05, 0.1, 0.15, 0.2]), variance("paper", 5e6)
    exact = allocation.solve_dynamic_program(prob, of_bits, 48)
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
    exact = allocation.solve_dynamic_program(profile, of_bits, budget)
    algorithm_1 = allocation.solve_algorithm_1(profile, of_bits, budget)
    np.testing.assert_array_equal(exact.bits, best)
    np.testing.assert_array_equal(algorithm_1.bits, theirs)
    assert 1 - algorithm_1.utility / exact.utility == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_kept_losses_are_what_they_say(method: str) -> None:
    """Every kept instance, solved again; the hunted ones are at least as bad as any that chance found."""
    kept = [each for each in read_losses() if each.method == method]
    for each in kept:
        assert each.instance.loss(method) == pytest.approx(each.loss, rel=1e-5, abs=1e-12)
    worst = {found_by: max(each.loss for each in kept if each.found_by == found_by) for found_by in ("hunt", "chance")}
    assert worst["hunt"] >= worst["chance"] > 0


def test_every_loss_met_by_chance_is_kept() -> None:
    kept = {(each.method, each.instance) for each in read_losses() if each.found_by == "chance"}
    for seeds in (range(300), range(4000, 4300), range(9700, 10_000)):
        assert {(each.method, each.instance) for each in random_losses(seeds)} <= kept


@pytest.mark.parametrize("solve", [allocation.solve_structured, allocation.solve_dynamic_program, *HEURISTICS])
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
        allocation.solve_dynamic_program(prob, of_bits, 1, allow_idle=True)
    np.testing.assert_array_equal(allocation.solve_dynamic_program(prob, of_bits, 2, allow_idle=True).bits, [0, 2, 0])
