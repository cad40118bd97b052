r"""Noisy first-order runs as Gram matrices, exactly: what any loss of a class and any unbiased noise can do.

Noise is handled by martingale differences. Every random vector v of a run is :math:`\sum_l v_l`, its part :math:`v_l`
what the randomness of round l adds to its conditional mean; parts of different l are uncorrelated, so that the matrix
of expected inner products is a block for every l. Two runs that share their first s rounds, and are independent after
them, have :math:`E\langle u, v'\rangle = \sum_{l \le s} E\langle u_l, v_l\rangle`, and the conditions that make points
and gradients those of one loss hold in the mean between every two iterates of such runs, for every s.

No loss and no noise can violate these. Conversely a matrix that satisfies them is a run: at every round draw one of N
values, the corners of a regular simplex in directions used nowhere else in the tree of runs. Then the branches' common
part is as above but for -1/(N - 1) at l = s + 1 (`atoms`), which vanishes as N grows, and every branch has the same
norms, so that bounds in the mean are bounds in every branch. So the largest value is the exact
supremum over all dimensions and all noise, and with `atoms` that over noise of N equally likely values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray
from workbench.solvers.performance_estimation import Problem

MOST_ROUNDS = 8  # above them the programs take minutes

Measure = Literal["loss gap", "squared distance", "least squared gradient", "mean squared gradient"]


@dataclass(frozen=True)
class Descent:
    r"""Steps :math:`x_{t+1} = x_t - \eta_t (\nabla F(x_t) + e_t)` with unbiased noise, E[e_t | past] = 0.

    steps : η, one for each round
    measure : what is to be as large as possible; gradients are measured at every iterate, the last one included
    lowest, highest : curvatures of F lie between them; (−L, L) is smooth and not convex, (μ, ∞) strongly convex with
        subgradients, the limit of smooth losses
    loss_gap : F(x_0) − F* is at most this
    distance_sq : ‖x_0 − x*‖² is at most this, or exactly with `distance_is_exact`
    weights : of the iterates in the mean squared gradient; all the same if empty
    noise : E‖e_t‖² is at most this, plus `noise_by_grad` ‖∇F(x_t)‖² and `noise_by_distance` ‖x_t − x*‖²
    grad_bound_sq : ‖∇F(x_t)‖² is at most this
    dominated : c of 2c(F − F*) ≤ ‖∇F‖², at the iterates only: the worst case is then an upper bound
    """

    steps: tuple[float, ...]
    measure: Measure
    lowest: float
    highest: float
    weights: tuple[float, ...] = ()
    loss_gap: float = np.inf
    distance_sq: float = np.inf
    distance_is_exact: bool = False
    noise: float = 0.0
    noise_by_grad: float = 0.0
    noise_by_distance: float = 0.0
    grad_bound_sq: float = np.inf
    dominated: float = 0.0

    def __post_init__(self) -> None:
        if len(self.steps) > MOST_ROUNDS:
            raise InputError(f"{len(self.steps)} rounds: worst cases are for up to {MOST_ROUNDS} rounds")
        if self.distance_sq < np.inf and not self.is_convex:
            raise InputError("a loss that is not convex may have many minimisers: give loss_gap, not a distance")

    @property
    def is_convex(self) -> bool:
        """Whether the class is one of convex losses, with a minimiser x*."""
        return self.lowest >= 0

    @property
    def is_noisy(self) -> bool:
        """Whether there is noise at all."""
        return self.noise > 0 or self.noise_by_grad > 0 or self.noise_by_distance > 0

    @property
    def n_points(self) -> int:
        """Iterates whose gradients matter: a distance does not ask for the last one's."""
        return max(len(self.steps) + (self.measure != "squared distance"), 1)

    def in_own_units(self) -> tuple["Descent", float]:
        """Return the same run in units in which its constants are near 1, and the unit of its measure."""
        curvature = self.highest if self.highest < np.inf else self.lowest
        if 0 < self.loss_gap < np.inf:
            length_sq = self.loss_gap / curvature
        elif 0 < self.distance_sq < np.inf:
            length_sq = self.distance_sq
        else:
            length_sq = (self.grad_bound_sq if 0 < self.grad_bound_sq < np.inf else 1.0) / curvature**2
        grad_sq = length_sq * curvature**2
        run = replace(
            self,
            steps=tuple(step * curvature for step in self.steps),
            lowest=self.lowest / curvature,
            highest=self.highest / curvature,
            loss_gap=self.loss_gap / (length_sq * curvature),
            distance_sq=self.distance_sq / length_sq,
            noise=self.noise / grad_sq,
            noise_by_distance=self.noise_by_distance / curvature**2,
            grad_bound_sq=self.grad_bound_sq / grad_sq,
            dominated=self.dominated / curvature,
        )
        return run, {"loss gap": length_sq * curvature, "squared distance": length_sq}.get(self.measure, grad_sq)


@dataclass(frozen=True)
class Feedback:
    r"""Two-sided error feedback: worker i sends C_i(p_i), the server C̃(P), and both keep what is lost.

    .. math:: p_i = e_i + g_i + \xi_i, \; e_i' = p_i - C_i(p_i), \quad P = \tilde e + \tfrac1M \sum_i C_i(p_i), \;
        \tilde e' = P - \tilde C(P), \quad x' = x - \eta \tilde C(P)

    The mean of the g_i is ∇F(x), ‖g_i‖² ≤ `grad_bound_sq`, the ξ_i are unbiased, uncorrelated and of variance at most
    `grad_var`; E‖p − C(p)‖² ≤ (1 − δ)‖p‖². Largest mean of ‖∇F(x_t)‖² over t < `n_grads`.

    kept, server_kept : 1 − δ of every worker, and 1 − δ̃
    """

    n_grads: int
    step_size: float
    smoothness: float
    loss_gap: float
    grad_bound_sq: float
    grad_var: float
    kept: tuple[float, ...]
    server_kept: float

    def __post_init__(self) -> None:
        if (self.n_grads - 1) * len(self.kept) > MOST_ROUNDS:
            raise InputError(
                f"{self.n_grads} gradients of {len(self.kept)} workers: worst cases are for up to {MOST_ROUNDS} "
                "messages, take fewer"
            )

    def in_own_units(self) -> tuple["Feedback", float]:
        """Return the same run in units in which L = 1 and the loss gap is 1, and the unit of its measure."""
        grad_sq = self.loss_gap * self.smoothness
        run = replace(
            self,
            step_size=self.step_size * self.smoothness,
            smoothness=1.0,
            loss_gap=1.0,
            grad_bound_sq=self.grad_bound_sq / grad_sq,
            grad_var=self.grad_var / grad_sq,
        )
        return run, grad_sq


class _Book:
    """Constraints on expected inner products, as they are written down."""

    def __init__(self, block: list[int], n_values: int, *, noise: float, atoms: float = np.inf) -> None:
        self.block: IntArray = np.asarray(block)
        unit = np.where(self.block > 0, min(noise, 1.0), 1.0)  # squared; little noise makes all that comes of it little
        self.same = np.where(self.block[:, None] == self.block, unit, 0.0)
        self.n_values, self.atoms = n_values, atoms
        self.rows: list[tuple[FloatArray, FloatArray, float, bool]] = []

    def product(self, u: FloatArray, v: FloatArray, shared: int | None = None) -> FloatArray:
        """Matrix of E⟨u, v⟩ (n, n), of runs that share their first `shared` rounds only, if given."""
        matrix = (np.outer(u, v) + np.outer(v, u)) / 2 * self.same
        if shared is None:
            return np.asarray(matrix)
        common = np.where(self.block <= shared, 1.0, np.where(self.block == shared + 1, -1 / (self.atoms - 1), 0.0))
        return np.asarray(matrix * common)

    def square(self, u: FloatArray) -> FloatArray:
        """Matrix of E‖u‖²."""
        return self.product(u, u)

    def value(self, j: int | None) -> FloatArray:
        """Coefficients of one function value, (m,); of F* = 0 for None."""
        return np.zeros(self.n_values) if j is None else np.eye(self.n_values)[j]

    def at_most(self, matrix: FloatArray, values: FloatArray, limit: float, *, is_equal: bool = False) -> None:
        """Write down ⟨matrix, G⟩ + valuesᵀy ≤ limit."""
        if np.isfinite(limit):
            self.rows.append((matrix, values, limit, is_equal))

    def interpolate(
        self,
        x: FloatArray,
        g: FloatArray,
        curvature: tuple[float, float],
        pairs: Iterator[tuple[int | None, int | None, int | None]],
    ) -> None:
        r"""Make points x and gradients g (m, n) those of one loss with curvatures from μ to L.

        .. math:: f_i \ge f_j + \langle g_j, x_i - x_j\rangle + \frac{1}{2(1 - \mu/L)} \Big(\frac{\|g_i - g_j\|^2}{L}
            + \mu \|x_i - x_j\|^2 - \frac{2\mu}{L} \langle g_i - g_j, x_i - x_j\rangle\Big)
        """
        low, flat = curvature[0], 1 / curvature[1]  # μ, 1/L
        scale = 1 / (2 * (1 - low * flat))
        nothing = np.zeros(len(self.block))
        for i, j, shared in pairs:
            x_i, g_i = (nothing, nothing) if i is None else (x[i], g[i])
            x_j, g_j = (nothing, nothing) if j is None else (x[j], g[j])
            apart = self.square(x_i) + self.square(x_j) - 2 * self.product(x_i, x_j, shared)
            turned = self.square(g_i) + self.square(g_j) - 2 * self.product(g_i, g_j, shared)
            along = self.product(g_i, x_i) + self.product(g_j, x_j)
            along -= self.product(g_i, x_j, shared) + self.product(g_j, x_i, shared)
            matrix = self.product(g_j, x_i, shared) - self.product(g_j, x_j)
            matrix += scale * (flat * turned + low * apart - 2 * low * flat * along)
            self.at_most(matrix, self.value(j) - self.value(i), 0.0)

    def problem(self, objective: FloatArray, values: FloatArray) -> Problem:
        """Close the book."""
        matrices, coefficients, limits, is_equal = (np.array(each) for each in zip(*self.rows, strict=True))
        return Problem(self.block, objective, values, matrices, coefficients, limits, is_equal)


def of_descent(run: Descent, *, atoms: float = np.inf) -> Problem:
    """Return the worst case of a descent as a program; with `atoms` for noise of so many equally likely values."""
    n_rounds, n_points = len(run.steps), run.n_points
    block: list[int] = []
    start = _leaf(block, 0) if run.is_convex else None  # elsewhere x_0 may be 0
    parts = [[_leaf(block, of) for of in range(t + 1 if run.is_noisy else 1)] for t in range(n_points)]
    noise = [_leaf(block, t + 1) for t in range(n_rounds)] if run.is_noisy else []
    unit = np.eye(len(block))
    g = np.array([unit[own].sum(axis=0) for own in parts])  # (n_points, n)
    x = [np.zeros(len(block)) if start is None else unit[start]]
    for t, step in enumerate(run.steps):
        x.append(x[t] - step * (g[t] + (unit[noise[t]] if noise else 0)))
    size = run.noise + run.noise_by_grad + run.noise_by_distance
    book = _Book(block, n_points + (run.measure == "least squared gradient"), noise=size, atoms=atoms)
    book.interpolate(np.array(x), g, (run.lowest, run.highest), _pairs(n_points, run.is_noisy, run.is_convex))
    zero = np.zeros(book.same.shape)
    book.at_most(zero, book.value(0), run.loss_gap)
    book.at_most(book.square(x[0]), book.value(None), run.distance_sq, is_equal=run.distance_is_exact)
    for t in range(n_points):
        book.at_most(book.square(g[t]), book.value(None), run.grad_bound_sq)
        if not run.is_convex:  # F ≥ F* after one more step of 1/L
            book.at_most(book.square(g[t]) / (2 * run.highest), -book.value(t), 0.0)
        if run.dominated:
            book.at_most(-book.square(g[t]) / (2 * run.dominated), book.value(t), 0.0)
    for t, own in enumerate(noise):
        grown = run.noise_by_grad * book.square(g[t]) + run.noise_by_distance * book.square(x[t])
        book.at_most(book.square(unit[own]) - grown, book.value(None), run.noise)
    if run.measure == "loss gap":
        return book.problem(zero, book.value(n_rounds))
    if run.measure == "squared distance":
        return book.problem(book.square(x[-1]), book.value(None))
    if run.measure == "mean squared gradient":
        mean = np.average([book.square(each) for each in g], axis=0, weights=run.weights or None)
        return book.problem(mean, book.value(None))
    for each in g:
        book.at_most(-book.square(each), book.value(n_points), 0.0)
    return book.problem(zero, book.value(n_points))


def of_feedback(run: Feedback) -> Problem:
    """Return the worst case of error feedback as a program."""
    n_workers, n_rounds = len(run.kept), run.n_grads - 1
    is_noisy = run.grad_var > 0
    block: list[int] = []

    def fresh(newest: int) -> list[int]:
        """A vector that depends on the randomness of rounds 1 to `newest`."""
        return [_leaf(block, of) for of in range((newest if is_noisy else 0) + 1)]

    def nothing_if(kept: float, newest: int) -> list[int]:
        return fresh(newest) if kept > 0 else []

    grads = [[fresh(t) for _ in range(n_workers)] for t in range(run.n_grads)]
    noise = [[_leaf(block, t + 1) for _ in range(n_workers) if is_noisy] for t in range(n_rounds)]
    lost = [[nothing_if(kept, t + 1) for kept in run.kept] for t in range(n_rounds)]
    server_lost = [nothing_if(run.server_kept, t + 1) for t in range(n_rounds)]
    unit = np.eye(len(block))

    def vector(own: list[int]) -> FloatArray:
        return np.asarray(unit[own].sum(axis=0))

    book = _Book(block, run.n_grads, noise=run.grad_var)
    x, g = [np.zeros(len(block))], []
    held, server_held = [vector([]) for _ in run.kept], vector([])
    for t in range(run.n_grads):
        own = [vector(each) for each in grads[t]]
        g.append(np.mean(own, axis=0))
        for each in own:
            book.at_most(book.square(each), book.value(None), run.grad_bound_sq)
        if t == n_rounds:
            break
        draws = [unit[each] for each in noise[t]] or [vector([])] * n_workers
        for i, draw in enumerate(draws[: len(noise[t])]):
            book.at_most(book.square(draw), book.value(None), run.grad_var)
            for other in draws[:i]:
                book.at_most(book.product(draw, other), book.value(None), 0.0, is_equal=True)
        wanted = [kept + grad + draw for kept, grad, draw in zip(held, own, draws, strict=True)]  # p_i
        held = [vector(each) for each in lost[t]]
        at_server = server_held + np.mean([p - e for p, e in zip(wanted, held, strict=True)], axis=0)  # P
        server_held = vector(server_lost[t])
        x.append(x[t] - run.step_size * (at_server - server_held))
        for error, whole, kept in zip(
            [*held, server_held], [*wanted, at_server], [*run.kept, run.server_kept], strict=True
        ):
            if kept > 0:
                book.at_most(book.square(error) - kept * book.square(whole), book.value(None), 0.0)
    curvature = (-run.smoothness, run.smoothness)
    book.interpolate(np.array(x), np.array(g), curvature, _pairs(run.n_grads, is_noisy, is_convex=False))
    book.at_most(np.zeros(book.same.shape), book.value(0), run.loss_gap)
    for t, grad in enumerate(g):
        book.at_most(book.square(grad) / (2 * run.smoothness), -book.value(t), 0.0)
    return book.problem(np.mean([book.square(each) for each in g], axis=0), book.value(None))


def by_pepit(run: Descent, *, atoms: int = 2) -> float:
    """Let PEPit find the worst case over noise of `atoms` equally likely values, on the whole tree of runs.

    Its own conditions and vectors: nothing is shared with `of_descent`, whose program with the same `atoms` has the
    same value. The solver's answer as it comes, not certified.

    Raises
    ------
    InputError : PEPit is not installed
    """
    try:
        pepit: Any = import_module("PEPit")  # untyped
        classes: Any = import_module("PEPit.functions")
    except ImportError:
        raise InputError("a second opinion needs PEPit: pip install 'straggler-workbench[pep]'") from None
    pep = pepit.PEP()
    if not run.is_convex:
        loss = pep.declare_function(classes.SmoothFunction, L=run.highest)
    elif np.isinf(run.highest):
        loss = pep.declare_function(classes.StronglyConvexFunction, mu=run.lowest)
    else:
        loss = pep.declare_function(classes.SmoothStronglyConvexFunction, mu=run.lowest, L=run.highest)
    best = loss.stationary_point() if run.is_convex else None
    if best is not None:
        pep.add_constraint(loss(best) == 0)
    first = pep.set_initial_point()
    if run.distance_sq < np.inf:
        away = (first - best) ** 2
        pep.set_initial_condition(away == run.distance_sq if run.distance_is_exact else away <= run.distance_sq)
    level, gaps = [first], []
    grads_sq: list[Any] = []
    for t in range(len(run.steps) + 1):
        if t == run.n_points:
            break
        answers = [loss.oracle(point) for point in level]
        gaps = [value for _, value in answers]  # F* = 0
        grads_sq.append(sum(grad**2 for grad, _ in answers) / len(answers))
        if t == 0 and run.loss_gap < np.inf:
            pep.set_initial_condition(gaps[0] <= run.loss_gap)
        for (grad, _), gap in zip(answers, gaps, strict=True):
            if run.grad_bound_sq < np.inf:
                pep.add_constraint(grad**2 <= run.grad_bound_sq)
            if not run.is_convex:
                pep.add_constraint(gap >= grad**2 / (2 * run.highest))
            if run.dominated:
                pep.add_constraint(gap <= grad**2 / (2 * run.dominated))
        if t == len(run.steps):
            break
        after = []
        for point, (grad, _) in zip(level, answers, strict=True):
            draws = [pepit.Point() for _ in range(atoms - 1 if run.is_noisy else 0)]
            draws += [-sum(draws[1:], draws[0])] if draws else []
            if draws:
                allowed = run.noise + run.noise_by_grad * grad**2
                allowed += run.noise_by_distance * (point - best) ** 2 if run.noise_by_distance else 0
                pep.add_constraint(sum(draw**2 for draw in draws) / atoms <= allowed)
            after += [point - run.steps[t] * (grad + draw) for draw in draws] or [point - run.steps[t] * grad]
        level = after
    if run.measure == "loss gap":
        pep.set_performance_metric(sum(gaps) / len(gaps))
    elif run.measure == "squared distance":
        pep.set_performance_metric(sum((point - best) ** 2 for point in level) / len(level))
    elif run.measure == "mean squared gradient":
        weights = run.weights or (1.0,) * len(grads_sq)
        pep.set_performance_metric(sum(w * each for w, each in zip(weights, grads_sq, strict=True)) / sum(weights))
    else:
        for each in grads_sq:  # the least of the metrics
            pep.set_performance_metric(each)
    return float(pep.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0))


def _leaf(block: list[int], of: int) -> int:
    """Take one more vector, in a block, and return its index."""
    block.append(of)
    return len(block) - 1


def _pairs(n_points: int, is_noisy: bool, is_convex: bool) -> Iterator[tuple[int | None, int | None, int | None]]:
    """Pairs of iterates, None for x*, and how many rounds their two runs share, None for one run."""
    for i in range(n_points):
        for j in range(n_points):
            if i != j:
                yield i, j, None
            if is_noisy:
                for shared in range(min(i, j)):
                    yield i, j, shared
        if is_convex:
            yield i, None, None
            yield None, i, None
