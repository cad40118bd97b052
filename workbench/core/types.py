"""The types at the seams. Axes, always in this order: R runs, W workers, P parts, D dimensions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
WordArray = npt.NDArray[np.int32]

VarianceConstant = Literal["tight", "paper", "qsgd"]


class UniformSource(Protocol):
    """What samplers need of a generator: `numpy.random.Generator` and `RunStreams` both have it."""

    def random(self, size: tuple[int, ...], /) -> FloatArray:
        """Uniform draws on [0, 1), shape `size`."""
        ...


class WordSource(UniformSource, Protocol):
    """What quantizers need of a generator: `RunStreams` has it."""

    def words(self, size: tuple[int, ...], /) -> Iterator[WordArray]:
        """Uniform integers of 32 bits, from −2³¹ to 2³¹ − 1, size[0] runs of shape size[1:] one after the other.

        Each costs half a uniform draw. Take all of them before anything else is drawn.
        """
        ...


class DelayModel(Protocol):
    """Response-time laws of W workers, independent of each other."""

    @property
    def n_workers(self) -> int:
        """W."""
        ...

    def sample(self, shape: tuple[int, ...], *, rng: UniformSource) -> FloatArray:
        """Response times in seconds, shape (*shape, W); infinite where the worker never answers."""
        ...

    def straggle_prob(self, deadline_s: float) -> FloatArray:
        """P(response time > deadline), shape (W,)."""
        ...


@runtime_checkable
class SequentialDelayModel(DelayModel, Protocol):
    """A delay model whose rounds depend on each other, as those of a recorded log do."""

    def rounds(self, n_runs: int, *, rng: UniformSource) -> Iterator[FloatArray]:
        """Response times of one round after the other, without end, shape (R, W) each."""
        ...


class Quantizer(Protocol):
    """A map, random or not, biased or not, of W workers' messages to few bits a coordinate."""

    @property
    def is_unbiased(self) -> bool:
        """Whether E Q(v) = v for every v of a worker that is not idle."""
        ...

    @property
    def bits_per_coordinate(self) -> IntArray:
        """Bits a coordinate of each worker, shape (W,); 0 for a worker that sends nothing."""
        ...

    def __call__(self, v: FloatArray, *, rng: WordSource) -> FloatArray:
        """Quantize messages (R, W, D), each vector on the last axis."""
        ...

    def mean(self, v: FloatArray) -> FloatArray:
        """E Q(v) exactly for given messages (..., W, D), same shape; 0 for idle workers."""
        ...

    def variance(self, v: FloatArray) -> FloatArray:
        """E‖Q(v) − E Q(v)‖² exactly for given messages (..., W, D), shape (..., W)."""
        ...

    def variance_factor(self, dim: int) -> FloatArray:
        """Constant ω with E‖Q(v) − v‖² ≤ ω‖v‖² for every v, shape (W,); infinite where there is none."""
        ...

    def mean_variance_factor(self, dim: int) -> FloatArray:
        """E‖Q(v) − v‖²/‖v‖² for v uniform on a sphere, exactly, shape (W,); NaN where its radius matters."""
        ...

    def message_bits(self, dim: int) -> IntArray:
        """Bits of one whole message, scales and indices included, shape (W,)."""
        ...

    def with_bits(self, bits: IntArray) -> "Quantizer":
        """Return the same quantizer for other workers, bits (W,)."""
        ...


@runtime_checkable
class SummingQuantizer(Protocol):
    """A quantizer that adds up what the workers send, weighted, without writing down their messages."""

    def weighted_sums(self, v: FloatArray, weights: FloatArray, *, rng: WordSource) -> FloatArray:
        """Σ_i weights[r, k, i] Q(v[r, i]) for messages (R, W, D) and weights (R, K, W), shape (R, K, D)."""
        ...


@dataclass(frozen=True)
class Regularity:
    """Constants of a loss F; None means not claimed. Smoothness in the ½ form."""

    strong_convexity: float | None = None
    smoothness: float | None = None
    grad_bound_sq: float | None = None
    grad_var: float | None = None
    optimum: FloatArray | None = None  # (D,)
    optimal_loss: float | None = None


Encoder = Callable[[FloatArray], FloatArray]  # iterates (R, D) -> messages (R, W, D)


class Problem(Protocol):
    """A loss F = Σ_j f_j over P parts, f_j a sum over the part's samples, evaluated for R iterates at once."""

    name: str
    regularity: Regularity

    @property
    def n_parts(self) -> int:
        """P."""
        ...

    @property
    def dim(self) -> int:
        """D."""
        ...

    @property
    def part_sizes(self) -> IntArray:
        """Samples of each part, shape (P,); 1 where a part has no samples to draw from."""
        ...

    def initial(self) -> FloatArray:
        """The common starting point, shape (D,)."""
        ...

    def loss(self, x: FloatArray) -> FloatArray:
        """F at iterates (R, D), shape (R,)."""
        ...

    def part_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at iterates (R, D), shape (R, P, D)."""
        ...

    def encoder(self, encode: FloatArray) -> Encoder:
        """Prepare messages Σ_j encode[w, j] ∇f_j(x) for encode (W, P): iterates (R, D) -> (R, W, D).

        What depends on `encode` alone is done once, here.
        """
        ...

    def weighted_grad(self, x: FloatArray, weights: FloatArray) -> FloatArray:
        """Σ_j weights[r, j] ∇f_j(x_r) at iterates (R, D) with weights (R, P), shape (R, D)."""
        ...

    def local_grads(self, x: FloatArray) -> FloatArray:
        """Gradient of every part at an iterate of its own, x (R, P, D), shape (R, P, D)."""
        ...

    def sample_grads(self, x: FloatArray, batch: IntArray, weights: FloatArray) -> FloatArray:
        """Σ_b weights[r, j, b] ∇f_{j, batch[r, j, b]} at x[r, j], shape (R, P, D).

        Parameters
        ----------
        x : an iterate for each part, shape (R, P, D)
        batch : samples, counted within their part, shape (R, P, B)
        weights : of the samples, 0 where there is none, shape (R, P, B)
        """
        ...


@runtime_checkable
class Measuring(Protocol):
    """A problem that measures more of an iterate than its loss, for instance the accuracy on samples held out."""

    def measures(self, x: FloatArray) -> Mapping[str, FloatArray]:
        """What is measured at iterates (R, D), by name, shape (R,) each; a trajectory has ∞ where a run diverged."""
        ...


@dataclass(frozen=True)
class Trajectory:
    """What R runs did, at T + 1 checkpoints. Every array is (R, T+1) unless it says otherwise."""

    iterations: IntArray  # (T+1,)
    loss: FloatArray
    error_sq: FloatArray  # ‖x − x*‖², NaN where the optimum is not known
    grad_sq: FloatArray  # ‖∇F(x)‖², NaN where it is not measured
    part_grad_sq: FloatArray  # max_j ‖∇f_j(x)‖², likewise
    seconds: FloatArray  # simulated wall-clock time
    bits_up: FloatArray  # bits that workers sent and that were heard
    bits_down: FloatArray  # bits that the master sent
    measures: Mapping[str, FloatArray] = field(default_factory=dict)  # what scheme and problem measure besides
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def diverged(self) -> BoolArray:
        """Runs whose loss stopped being finite, shape (R,)."""
        return np.asarray(~np.isfinite(self.loss).all(axis=1))


class MomentKind(StrEnum):
    """How a moment was obtained."""

    EXACT = "exact"
    BOUND = "bound"
    SAMPLED = "sampled"
