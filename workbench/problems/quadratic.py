"""A quadratic loss whose spectrum is chosen."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.products import MOST_HESSIANS, by_hessians, part_mixer, part_mixing_cost
from workbench.problems.sizes import check_memory


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

    @property
    def part_sizes(self) -> IntArray:
        """One sample a part, shape (P,)."""
        return np.ones(self.n_parts, np.int64)

    def initial(self) -> FloatArray:
        """Start at the origin, shape (D,)."""
        return np.zeros(self.dim)

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        offset = x - self.centre[:, None, :]  # (P, R, D)
        return np.asarray(np.einsum("prd,prd->r", offset, offset @ self.curvature) / 2)

    def part_grads(self, x: FloatArray) -> FloatArray:
        """∇f_j = H_j(x − c_j) at iterates (R, D), shape (R, P, D)."""
        grads = np.empty((len(x), *self.centre.shape))
        np.matmul(x - self.centre[:, None, :], self.curvature, out=grads.swapaxes(0, 1))
        return grads

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D).

        They are H_w x − p_w with H_w = Σ_j encode[w, j] H_j: one product, where this takes fewer multiplications
        than the parts' gradients and their mixture.
        """
        n_workers, (n_parts, dim) = len(encode), self.centre.shape
        if n_workers * dim > n_parts * dim + part_mixing_cost(encode) or n_workers * dim**2 > MOST_HESSIANS:
            mix = part_mixer(encode, np.dtype(np.float64))

            def messages(x: FloatArray) -> FloatArray:
                out = np.empty((len(x), n_workers, dim))
                mix(self.part_grads(x), out)
                return out

            return messages
        hessians = (encode @ self.curvature.reshape(n_parts, -1)).reshape(n_workers, dim, dim)  # (W, D, D)
        pulls = encode @ np.einsum("pde,pe->pd", self.curvature, self.centre)  # (W, D)
        return by_hessians(hessians, pulls)

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        weighted = weights[..., None] * (x[:, None, :] - self.centre)  # (R, P, D)
        return np.asarray(weighted.reshape(len(x), -1) @ self.curvature.reshape(-1, self.dim))

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        grads = np.empty(x.shape)
        np.matmul((x - self.centre).swapaxes(0, 1), self.curvature, out=grads.swapaxes(0, 1))
        return grads

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_j at x[r, j], x (R, P, D) and the others (R, P, B), as x: a part is one sample."""
        return np.asarray(weights.sum(axis=2)[..., None] * self.local_grads(x))


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
    dim = dim if spectrum is None else len(spectrum)
    if n_parts < 1 or dim < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}: neither may be below 1")
    check_memory(n_parts * dim**2, f"n_parts = {n_parts} and dim = {dim}")
    eigenvalues = np.geomspace(1.0, 5.0, dim) if spectrum is None else np.asarray(spectrum, float)  # (D,)
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
