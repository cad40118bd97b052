"""Least squares on synthetic data whose spectrum is set exactly."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from workbench.core.blocks import in_run_blocks
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import FloatArray, Regularity

RUN_BLOCK = 16


@dataclass(frozen=True)
class LeastSquares:
    r"""The loss F(x) = Σ_j f_j(x), f_j(x) = ½‖A_j x − b_j‖², every part with the same number of rows N/P.

    design : A_j, shape (P, N/P, D)
    target : b_j, shape (P, N/P)
    """

    name: ClassVar[str] = "least_squares"
    design: FloatArray
    target: FloatArray
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.design)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.design.shape[2])

    def initial(self) -> FloatArray:
        """Start at the origin, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""

        def block_loss(block: FloatArray) -> FloatArray:
            return np.asarray(np.square(self._residuals(block)).sum(axis=(0, 2)) / 2)

        return in_run_blocks(block_loss, x, RUN_BLOCK)

    def part_grads(self, x: FloatArray) -> FloatArray:
        """∇f_j = A_jᵀ(A_j x − b_j) at iterates (R, D), shape (R, P, D)."""
        return in_run_blocks(lambda block: self._part_grads(block).swapaxes(0, 1), x, RUN_BLOCK)

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D).

        The part gradients exist for one block of runs at a time: two products with the data cost less than
        one with the W encoded Hessians.
        """
        mix = csr_array(encode)  # (W, P)

        def block_messages(block: FloatArray) -> FloatArray:
            grads = self._part_grads(block)  # (P, runs, D)
            mixed = np.asarray(mix @ grads.reshape(self.n_parts, -1))  # (W, runs D)
            return mixed.reshape(-1, *grads.shape[1:]).swapaxes(0, 1)

        return in_run_blocks(block_messages, x, RUN_BLOCK)

    def _residuals(self, block: FloatArray) -> FloatArray:
        rows = self.design.reshape(-1, self.dim)  # (N, D)
        fitted = (block @ rows.T).reshape(len(block), self.n_parts, -1)  # (runs, P, N/P)
        return np.asarray((fitted - self.target).swapaxes(0, 1))  # (P, runs, N/P)

    def _part_grads(self, block: FloatArray) -> FloatArray:
        return np.asarray(self._residuals(block) @ self.design)  # (P, runs, D)


def build(
    n_parts: int,
    *,
    seed: int,
    dim: int = 100,
    n_samples: int | None = None,
    condition: float = 5.0,
    disagreement: float = 1.0,
    noise: float = 0.1,
) -> LeastSquares:
    """Draw a problem with strong convexity 1 and smoothness `condition` exactly, and unlike parts.

    The Hessian's eigenvalues are geometrically spaced on [1, condition]. Part j is of its own scale, and its
    rows are explained by its own x_j = x̄ + disagreement·δ_j, with ‖x̄‖ and ‖δ_j‖ about 1.

    Parameters
    ----------
    n_parts : P
    n_samples : N, a multiple of P, at least dim; by default the least one from 6 dim on
    disagreement, noise : size of δ_j; standard deviation of b around A_j x_j, relative to a row's size

    Raises
    ------
    InputError : sizes that do not fit together
    """
    if n_parts < 1 or dim < 1 or condition < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}, condition = {condition:g}: none may be below 1")
    n_samples = n_parts * -(-6 * dim // n_parts) if n_samples is None else n_samples
    if n_samples % n_parts or n_samples < dim:
        raise InputError(f"n_samples = {n_samples}: give a multiple of {n_parts} parts, at least dim = {dim}")
    rng = stream(seed, "problem/least_squares")
    eigenvalues = np.geomspace(1.0, condition, dim)  # (D,)
    scale = np.repeat(rng.uniform(0.5, 1.5, n_parts), n_samples // n_parts)  # (N,)
    rows, _ = np.linalg.qr(rng.standard_normal((n_samples, dim)) * scale[:, None])  # (N, D), orthonormal
    axes, _ = np.linalg.qr(rng.standard_normal((dim, dim)))  # (D, D)
    design = (rows * np.sqrt(eigenvalues)) @ axes.T  # (N, D), AᵀA has the eigenvalues set above
    shared = rng.standard_normal(dim) / np.sqrt(dim)  # (D,)
    own = shared + disagreement * rng.standard_normal((n_parts, dim)) / np.sqrt(dim)  # (P, D)
    parts = design.reshape(n_parts, -1, dim)  # (P, N/P, D)
    row_size = np.sqrt(np.square(design).sum() / (n_samples * dim))
    target = np.einsum("pnd,pd->pn", parts, own)  # (P, N/P)
    target += noise * row_size * rng.standard_normal(target.shape)
    optimum = np.linalg.lstsq(design, target.ravel(), rcond=None)[0]  # (D,)
    measured = np.linalg.eigvalsh(design.T @ design)  # (D,), ascending
    regularity = Regularity(
        strong_convexity=float(measured[0]),
        smoothness=float(measured[-1]),
        optimum=optimum,
        optimal_loss=float(np.square(design @ optimum - target.ravel()).sum() / 2),
    )
    return LeastSquares(parts, target, regularity)
