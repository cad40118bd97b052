"""The coupled Rosenbrock function, its terms dealt to parts [onebit_gc, eq. 30]."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workbench.core.streams import stream
from workbench.core.types import FloatArray, IntArray, Regularity
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

    def initial(self) -> FloatArray:
        """The random common starting point, shape (D,)."""
        return self.start

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        return np.asarray((100 * np.square(x[:, 1:] - x[:, :-1] ** 2) + np.square(1 - x[:, :-1])).sum(axis=1))

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        return self.encoded_grads(x, np.eye(self.n_parts))

    def encoded_grads(self, x: FloatArray, encode: FloatArray) -> FloatArray:
        """Messages Σ_j encode[w, j] ∇f_j(x), iterates (R, D) and encode (W, P), shape (R, W, D).

        Term i moves the coordinates i and i + 1 alone.
        """
        of_term = np.repeat(encode, np.diff(self.starts), axis=1)  # (W, N)
        rise = 200 * (x[:, 1:] - x[:, :-1] ** 2)  # (R, N), derivative in x_{i+1}
        messages = np.zeros((len(x), len(encode), self.dim))  # (R, W, D)
        messages[..., :-1] = of_term * (-2 * x[:, :-1] * rise - 2 * (1 - x[:, :-1]))[:, None]
        messages[..., 1:] += of_term * rise[:, None]
        return messages


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
