"""The coupled Rosenbrock function, its terms dealt to parts [onebit_gc, eq. 30]."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.core.streams import stream
from workbench.core.types import Encoder, FloatArray, IntArray, Regularity
from workbench.problems.products import of_samples, run_chunks
from workbench.problems.samples import part_starts


@dataclass(frozen=True)
class Rosenbrock:
    r"""The loss F(x) = Σ_i 100 (x_{i+1} − x_i²)² + (1 − x_i)² over N terms, cut into P parts in a row; D = N + 1.

    It is neither convex nor smooth on all of space, and its gradients are unbounded: no constant is claimed but
    its only zero, at x = 1.

    starts : first term of each part, and N, shape (P+1,)
    start : the common starting point, shape (D,)
    """

    name: ClassVar[str] = "rosenbrock"
    starts: IntArray
    start: FloatArray
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        """D."""
        return len(self.start)

    @property
    def part_sizes(self) -> IntArray:
        """Terms of each part, shape (P,)."""
        return np.diff(self.starts)

    def initial(self) -> FloatArray:
        """The random common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        return np.asarray((100 * np.square(x[:, 1:] - x[:, :-1] ** 2) + np.square(1 - x[:, :-1])).sum(axis=1))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        return self._placed(*_slopes(x[:, :-1], x[:, 1:]))

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D)."""
        of_term = of_samples(encode, self.starts)  # (W, N)

        def messages(x: FloatArray) -> FloatArray:
            lower, upper = _slopes(x[:, None, :-1], x[:, None, 1:])  # (R, 1, N) each
            out = np.zeros((len(x), len(of_term), self.dim))  # (R, W, D)
            for runs in run_chunks(len(x), of_term.size):
                np.multiply(of_term, lower[runs], out=out[runs, :, :-1])
                out[runs, :, 1:] += of_term * upper[runs]
            return out

        return messages

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        of_term = of_samples(weights, self.starts)  # (R, N)
        lower, upper = _slopes(x[:, :-1], x[:, 1:])  # (R, N) each
        grad = np.zeros(x.shape)
        grad[:, :-1] = of_term * lower
        grad[:, 1:] += of_term * upper
        return grad

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        term = np.arange(self.dim - 1)  # (N,)
        return self._placed(*_slopes(x[:, self._owner, term], x[:, self._owner, term + 1]))

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_{j, batch[r, j, b]} at x[r, j], x (R, P, D) and the others (R, P, B), as x."""
        term = self.starts[:-1, None] + batch  # (R, P, B)
        lower, upper = _slopes(np.take_along_axis(x, term, axis=2), np.take_along_axis(x, term + 1, axis=2))
        row = np.arange(len(x) * self.n_parts).reshape(len(x), -1, 1)  # (R, P, 1)
        grads = np.zeros((row.size, self.dim))
        np.add.at(grads, (row, term), weights * lower)
        np.add.at(grads, (row, term + 1), weights * upper)
        return grads.reshape(x.shape)

    @property
    def _owner(self) -> IntArray:
        """Part of each term, shape (N,)."""
        return np.repeat(np.arange(self.n_parts), self.part_sizes)

    def _placed(self, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Put the terms' derivatives (R, N) in x_i and x_{i+1} into the gradients of their parts (R, P, D)."""
        term = np.arange(self.dim - 1)  # (N,)
        grads = np.zeros((len(lower), self.n_parts, self.dim))
        grads[:, self._owner, term] = lower
        grads[:, self._owner, term + 1] += upper
        return grads


def _slopes(here: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the terms in x_i and in x_{i+1}, of the same shape as these."""
    rise = 200 * (after - here**2)
    return -2 * here * rise - 2 * (1 - here), rise


def build(n_parts: int, *, seed: int, n_samples: int | None = None) -> Rosenbrock:
    """Cut the terms into parts and draw the start, normal with variance 1 a coordinate.

    Parameters
    ----------
    n_parts : P
    n_samples : N, the number of terms, at least P; by default the paper's 1000, or P if that is more

    Raises
    ------
    InputError : fewer terms than parts
    """
    starts = part_starts(max(1000, n_parts) if n_samples is None else n_samples, n_parts)
    dim = int(starts[-1]) + 1
    start = stream(seed, "problem/rosenbrock").standard_normal(dim)  # (D,)
    return Rosenbrock(starts, start, Regularity(optimum=np.ones(dim), optimal_loss=0.0))
