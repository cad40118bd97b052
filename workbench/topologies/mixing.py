"""Mixing matrices: with what weights a worker averages its own model and its neighbours'."""

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.core.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import networkx as nx

Family = str | dict[str, Any]  # of graphs: its name, or a table with it as `kind`

ROUNDING = 1e-12  # times the workers: what rounding leaves of a zero


@dataclass(frozen=True)
class Certificate:
    """What a mixing matrix W keeps of Assumption 1 of quantimed, measured; empty `violations`: all of it.

    asymmetry, row_sum_error : max |w_ij − w_ji| and max |Σ_j w_ij − 1|
    least_weight : min w_ij, asked to be at least 0
    second_eigenvalue : λ_2 < 1 iff null(I − W) = span(1)
    smallest_eigenvalue : λ_W > −1, which the paper says follows: W = [[0, 1], [1, 0]] shows that it does not
    """

    asymmetry: float
    row_sum_error: float
    least_weight: float
    second_eigenvalue: float
    smallest_eigenvalue: float
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is violated."""
        return not self.violations


@dataclass(frozen=True, eq=False)
class Mixing:
    """A symmetric matrix whose rows sum to one: averaging with it keeps the mean over the workers.

    The graph is where the weights beside the diagonal are not 0. The matrix may violate the rest of Assumption 1 of
    quantimed; `certificate` says so.

    weights : w_ij, shape (W, W)
    """

    weights: FloatArray

    def __post_init__(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
            raise InputError(f"mixing weights of shape {shape}: give a square matrix for two or more workers")
        if not np.isfinite(self.weights).all():
            raise InputError("mixing weights must be finite: some are not")
        for worker, (off, skew) in enumerate(zip(self._row_sum_error, self._asymmetry, strict=True)):
            if off > self._rounding:
                total = self.weights[worker].sum()
                raise InputError(f"mixing weights of worker {worker} sum to {total}: they must sum to 1")
            if skew > self._rounding:
                raise InputError(f"mixing weights to and from worker {worker} differ by {skew:.3g}: make them equal")

    @property
    def _rounding(self) -> float:
        return ROUNDING * len(self.weights)

    @property
    def _row_sum_error(self) -> FloatArray:
        return np.asarray(np.abs(self.weights.sum(axis=1) - 1))  # (W,)

    @property
    def _asymmetry(self) -> FloatArray:
        return np.asarray(np.abs(self.weights - self.weights.T).max(axis=1))  # (W,)

    @property
    def n_workers(self) -> int:
        """W."""
        return len(self.weights)

    @cached_property
    def own(self) -> FloatArray:
        """Weight w_ii of each worker's own model, shape (W,)."""
        return np.diag(self.weights).copy()

    @cached_property
    def between(self) -> FloatArray:
        """Weights of the others' models: the matrix with zeros on its diagonal, shape (W, W)."""
        return self.weights - np.diag(self.own)

    @cached_property
    def adjacency(self) -> BoolArray:
        """Whether two workers talk to each other, shape (W, W)."""
        return np.asarray(self.between != 0)

    @cached_property
    def degree(self) -> IntArray:
        """Number of neighbours of each worker, shape (W,)."""
        return np.asarray(self.adjacency.sum(axis=1))

    @cached_property
    def eigenvalues(self) -> FloatArray:
        """λ_1 >= λ_2 >= ... >= λ_W, shape (W,)."""
        return np.asarray(np.linalg.eigvalsh(self.weights)[::-1], np.float64)

    @property
    def second_eigenvalue(self) -> float:
        """λ_2."""
        return float(self.eigenvalues[1])

    @property
    def smallest_eigenvalue(self) -> float:
        """λ_W."""
        return float(self.eigenvalues[-1])

    @property
    def mixing_rate(self) -> float:
        """β = max(|λ_2|, |λ_W|), by which one averaging shrinks any disagreement at least [quantimed, section 4]."""
        return max(abs(self.second_eigenvalue), abs(self.smallest_eigenvalue))

    @property
    def spectral_gap(self) -> float:
        """1 − β."""
        return 1 - self.mixing_rate

    @cached_property
    def certificate(self) -> Certificate:
        """Look at Assumption 1 of quantimed, one condition after the other."""
        least = float(self.weights.min())
        found = {
            "null(I − W) is more than span(1)": self.second_eigenvalue > 1 - self._rounding,
            "an eigenvalue exceeds 1": float(self.eigenvalues[0]) > 1 + self._rounding,
            "the smallest eigenvalue is not above −1": self.smallest_eigenvalue < -1 + self._rounding,
            "a weight is negative": least < -self._rounding,
        }
        return Certificate(
            float(self._asymmetry.max()),
            float(self._row_sum_error.max()),
            least,
            self.second_eigenvalue,
            self.smallest_eigenvalue,
            tuple(what for what, violated in found.items() if violated),
        )


def laplacian(graph: "nx.Graph[int]", *, divisor: float | None = None, relative_divisor: float | None = None) -> Mixing:
    r"""Return W = I − L/κ, L the graph's Laplacian [quantimed, section 5].

    With κ > λ_max/2, the paper's condition, averaging contracts: λ_W > −1. But some w_ii = 1 − degree/κ is negative,
    against Assumption 1, where κ is below the largest degree, as λ_max/2 is on every graph that is not regular and
    bipartite. The paper may have run it so: it is accepted, and the certificate tells.

    Parameters
    ----------
    divisor : κ; by default the largest degree + 1, which keeps Assumption 1 on every graph
    relative_divisor : instead, κ/λ_max(L)

    Raises
    ------
    InputError : an unconnected graph, both divisors, or κ <= λ_max(L)/2
    """
    _check_connected(graph)
    joined = _adjacency(graph)  # (W, W)
    degree = joined.sum(axis=1)  # (W,)
    matrix = np.diag(degree) - joined
    largest = float(np.linalg.eigvalsh(matrix)[-1])
    if divisor is not None and relative_divisor is not None:
        raise InputError(f"divisor = {divisor} and relative_divisor = {relative_divisor}: give one of them")
    kappa = degree.max() + 1 if divisor is None else divisor
    if relative_divisor is not None:
        kappa = relative_divisor * largest
    if not largest / 2 * (1 + ROUNDING) < kappa < np.inf:
        raise InputError(
            f"I − L/{kappa:.6g} does not average: take more than half the largest eigenvalue, {largest / 2:.6g}"
        )
    return Mixing(np.eye(len(joined)) - matrix / kappa)


def metropolis(graph: "nx.Graph[int]") -> Mixing:
    """Return w_ij = 1/(1 + max(degree_i, degree_j)) between neighbours: nobody needs to know more than theirs.

    Raises
    ------
    InputError : an unconnected graph
    """
    _check_connected(graph)
    joined = _adjacency(graph)  # (W, W)
    degree = joined.sum(axis=1)  # (W,)
    between = joined / (1 + np.maximum.outer(degree, degree))
    return Mixing(between + np.diag(1 - between.sum(axis=1)))


def lazy(mixing: Mixing, *, laziness: float = 0.5) -> Mixing:
    """Return laziness·I + (1 − laziness)·W; with 1/2 no eigenvalue is negative.

    Raises
    ------
    InputError : a laziness outside [0, 1)
    """
    if not 0 <= laziness < 1:
        raise InputError(f"laziness is {laziness}: it must be at least 0 and below 1")
    return Mixing(laziness * np.eye(mixing.n_workers) + (1 - laziness) * mixing.weights)


def build(
    n_workers: int,
    *,
    graph: Family = "erdos_renyi",
    weights: Literal["laplacian", "metropolis"] = "laplacian",
    divisor: float | None = None,
    relative_divisor: float | None = None,
    laziness: float = 0.0,
    edge_prob: float | None = None,
    degree: int | None = None,
    n_rows: int | None = None,
    seed: int = 0,
) -> Mixing:
    """Draw a graph of the catalogue and weigh its edges.

    Parameters
    ----------
    graph : a family's name; or a table with it as `kind`, and further parameters of an added family
    weights, divisor, relative_divisor, laziness : as in `laplacian`, `metropolis` and `lazy`
    edge_prob, degree, n_rows : of the families that have them; their own defaults where left out
    seed : fixes a random graph, whatever the noise of the simulation

    Raises
    ------
    InputError : fewer than two workers, an unknown family, parameters that it or the weights do not take
    """
    if n_workers < 2:
        raise InputError(f"{n_workers} workers: a network needs two or more")
    further = {"edge_prob": edge_prob, "degree": degree, "n_rows": n_rows}
    drawn = draw(n_workers, graph, {name: value for name, value in further.items() if value is not None}, seed=seed)
    if weights == "laplacian":
        chosen = laplacian(drawn, divisor=divisor, relative_divisor=relative_divisor)
    elif divisor is None and relative_divisor is None:
        chosen = metropolis(drawn)
    else:
        raise InputError(f"weights = '{weights}' have no divisor: leave it out, or take 'laplacian'")
    return lazy(chosen, laziness=laziness) if laziness else chosen


def draw(n_workers: int, family: Family, parameters: dict[str, Any], *, seed: int) -> "nx.Graph[int]":
    """Draw a graph of a family, a name or a table with its `kind`, with its own stream of the seed."""
    table = {"kind": family} if isinstance(family, str) else dict(family)
    kind = table.pop("kind", None)
    if not isinstance(kind, str):
        raise InputError("a graph needs 'kind', the name of its family")
    module = catalogue.pick("graph", catalogue.topologies(), kind)
    taken = inspect.signature(module.graph).parameters.keys() - {"n_workers", "rng"}
    given = parameters | table
    for name in given.keys() - taken:
        raise InputError(f"graph '{kind}' has no '{name}': it takes {', '.join(sorted(taken)) or 'nothing'}")
    drawn: nx.Graph[int] = module.graph(n_workers, **given, rng=stream(seed, f"topology/{kind}"))
    return drawn


def _adjacency(graph: "nx.Graph[int]") -> FloatArray:
    """Adjacency matrix, workers in the order of their numbers, shape (W, W)."""
    joined = np.zeros((len(graph), len(graph)))
    for one, other in graph.edges():
        joined[one, other] = joined[other, one] = 1.0
    return joined


def _check_connected(graph: "nx.Graph[int]") -> None:
    import networkx as nx

    if not nx.is_connected(graph):
        n_pieces = nx.number_connected_components(graph)
        raise InputError(f"the graph falls into {n_pieces} pieces, which never agree: give a connected one")
