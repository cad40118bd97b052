"""Least squares on synthetic data: with a spectrum that is set exactly, or drawn as in two of the papers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.linear_scores import LinearScores, Samples
from workbench.problems.products import MOST_HESSIANS, Affine, by_hessians, mixing_cost
from workbench.problems.samples import Floats
from workbench.problems.sizes import check_memory

Generator = Literal["spectrum", "onebit_gc", "fastest_k"]


@dataclass(frozen=True)
class LeastSquares:
    r"""The loss F(x) = Σ_j f_j(x), f_j(x) = ½‖A_j x − b_j‖², every part with the same number of rows N/P.

    design : A_j, shape (P, N/P, D)
    target : b_j, shape (P, N/P)
    start : the common starting point, shape (D,)
    """

    name: ClassVar[str] = "least_squares"
    design: FloatArray
    target: FloatArray
    start: FloatArray
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.design)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.design.shape[2])

    @property
    def part_sizes(self) -> IntArray:
        """Samples of each part, shape (P,)."""
        return np.full(self.n_parts, self.design.shape[1])

    def initial(self) -> FloatArray:
        """The common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        residuals = self._all_residuals(x)  # (R, N)
        return np.asarray(np.einsum("rn,rn->r", residuals, residuals) / 2)

    def part_grads(self, x: FloatArray) -> FloatArray:
        """∇f_j = A_jᵀ(A_j x − b_j) at iterates (R, D), shape (R, P, D)."""
        return self._linear.part_grads(x)

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D).

        They are H_w x − p_w with H_w = Σ_j encode[w, j] A_jᵀA_j: one product, where this takes fewer
        multiplications than one with the samples and another with their residuals.
        """
        by_samples = len(self._rows) + min(mixing_cost(encode, self._starts))
        n_workers, dim = len(encode), self.dim
        if n_workers * dim > by_samples or n_workers * dim**2 > MOST_HESSIANS:
            return self._linear.encoder(encode)
        hessians, pulls = np.empty((n_workers, dim, dim)), np.empty((n_workers, dim))  # H (W, D, D), p (W, D)
        for worker, weights in enumerate(encode):
            held = np.flatnonzero(weights)
            rows = self.design[held].reshape(-1, dim)  # (held, D)
            weighted = (weights[held, None, None] * self.design[held]).reshape(-1, dim)
            hessians[worker] = weighted.T @ rows
            pulls[worker] = self.target[held].ravel() @ weighted
        return by_hessians(hessians, pulls)

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        residuals = self._all_residuals(x)  # (R, N)
        by_part = residuals.reshape(len(x), self.n_parts, -1)  # (R, P, N/P), a view
        by_part *= weights[..., None]
        return residuals @ self._rows

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        return self._linear.local_grads(x)

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_{j, batch[r, j, b]} at x[r, j], x (R, P, D) and the others (R, P, B), as x."""
        return self._linear.sample_grads(x, batch, weights)

    @property
    def _rows(self) -> FloatArray:
        """All samples, shape (N, D)."""
        return self.design.reshape(-1, self.dim)

    @property
    def _starts(self) -> IntArray:
        """First sample of each part, and N, shape (P+1,)."""
        return np.asarray(np.arange(self.n_parts + 1) * self.design.shape[1])

    @property
    def _linear(self) -> LinearScores:
        return LinearScores(self._rows, self._starts, 1, self._residuals)

    @cached_property
    def _all_residuals(self) -> Affine:
        """A x − b at iterates (R, D), shape (R, N), with a copy of the samples."""
        return Affine(self._rows.T, self.target.ravel())

    def _residuals(self, scores: Floats, samples: Samples) -> Floats:
        """A x − b of some samples (..., M), scores (..., 1, M) and result alike."""
        scores -= self.target.ravel()[samples][..., None, :]
        return scores


def build(
    n_parts: int,
    *,
    seed: int,
    n_samples: int | None = None,
    dim: int = 100,
    generator: Generator = "spectrum",
    condition: float | None = None,
    disagreement: float | None = None,
    noise: float | None = None,
    average: bool | None = None,
) -> LeastSquares:
    """Draw a problem with one of the generators of this module; None stands for the generator's own default.

    Parameters
    ----------
    n_parts : P
    n_samples : N
    condition, disagreement, noise : of the generator "spectrum"
    average : of the papers' generators, "onebit_gc" and "fastest_k"

    Raises
    ------
    InputError : an unknown generator, a parameter of another one, sizes that do not fit together
    """
    if generator not in GENERATORS:
        raise InputError(f"generator '{generator}': choose one of {', '.join(GENERATORS)}")
    draw, names = GENERATORS[generator]
    options = {"condition": condition, "disagreement": disagreement, "noise": noise, "average": average}
    for name, value in options.items():
        if value is not None and name not in names:
            raise InputError(f"{name} = {value}: the generator '{generator}' has none, leave it out or choose another")
    options["n_samples"] = n_samples
    return draw(n_parts, seed=seed, dim=dim, **{name: value for name, value in options.items() if value is not None})


def spectrum(
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
    _check_sizes(n_parts, dim, n_samples)
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
    return _measured(parts, target, np.zeros(dim))


def onebit_gc(n_parts: int, *, seed: int, dim: int = 100, n_samples: int = 1000, average: bool = False) -> LeastSquares:
    """Draw the linear regression of [onebit_gc, Section V-A], start included.

    Features are normal with variance 100, the true weights and the noise of the labels with variance 1 (27); so
    is the start. The paper's (28) has the true weights where the iterate is meant.

    Parameters
    ----------
    n_parts : P, a divisor of N; the paper's parts are single samples
    average : divide the loss by N; the paper's is the sum (28)

    Raises
    ------
    InputError : sizes that do not fit together
    """
    _check_sizes(n_parts, dim, n_samples)
    rng = stream(seed, "problem/least_squares/onebit_gc")
    features = 10 * rng.standard_normal((n_samples, dim))  # (N, D)
    labels = features @ rng.standard_normal(dim) + rng.standard_normal(n_samples)  # eq. 27, (N,)
    return _regression(n_parts, features, labels, rng.standard_normal(dim), average=average)


def fastest_k(n_parts: int, *, seed: int, dim: int = 100, n_samples: int = 2000, average: bool = True) -> LeastSquares:
    """Draw the linear regression of [fastest_k, Section V-A]; the start is the origin.

    Features are uniform on {1, ..., 10}, the true weights on {1, ..., 100}, the labels normal around their
    product with variance 1.

    Parameters
    ----------
    n_parts : P, a divisor of N; the paper has one for each of 50 workers
    average : divide the loss by N. The paper prints the sum, for which its step 0.0005 is about 1500 times too
        large: the features' mean alone makes λ_max about 30 D N. For the mean, the step is about 1.5/λ_max

    Raises
    ------
    InputError : sizes that do not fit together
    """
    _check_sizes(n_parts, dim, n_samples)
    rng = stream(seed, "problem/least_squares/fastest_k")
    features = rng.integers(1, 10, (n_samples, dim), endpoint=True).astype(float)  # (N, D)
    weights = rng.integers(1, 100, dim, endpoint=True)  # (D,)
    labels = features @ weights + rng.standard_normal(n_samples)  # (N,)
    return _regression(n_parts, features, labels, np.zeros(dim), average=average)


GENERATORS: dict[str, tuple[Callable[..., LeastSquares], tuple[str, ...]]] = {  # and the options of their own
    "spectrum": (spectrum, ("condition", "disagreement", "noise")),
    "onebit_gc": (onebit_gc, ("average",)),
    "fastest_k": (fastest_k, ("average",)),
}


def _check_sizes(n_parts: int, dim: int, n_samples: int) -> None:
    """Refuse parts that cannot be of one size, and samples too few for an optimum, or too many to hold."""
    if n_parts < 1 or dim < 1:
        raise InputError(f"n_parts = {n_parts}, dim = {dim}: neither may be below 1")
    if n_samples % n_parts or n_samples < dim:
        raise InputError(f"n_samples = {n_samples}: give a multiple of {n_parts} parts, at least dim = {dim}")
    check_memory(n_samples * dim, f"n_samples = {n_samples} and dim = {dim}")


def _regression(
    n_parts: int, features: FloatArray, labels: FloatArray, start: FloatArray, *, average: bool
) -> LeastSquares:
    """Cut samples (N, D) with labels (N,) into parts, for the sum or the mean of their losses."""
    share = 1 / np.sqrt(len(labels)) if average else 1.0
    design = (share * features).reshape(n_parts, -1, features.shape[1])  # (P, N/P, D)
    return _measured(design, (share * labels).reshape(n_parts, -1), start)


def _measured(parts: FloatArray, target: FloatArray, start: FloatArray) -> LeastSquares:
    """Measure the constants of the loss on parts (P, N/P, D) with targets (P, N/P)."""
    design = parts.reshape(-1, parts.shape[2])  # (N, D)
    optimum = np.asarray(np.linalg.lstsq(design, target.ravel(), rcond=None)[0])  # (D,)
    measured = np.linalg.eigvalsh(design.T @ design)  # (D,), ascending
    regularity = Regularity(
        strong_convexity=float(measured[0]),
        smoothness=float(measured[-1]),
        optimum=optimum,
        optimal_loss=float(np.square(design @ optimum - target.ravel()).sum() / 2),
    )
    return LeastSquares(parts, target, start, regularity)
