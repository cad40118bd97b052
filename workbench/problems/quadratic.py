"""A quadratic loss whose spectrum is chosen."""

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
class Quadratic:
    r"""The loss F(x) = Σ_j f_j(x), f_j(x) = ½(x − c_j)ᵀ H_j (x − c_j), every H_j symmetric positive definite.

    curvature : H_j, shape (P, D, D)
    centre : c_j, shape (P, D)
    """

    name: ClassVar[str] = "quadratic"
    curvature: FloatArray
    centre: FloatArray
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.curvature)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.curvature.shape[2])

    def initial(self) -> FloatArray:
        """Start at the origin, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""

        def block_loss(block: FloatArray) -> FloatArray:
            offset = block - self.centre[:, None, :]  # (P, runs, D)
            return np.asarray((offset * (offset @ self.curvature)).sum(axis=(0, 2)) / 2)

        return in_run_blocks(block_loss, x, RUN_BLOCK)

    def part_grads(self, x: FloatArray) -> FloatArray:
        """∇f_j = H_j(x − c_j) at iterates (R, D), shape (R, P, D)."""
        return in_run_blocks(lambda block: self._part_grads(block).swapaxes(0, 1), x, RUN_BLOCK)

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D).

        The part gradients exist for one block of runs at a time: to mix them costs less than to mix the Hessians.
        """
        mix = csr_array(encode)  # (W, P)

        def block_messages(block: FloatArray) -> FloatArray:
            mixed = mix @ self._part_grads(block).reshape(self.n_parts, -1)  # (W, runs D)
            return np.asarray(mixed).reshape(-1, *block.shape).swapaxes(0, 1)

        return in_run_blocks(block_messages, x, RUN_BLOCK)

    def _part_grads(self, block: FloatArray) -> FloatArray:
        return np.asarray((block - self.centre[:, None, :]) @ self.curvature)  # (P, runs, D)


def build(
    n_parts: int,
    *,
    seed: int,
    dim: int = 100,
    n_samples: int | None = None,
    spectrum: FloatArray | None = None,
    disagreement: float = 1.0,
) -> Quadratic:
    """Draw a problem whose Hessian Σ_j H_j has the given eigenvalues exactly, and unlike parts.

    H_j = A_jᵀA_j, where the A_j, below each other, are normal rows of a scale for each part, made orthonormal and
    then stretched by the roots of the eigenvalues along random axes. The parts' centres are
    c_j = c̄ + disagreement·δ_j, with ‖c̄‖ and ‖δ_j‖ about 1.

    Parameters
    ----------
    n_parts : P
    n_samples : must be None, as there are no samples
    spectrum : eigenvalues of the Hessian, shape (D,); by default `dim` of them, geometrically spaced on [1, 5]

    Raises
    ------
    InputError : sizes below 1, eigenvalues that are not positive, a number of samples
    """
    if n_samples is not None:
        raise InputError(f"n_samples = {n_samples}: a quadratic has no samples, leave it out")
    eigenvalues = np.geomspace(1.0, 5.0, dim) if spectrum is None else np.asarray(spectrum, float)  # (D,)
    dim = len(eigenvalues)
    if n_parts < 1 or dim < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}: neither may be below 1")
    if not (np.isfinite(eigenvalues) & (eigenvalues > 0)).all():
        raise InputError(f"spectrum holds {eigenvalues.min():g}: every eigenvalue must be positive and finite")
    rng = stream(seed, "problem/quadratic")
    scale = np.repeat(rng.uniform(0.5, 1.5, n_parts), dim)  # (P D,)
    rows, _ = np.linalg.qr(rng.standard_normal((n_parts * dim, dim)) * scale[:, None])  # (P D, D), orthonormal
    axes, _ = np.linalg.qr(rng.standard_normal((dim, dim)))  # (D, D)
    factors = ((rows * np.sqrt(eigenvalues)) @ axes.T).reshape(n_parts, dim, dim)  # (P, D, D)
    curvature = factors.swapaxes(1, 2) @ factors  # (P, D, D)
    shared = rng.standard_normal(dim) / np.sqrt(dim)  # (D,)
    centre = shared + disagreement * rng.standard_normal((n_parts, dim)) / np.sqrt(dim)  # (P, D)
    hessian = curvature.sum(axis=0)  # (D, D)
    measured = np.linalg.eigvalsh(hessian)  # (D,), ascending
    optimum = np.linalg.solve(hessian, np.einsum("pde,pe->d", curvature, centre))  # (D,)
    offset = optimum - centre  # (P, D)
    regularity = Regularity(
        strong_convexity=float(measured[0]),
        smoothness=float(measured[-1]),
        optimum=optimum,
        optimal_loss=float(np.einsum("pd,pde,pe->", offset, curvature, offset) / 2),
    )
    return Quadratic(curvature, centre, regularity)
