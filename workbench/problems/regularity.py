"""Constants measured: where a strongly convex loss is least, and how large its parts' gradients are on the way."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Problem, Regularity

RELATIVE_GRADIENT = 1e-12  # of an optimum, against the gradient at the origin
RELATIVE_DISTANCE = 1e-8  # from the true optimum, against the norm of the one found
FLATTEST = 1e-7  # strong convexity, against smoothness, that an optimum is still looked for
MAX_NEWTON_STEPS = 100
MAX_PRODUCTS = 500  # with the Hessian, in one step
MAX_HALVINGS = 30
POWER_STEPS, DIFFERENCE = 30, 1e-4
MEASURE_BLOCK = 10  # iterates whose part gradients are in memory at once

Map = Callable[[FloatArray], FloatArray]


def minimise(
    gradient: Map, hessian_at: Callable[[FloatArray], Map], precondition: Map, *, dim: int, strong_convexity: float
) -> FloatArray | None:
    """Find where a strongly convex function is least, or return None where rounding or flatness forbids it.

    Newton's method from the origin with preconditioned conjugate gradients, ever more of them, and steps halved
    until the gradient shrinks; near the optimum the values of F are too coarse to go by. The gradient ends below
    1e-12 ‖∇F(0)‖, and the distance from the optimum, at most ‖∇F(x)‖/μ, below 1e-8 ‖x‖.

    Parameters
    ----------
    gradient : ∇F at x (D,)
    hessian_at : x (D,) -> the map v -> ∇²F(x) v
    precondition : v -> M v, M an approximate inverse of the Hessian
    strong_convexity : μ
    """
    x = np.zeros(dim)
    grad = gradient(x)
    size = first = float(np.linalg.norm(grad))
    preconditioner = LinearOperator((dim, dim), matvec=precondition, dtype=np.float64)
    goal = 0.0
    for _ in range(MAX_NEWTON_STEPS):
        if size <= goal / 10:
            break
        hessian = LinearOperator((dim, dim), matvec=hessian_at(x), dtype=np.float64)
        step, _ = cg(hessian, -grad, rtol=min(0.1, np.sqrt(size / first)), M=preconditioner, maxiter=MAX_PRODUCTS)
        for halving in range(MAX_HALVINGS):
            share = 0.5**halving
            trial = x + share * step
            grad_there = gradient(trial)
            size_there = float(np.linalg.norm(grad_there))
            if size_there <= (1 - share / 4) * size:
                break
        else:
            break  # as small as rounding lets it be
        x, grad, size = trial, grad_there, size_there
        goal = min(RELATIVE_GRADIENT * first, RELATIVE_DISTANCE * strong_convexity * float(np.linalg.norm(x)))
    return x if size <= goal else None


def inverse_of_gram(gram: FloatArray, ridge: float, n_rows: int) -> Map:
    """Return the map v -> M v for each of `n_rows` rows of an iterate, M = (gram + ridge I)⁻¹.

    Where the ridge is lost in rounding, a larger one takes its place: M need not be exact.
    """
    width = len(gram)
    shift = max(ridge, 1e-10 * float(np.trace(gram)))
    factor = cho_factor(gram + shift * np.eye(width))
    return lambda v: np.asarray(cho_solve(factor, v.reshape(n_rows, width).T).T.ravel())


def curvature_at(problem: Problem, x: FloatArray) -> float:
    """Return the largest |eigenvalue| of the Hessian at x (D,), by power iteration on differences of gradients.

    It stands for the smoothness where a loss has none on the whole space: an estimate, good to some percent.
    """
    full_gradient = problem.encoder(np.ones((1, problem.n_parts)))
    direction = np.random.default_rng(0).standard_normal(problem.dim)
    largest = 0.0
    for _ in range(POWER_STEPS):
        direction /= np.linalg.norm(direction)
        move = DIFFERENCE * max(1.0, float(np.linalg.norm(x))) * direction
        ahead, behind = full_gradient(np.stack([x + move, x - move]))[:, 0]
        curved = (ahead - behind) / (2 * float(np.linalg.norm(move)))  # (D,): the Hessian's product
        largest = float(np.linalg.norm(curved))
        if not largest > 0:
            break
        direction = curved
    return largest


def regularity_along(problem: Problem, iterates: FloatArray) -> Regularity:
    r"""Return the problem's constants with those of its gradients, the largest over iterates (T, D).

    grad_bound_sq is :math:`\max_j \|\nabla f_j(x)\|^2`. grad_var is the variance of the gradient of a part drawn
    at random, :math:`\frac1P \sum_j \|\nabla f_j(x) - \nabla F(x)/P\|^2`; P² times it is that of the estimate
    :math:`P \nabla f_j(x)` of :math:`\nabla F(x)`.

    Raises
    ------
    InputError : no iterate
    """
    if not len(iterates):
        raise InputError("no iterates to measure gradients at: give at least one, shape (T, D)")
    bound_sq = var = 0.0
    for start in range(0, len(iterates), MEASURE_BLOCK):
        grads = problem.part_grads(iterates[start : start + MEASURE_BLOCK])  # (block, P, D)
        bound_sq = max(bound_sq, float(np.square(grads).sum(axis=2).max()))
        deviation = grads - grads.mean(axis=1, keepdims=True)
        var = max(var, float(np.square(deviation).sum(axis=2).mean(axis=1).max()))
    return replace(problem.regularity, grad_bound_sq=bound_sq, grad_var=var)
