"""The loop over iterations against the same algorithms written worker by worker, and against its floor.

A floor is what no way of computing the same numbers can do without: the products with the data and the random
numbers, one after the other, in the same process.  All seconds are those of one run and iteration.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from case import Case, Target

from workbench.core.streams import RunStreams, stream
from workbench.core.types import FloatArray
from workbench.engine.loop import simulate
from workbench.engine.setup import build_delay, build_problem, build_scheme
from workbench.schemes.scheme import Scheme, Setting
from workbench.stragglers.responses import ROUNDS_AHEAD

OURS, LOOP, FLOOR = "the engine", "loop over runs and workers", "floor: products and draws"
TUNED_LOOP = "the loop, each worker tuned"
SEED = 7


@dataclass(frozen=True)
class Size:
    """How many runs and iterations a contender does."""

    runs: int
    iterations: int

    @property
    def work(self) -> int:
        """Run-iterations."""
        return self.runs * self.iterations


def ours(scheme: Scheme[Any], size: Size, chunk_runs: int | None = None) -> FloatArray:
    """Final losses, shape (R,)."""
    trajectory = simulate(
        scheme,
        n_iters=size.iterations,
        n_runs=size.runs,
        seed=SEED,
        checkpoints=[size.iterations],
        chunk_runs=chunk_runs,
        measure_gradients=False,
    )
    return trajectory.loss[:, -1]


def case(
    scheme: Scheme[Any],
    loop: Callable[[Size], FloatArray],
    floor: Callable[[Size], None],
    sizes: dict[str, Size],
    target: Target,
) -> Case:
    """Compare the engine with the plain loop, which must end at the same losses, and with the floor."""

    def agreement(answers: dict[str, Any]) -> str:
        plain = answers[LOOP]  # (R',)
        same = ours(scheme, sizes[LOOP])
        return f"the loop's losses differ relatively by {np.abs(plain / same - 1).max():.1e}"

    contenders = {
        OURS: partial(ours, scheme, sizes[OURS]),
        LOOP: partial(loop, sizes[LOOP]),
        FLOOR: partial(floor, sizes[FLOOR]),
    }
    return Case(contenders, agreement, target, {name: float(size.work) for name, size in sizes.items()})


# ---- 1-bit gradient coding -------------------------------------------------------------------------------

ONE_BIT = {"n_samples": 1000, "n_workers": 100, "dim": 100, "replication": 20, "straggle_prob": 0.1, "step": 1e-7}


def one_bit_scheme() -> Scheme[Any]:
    """1-bit GC-DL on the paper's linear regression: 1,000 samples, 100 workers, 100 dimensions."""
    problem = build_problem("least_squares", ONE_BIT["n_samples"], seed=0, generator="onebit_gc")
    delay = build_delay({"kind": "bernoulli", "straggle_prob": ONE_BIT["straggle_prob"]}, ONE_BIT["n_workers"])
    code = {"kind": "one_bit", "replication": ONE_BIT["replication"]}
    table = {"kind": "coded_sgd", "code": code, "deadline_s": 2.0, "step_size": ONE_BIT["step"]}
    return build_scheme(table, Setting(problem, delay), seed=0)


def one_bit_loop(scheme: Any, message: Callable[..., FloatArray], size: Size) -> FloatArray:
    """Every worker that is no straggler sends random signs and a norm of its message (eqs. 4, 6 to 8)."""
    problem, code = scheme.setting.problem, scheme.code
    rows, targets = problem.design[:, 0], problem.target[:, 0]  # (N, D), (N,): a part is a sample
    held = [np.flatnonzero(weights) for weights in code.encode_dense]
    weights = [code.encode_dense[w, own] for w, own in enumerate(held)]
    decode = code.decoder.decode
    say = message(rows, targets, held, weights)
    losses = []
    for run in range(size.runs):
        straggling, quantizing = (stream(SEED, name, run) for name in ("stragglers", "quantizer/one_bit"))
        x = problem.initial()
        for _ in range(size.iterations):
            uniform = straggling.random(len(held))
            estimate = np.zeros(x.size)
            for w in range(len(held)):
                # A straggler's too: nobody's noise depends on the others.
                words = quantizing.bit_generator.random_raw(x.size // 2).view(np.int32)  # (D,), D even
                if uniform[w] < 1 - ONE_BIT["straggle_prob"]:
                    said = say(w, x)
                    norm = np.linalg.norm(said)
                    positive = words < 2**31 * (said / norm)  # eq. 6
                    estimate += decode[w] * norm * np.where(positive, 1.0, -1.0)
            x = x - ONE_BIT["step"] * estimate
        losses.append(np.square(rows @ x - targets).sum() / 2)
    return np.array(losses)


def by_definition(rows: FloatArray, targets: FloatArray, held: list[Any], weights: list[FloatArray]) -> Any:
    """Eq. 5 as it stands: the gradients of the samples that the worker holds, and their weighted sum."""

    def message(w: int, x: FloatArray) -> FloatArray:
        own = rows[held[w]]  # (n, D)
        gradients = (own @ x - targets[held[w]])[:, None] * own  # (n, D)
        return weights[w] @ gradients

    return message


def by_hand(rows: FloatArray, targets: FloatArray, held: list[Any], weights: list[FloatArray]) -> Any:
    """Eq. 5 as fast as one worker alone can have it: its rows laid out before, and no gradient formed."""
    own = [rows[each] for each in held]
    own_targets = [targets[each] for each in held]
    return lambda w, x: own[w].T @ (weights[w] * (own[w] @ x - own_targets[w]))


def one_bit_floor(size: Size) -> None:
    """One product of all iterates with the workers' encoded Hessians, and 32 bits for each sent coordinate."""
    dim, width = ONE_BIT["dim"], ONE_BIT["n_workers"] * ONE_BIT["dim"]
    rng = np.random.default_rng(0)
    x, hessians = rng.standard_normal((size.runs, dim)), rng.standard_normal((dim, width))
    straggling, quantizing = RunStreams(0, "a", size.runs), RunStreams(0, "b", size.runs)
    for iteration in range(size.iterations):
        if iteration % ROUNDS_AHEAD == 0:
            straggling.random((size.runs, ROUNDS_AHEAD, ONE_BIT["n_workers"]))
        for _ in quantizing.words((size.runs, width)):
            pass
        x @ hessians


def one_bit() -> Case:
    """20 runs against one run of the loops."""
    scheme = one_bit_scheme()
    sizes = {OURS: Size(20, 300), LOOP: Size(1, 100), FLOOR: Size(20, 300)}
    target = Target(faster_than={LOOP: 40}, at_most={FLOOR: 1.5})
    found = case(scheme, partial(one_bit_loop, scheme, by_definition), one_bit_floor, sizes, target)
    found.contenders[TUNED_LOOP] = partial(one_bit_loop, scheme, by_hand, sizes[LOOP])
    found.work[TUNED_LOOP] = found.work[LOOP]
    return found


# ---- fastest-k -------------------------------------------------------------------------------------------

FASTEST = {"n_workers": 50, "n_samples": 2000, "dim": 100, "n_wait": 20, "step": 5e-4}


def fastest_scheme(key: str) -> Scheme[Any]:
    """Fastest-k SGD on the paper's linear regression: 50 workers, 2,000 samples, 100 dimensions."""
    problem = build_problem("least_squares", FASTEST["n_workers"], seed=0, generator="fastest_k")
    delay = build_delay({"kind": "exponential", "rate_per_s": 1.0}, FASTEST["n_workers"])
    waits = {
        "fastest_k": {"n_wait": FASTEST["n_wait"]},
        "fastest_k_adaptive": {"first_n_wait": 10, "most_n_wait": 40, "wait_step": 10, "threshold": 10, "burn_in": 200},
    }
    return build_scheme({"kind": key, "step_size": FASTEST["step"]} | waits[key], Setting(problem, delay), seed=0)


def fastest_loop(scheme: Any, size: Size) -> FloatArray:
    """Each worker's gradient of its own rows, then the mean of the k that came first (eq. 5)."""
    problem = scheme.setting.problem
    losses = []
    for run in range(size.runs):
        straggling = RunStreams(SEED, "stragglers", [run])
        x = problem.initial()
        for _ in range(size.iterations):
            times = -np.log1p(-straggling.random((1, FASTEST["n_workers"]))[0])
            estimate = np.zeros(x.size)
            for w in np.argsort(times)[: FASTEST["n_wait"]]:
                estimate += problem.design[w].T @ (problem.design[w] @ x - problem.target[w])
            x = x - FASTEST["step"] * FASTEST["n_workers"] / FASTEST["n_wait"] * estimate
        losses.append(problem.loss(x[None])[0])
    return np.array(losses)


def fastest_floor(size: Size) -> None:
    """All residuals, their product with the rows, and a uniform for each worker."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((size.runs, FASTEST["dim"]))
    rows = rng.standard_normal((FASTEST["n_samples"], FASTEST["dim"]))
    transposed = rows.T
    straggling = RunStreams(0, "a", size.runs)
    for iteration in range(size.iterations):
        if iteration % ROUNDS_AHEAD == 0:
            straggling.random((size.runs, ROUNDS_AHEAD, FASTEST["n_workers"]))
        (x @ transposed) @ rows


def fastest(key: str) -> Case:
    """20 runs of 6,000 iterations."""
    scheme = fastest_scheme(key)
    sizes = {OURS: Size(20, 6000), LOOP: Size(1, 300), FLOOR: Size(20, 6000)}
    if key == "fastest_k":
        return case(scheme, partial(fastest_loop, scheme), fastest_floor, sizes, Target(at_most={FLOOR: 1.5}))
    contenders = {OURS: partial(ours, scheme, sizes[OURS]), FLOOR: partial(fastest_floor, sizes[FLOOR])}
    work = {name: float(sizes[name].work) for name in contenders}
    return Case(contenders, lambda _: "its numbers are held by the tests", Target(at_most={FLOOR: 1.5}), work)


# ---- QuanTimed-DSGD --------------------------------------------------------------------------------------

QUANTIMED = {
    "n_workers": 50,
    "n_samples": 5000,
    "dim": 20,
    "deadline_s": 0.4,
    "bits": 8,
    "step": 0.05,
    "mixing_step": 0.5,
}


def quantimed_scheme() -> Scheme[Any]:
    """The paper's network and speeds, 50 workers with 100 samples each, on least squares of 20 dimensions."""
    problem = build_problem(
        "least_squares", QUANTIMED["n_workers"], seed=0, n_samples=QUANTIMED["n_samples"], dim=QUANTIMED["dim"]
    )
    delay = build_delay({"kind": "bounded_speed", "slowest": 10.0, "fastest": 90.0}, QUANTIMED["n_workers"])
    table = {
        "kind": "quantimed",
        "step_size": QUANTIMED["step"],
        "mixing_step": QUANTIMED["mixing_step"],
        "deadline_s": QUANTIMED["deadline_s"],
        "mixing": {"graph": "erdos_renyi", "edge_prob": 0.4},
        "quantizer": {"kind": "lattice", "bits": QUANTIMED["bits"], "half_range": 4.0},
    }
    return build_scheme(table, Setting(problem, delay), seed=0)


def quantimed_loop(scheme: Any, size: Size) -> FloatArray:
    """Algorithm 1, worker by worker: a batch until the deadline, the neighbours' rounded models, eq. 8."""
    problem, mixing = scheme.setting.problem, scheme.links.mixing
    n_workers, dim, per_part = QUANTIMED["n_workers"], QUANTIMED["dim"], problem.design.shape[1]
    neighbours = [np.flatnonzero(row) for row in mixing.between]
    scale = 2 * 4.0 / 2 ** QUANTIMED["bits"]
    lowest, highest = -(2 ** (QUANTIMED["bits"] - 1)), 2 ** (QUANTIMED["bits"] - 1) - 1
    losses = []
    for run in range(size.runs):
        names = ("stragglers", "batches", "quantizer/quantimed")
        straggling, choosing, rounding = (RunStreams(SEED, name, [run]) for name in names)
        x = np.tile(problem.initial(), (n_workers, 1))
        order = [np.arange(per_part) for _ in range(n_workers)]
        for _ in range(size.iterations):
            times = scheme.setting.delay.sample((1,), rng=straggling)[0]
            sizes = [min(int(QUANTIMED["deadline_s"] * (1 + 1e-12) / times[w]), per_part) for w in range(n_workers)]
            uniform = choosing.random((1, max(sizes), n_workers))[0]
            draws = rounding.random((1, n_workers, dim))[0]
            sent = np.empty_like(x)
            for w in range(n_workers):
                position = np.clip(x[w] / scale, lowest, highest)
                below = np.floor(position)
                sent[w] = scale * (below + (draws[w] < position - below))
            after = np.empty_like(x)
            for w in range(n_workers):
                for place in range(max(sizes)):
                    other = place + int(uniform[place, w] * (per_part - place))
                    order[w][place], order[w][other] = order[w][other], order[w][place]
                batch = order[w][: sizes[w]]
                rows = problem.design[w, batch]
                gradient = rows.T @ (rows @ x[w] - problem.target[w, batch])
                gradient *= n_workers * per_part / max(sizes[w], 1)
                heard = mixing.between[w, neighbours[w]] @ sent[neighbours[w]]
                epsilon = QUANTIMED["mixing_step"]
                after[w] = (1 - epsilon + epsilon * mixing.own[w]) * x[w] + epsilon * heard
                after[w] -= QUANTIMED["step"] * epsilon * gradient
            x = after
        losses.append(problem.loss(x.mean(axis=0)[None])[0])
    return np.array(losses)


def quantimed_floor(size: Size) -> None:
    """The products of the samples of a batch of the mean size, of the mixing weights, and the random numbers."""
    n_workers, dim, batch = QUANTIMED["n_workers"], QUANTIMED["dim"], 20
    rng = np.random.default_rng(0)
    x = rng.standard_normal((size.runs, n_workers, dim, 1))
    rows = rng.standard_normal((size.runs, n_workers, batch, dim))
    transposed, weights = np.swapaxes(rows, 2, 3), rng.standard_normal((n_workers, n_workers))
    streams = [RunStreams(0, name, size.runs) for name in "abc"]
    for iteration in range(size.iterations):
        if iteration % ROUNDS_AHEAD == 0:
            streams[0].random((size.runs, ROUNDS_AHEAD, n_workers))
        streams[1].random((size.runs, 36, n_workers))
        streams[2].random((size.runs, n_workers, dim))
        transposed @ (rows @ x)
        weights @ x[..., 0]


def quantimed() -> Case:
    """20 runs against one run of the loop."""
    scheme = quantimed_scheme()
    sizes = {OURS: Size(20, 200), LOOP: Size(1, 60), FLOOR: Size(20, 200)}
    return case(scheme, partial(quantimed_loop, scheme), quantimed_floor, sizes, Target(faster_than={LOOP: 20}))


# ---- runs and memory -------------------------------------------------------------------------------------


def linear_in_runs() -> Case:
    """Ten times the runs in ten times the time, in the memory of one chunk."""
    scheme, few, many = one_bit_scheme(), Size(20, 50), Size(200, 50)
    contenders = {"200 runs": partial(ours, scheme, many, 20), "20 runs": partial(ours, scheme, few, 20)}
    work = {"200 runs": float(many.work), "20 runs": float(few.work)}

    def agreement(answers: dict[str, Any]) -> str:
        return (
            f"the first 20 of 200 runs differ by {np.abs(answers['200 runs'][:20] / answers['20 runs'] - 1).max():.1e}"
        )

    return Case(contenders, agreement, Target(at_most={"20 runs": 1.1}), work)


def memory(runs: int) -> Case:
    """Peak memory of many runs in chunks of 20; compare the two cases."""
    scheme = one_bit_scheme()
    return Case({f"{runs} runs": partial(ours, scheme, Size(runs, 3), 20)}, lambda _: "in chunks of 20", Target())


CASES: dict[str, Callable[[], Case]] = {
    "engine-one-bit": one_bit,
    "engine-fastest-k": partial(fastest, "fastest_k"),
    "engine-fastest-k-adaptive": partial(fastest, "fastest_k_adaptive"),
    "engine-quantimed": quantimed,
    "engine-linear-in-runs": linear_in_runs,
    "engine-memory-20": partial(memory, 20),
    "engine-memory-2000": partial(memory, 2000),
}
