"""Problems whose constants are exact and the same for every part, so that no assumption is left to chance."""

from typing import cast

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, Problem, Regularity
from workbench.problems.least_squares import LeastSquares


def alike(
    n_parts: int,
    spectrum: FloatArray | list[float],
    *,
    spread: float,
    distance: float,
    part_size: int | None = None,
    sample_noise: float = 0.0,
    seed: int = 0,
) -> Problem:
    """Build F(x) = ½ xᵀHx + const from parts of one Hessian, f_j(x) = ½ (x − c_j)ᵀ(H/P)(x − c_j) + const.

    The optimum is the origin. The c_j have equal coordinates and alternating signs, or are the corners of a regular
    polygon if P is odd: the parts' gradients at the optimum are of one norm if H is a multiple of the identity, and
    their disagreement is the same everywhere.

    Parameters
    ----------
    spectrum : eigenvalues of H, shape (D,)
    spread : ‖c_j‖
    distance : of the start from the optimum
    part_size : samples of a part, at least D; by default D, or D + 1 with sample_noise
    sample_noise : norm of what the samples of a part miss their labels by at c_j: it makes their gradients unlike
    """
    eigenvalues = np.asarray(spectrum, float)  # (D,)
    dim = eigenvalues.size
    size = (dim + (sample_noise > 0)) if part_size is None else part_size
    if size < dim + (sample_noise > 0) or (dim == 1 and n_parts % 2):
        raise InputError(f"{size} samples a part, {n_parts} parts in {dim} dimensions: too few samples, or no sum 0")
    rng = stream(seed, "problem/alike")
    axes, _ = np.linalg.qr(rng.standard_normal((dim, dim)))  # (D, D)
    if n_parts % 2:
        angle = 2 * np.pi * np.arange(n_parts) / n_parts  # (P,)
        centre = np.zeros((n_parts, dim))
        centre[:, :2] = spread * np.column_stack([np.cos(angle), np.sin(angle)])
    else:
        centre = spread / np.sqrt(dim) * np.outer((-1.0) ** np.arange(n_parts), np.ones(dim))
    design, target = np.empty((n_parts, size, dim)), np.empty((n_parts, size))
    for part in range(n_parts):
        frame, _ = np.linalg.qr(rng.standard_normal((size, dim + (sample_noise > 0))))
        design[part] = frame[:, :dim] * np.sqrt(eigenvalues / n_parts) @ axes.T
        target[part] = design[part] @ centre[part]
        if sample_noise > 0:
            target[part] += sample_noise * frame[:, dim]
    start = distance * axes.sum(axis=1) / np.sqrt(dim)  # alike along all axes of H
    hessian = np.einsum("pse,psf->ef", design, design)
    optimum = np.linalg.solve(hessian, np.einsum("pse,ps->e", design, target))  # the origin but for rounding
    measured = np.linalg.eigvalsh(hessian)  # (D,)
    residual = np.einsum("pse,e->ps", design, optimum) - target
    reg = Regularity(
        strong_convexity=float(measured[0]),
        smoothness=float(measured[-1]),
        optimum=optimum,
        optimal_loss=float(np.sum(residual**2) / 2),
    )
    return cast(Problem, LeastSquares(design, target, start, reg))


def disagreement_sq(problem: Problem, x: FloatArray) -> FloatArray:
    """(1/P) Σ_j ‖P ∇f_j(x) − ∇F(x)‖² at iterates (R, D), shape (R,)."""
    grads = problem.part_grads(x)  # (R, P, D)
    return np.asarray(
        problem.n_parts**2 * np.square(grads - grads.mean(axis=1, keepdims=True)).sum(axis=2).mean(axis=1)
    )


def sample_variance(problem: Problem, x: FloatArray) -> FloatArray:
    """P² times the variance of m ∇f_{j,s} over the m samples s of a part j, at models (R, P, D), shape (R, P).

    A mini-batch of b of them has at most 1/b of it, drawn with or without replacement.
    """
    sizes = problem.part_sizes  # (P,)
    runs, n_parts, _ = x.shape
    total, squares = np.zeros(x.shape), np.zeros((runs, n_parts))
    for sample in range(int(sizes.max())):
        there = (sample < sizes) * sizes.astype(float)  # (P,)
        batch = np.broadcast_to(np.minimum(sample, sizes - 1)[:, None], (runs, n_parts, 1))
        weights = np.broadcast_to((n_parts * there)[:, None], (runs, n_parts, 1))
        grads = problem.sample_grads(x, batch, weights)  # (R, P, D)
        total += grads / sizes[:, None]
        squares += np.square(grads).sum(axis=2) / sizes
    return np.asarray(np.maximum(squares - np.square(total).sum(axis=2), 0.0))
