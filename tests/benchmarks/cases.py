"""What is measured: our own way first, then its rivals and its floor, the least work that any way must do."""

from collections.abc import Callable
from functools import partial
from typing import Any

import engine_cases
import numpy as np
from case import Case, Target
from scipy import optimize, sparse

from workbench.codes.code import DesignSpec
from workbench.codes.optimal_decoding import design
from workbench.core.types import FloatArray
from workbench.quantizers.stochastic_levels import variance_constant
from workbench.solvers.bit_allocation import (
    lagrangian_bound,
    solve_algorithm_1,
    solve_dynamic_program,
    solve_structured,
    utility_table,
)
from workbench.solvers.fewest_edges import solve_fewest_edges
from workbench.solvers.optimal_structure import kkt_residuals, solve_sparse
from workbench.stragglers.profile import StragglerProfile

BITS = np.arange(2.0, 33.0)  # possible numbers of bits of a worker that is not idle, (M,)


def variance(bits: FloatArray) -> FloatArray:
    """ω of a gradient of 10^5 coordinates."""
    return variance_constant(bits, 100_000, "tight")


def probabilities(n_workers: int) -> FloatArray:
    """Return p (W,), from reliable to hardly there."""
    return np.random.default_rng(n_workers).uniform(0.02, 0.7, n_workers)


def spread(utilities: dict[str, float]) -> str:
    """Return the largest relative difference of the optima that are claimed."""
    values = np.array([*utilities.values()])
    difference = np.ptp(values) / values.max()
    verdict = "equal to 1e-9" if difference <= 1e-9 else "NOT EQUAL"
    return f"utility {values.max():.12g}, relative difference {difference:.1e}: {verdict}"


def allocation(solve: Callable[..., Any], name: str, n_workers: int, room: int, seconds: float) -> Case:
    """An exact allocation of `room` bits beyond 2 each; its floor is the table of utilities it reads."""
    prob, budget = probabilities(n_workers), 2 * n_workers + room
    bound = lagrangian_bound(prob, variance, budget)

    def agreement(answers: dict[str, Any]) -> str:
        found = answers[name]
        return f"utility {found.utility:.12g}, {1 - found.utility / bound:.1e} below the dual bound, relatively"

    contenders = {
        name: partial(solve, prob, variance, budget),
        "floor: table of utilities": partial(utility_table, prob, variance, BITS),
    }
    return Case(contenders, agreement, Target(seconds=seconds))


def sparse_code() -> Case:
    """Eq. 22 for a million workers and as many parts; its floor is to write as many bytes."""
    n = 1_000_000
    prob, omega = probabilities(n), np.random.default_rng(0).exponential(size=n)

    def written() -> int:
        a = solve_sparse(prob, omega, n)
        return int(a.data.nbytes + a.indices.nbytes + a.indptr.nbytes)

    n_bytes = written()

    def agreement(answers: dict[str, Any]) -> str:
        a = answers["sparse code"]
        return f"{a.nnz} nonzeros, relative KKT residual {kkt_residuals(a, prob, omega).relative:.1e}"

    contenders = {
        "sparse code": partial(solve_sparse, prob, omega, n),
        f"floor: filling {n_bytes / 2**20:.0f} MiB": lambda: np.empty(n_bytes, np.uint8).fill(1),
    }
    return Case(contenders, agreement, Target(seconds=2, mib=1024))


def decoding() -> Case:
    """Least-squares weights of a thousand straggler patterns of 200 workers, against one `lstsq` for each."""
    n, rng = 200, np.random.default_rng(0)
    code = design(StragglerProfile(np.full(n, 0.2)), DesignSpec(n, 1000, 4 * n, 3), rng=rng)
    responded = rng.random((1000, n)) >= 0.2  # (R, W)
    columns = code.encode_dense.T  # (P, W)

    def loop() -> FloatArray:
        weights = np.zeros(responded.shape)
        ones = np.ones(n)
        for row, heard in zip(weights, responded, strict=True):
            row[heard] = np.linalg.lstsq(columns[:, heard], ones, rcond=None)[0]
        return weights

    # A decoder prepares itself on first use: each run gets a new one.
    contenders = {
        "batched decoder": lambda: type(code.decoder)(code.encode).weights(responded),
        "loop of numpy lstsq": loop,
    }

    def agreement(answers: dict[str, Any]) -> str:
        difference = np.abs(answers["batched decoder"] - answers["loop of numpy lstsq"]).max()
        return f"largest difference of a weight {difference:.1e}"

    return Case(contenders, agreement, Target(faster_than={"loop of numpy lstsq": 5}))


def highs(prob: FloatArray, budget: int) -> float:
    """Return the optimal utility by HiGHS: Σ u_ib x_ib, one b for each worker, Σ b x_ib <= B."""
    table = utility_table(prob, variance, BITS)  # (W, M)
    n_workers = len(table)
    unit = 1e6 / table.max()  # HiGHS stops at an absolute gap of 1e-6
    solved = optimize.milp(
        -unit * table.ravel(),
        integrality=np.ones(table.size),
        bounds=optimize.Bounds(0, 1),
        constraints=[
            optimize.LinearConstraint(sparse.kron(sparse.identity(n_workers), np.ones((1, BITS.size))), 1, 1),
            optimize.LinearConstraint(np.tile(BITS, n_workers)[None, :], ub=budget),
        ],
        options={"mip_rel_gap": 0.0},
    )
    chosen = np.argmax(solved.x.reshape(table.shape), axis=1)
    return float(table[np.arange(n_workers), chosen].sum())


def against_highs(n_workers: int) -> Case:
    """Both exact ways against HiGHS, at five bits a worker."""
    prob, budget = probabilities(n_workers), 5 * n_workers
    contenders = {
        "structured": lambda: solve_structured(prob, variance, budget).utility,
        "dynamic program": lambda: solve_dynamic_program(prob, variance, budget).utility,
        "HiGHS": partial(highs, prob, budget),
    }
    return Case(contenders, spread, Target(faster_than={"HiGHS": 1}))


def against_algorithm_1(n_workers: int) -> Case:
    """The exact way against the paper's heuristic, at five bits a worker."""
    prob, budget = probabilities(n_workers), 5 * n_workers
    contenders = {
        "structured": lambda: solve_structured(prob, variance, budget).utility,
        "Algorithm 1": lambda: solve_algorithm_1(prob, variance, budget).utility,
    }
    return Case(contenders, spread, Target(faster_than={"Algorithm 1": 1}))


def fewest_edges(kind: str) -> Case:
    """The fewest nonzeros for 256 workers and 64 parts, against the sparse code that does not seek them."""
    prob = np.full(256, 0.2) if kind == "equal" else probabilities(256)
    omega = np.full(256, 0.3) if kind == "equal" else np.random.default_rng(1).exponential(size=256)

    def agreement(answers: dict[str, Any]) -> str:
        found = answers["fewest edges"][1]
        known = "proved" if found.is_proved else f"at most {found.upper_bound} are not excluded"
        more = answers["sparse code"].nnz - found.nonzeros
        return f"{found.n_groups} groups, {known}; {found.nonzeros} nonzeros, {more} less than the sparse code"

    contenders = {
        "fewest edges": partial(solve_fewest_edges, prob, omega, 64),
        "sparse code": partial(solve_sparse, prob, omega, 64),
    }
    return Case(contenders, agreement, Target(seconds=5))


CASES: dict[str, Callable[[], Case]] = {
    "allocation-dynamic-program": partial(allocation, solve_dynamic_program, "dynamic program", 1000, 10_000, 1.0),
    "allocation-structured": partial(allocation, solve_structured, "structured", 100_000, 1_000_000, 10.0),
    "sparse-code": sparse_code,
    "decoding": decoding,
    **{f"highs-{n}": partial(against_highs, n) for n in (5, 15, 30, 60)},
    **{f"algorithm-1-{n}": partial(against_algorithm_1, n) for n in (50, 500)},
    **{f"fewest-edges-{kind}": partial(fewest_edges, kind) for kind in ("equal", "generic")},
    **engine_cases.CASES,
}
