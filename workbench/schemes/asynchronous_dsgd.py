"""Asynchronous decentralized SGD: nobody waits, everyone mixes what has arrived so far [quantimed, section 5]."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from workbench.core.types import BoolArray, FloatArray, IntArray
from workbench.quantizers.identity import FLOAT_BITS
from workbench.schemes.batches import Batch, Order
from workbench.schemes.decentralized_round import (
    FixedBatch,
    Links,
    LocalGradients,
    Plan,
    check_step,
    consensus_sq,
)
from workbench.schemes.scheme import Cost, Noise, Setting
from workbench.schemes.step_sizes import StepSize, column
from workbench.topologies.mixing import Mixing


class State(NamedTuple):
    """Where every run is. A sender's links are alike, so that its newest arrived model is one for all neighbours."""

    x: FloatArray  # (R, W, D)  the workers' models
    arrived: FloatArray  # (R, W, D)  of each sender, the newest model that its neighbours have
    travelling: FloatArray  # (R, W, D)  the one on its links
    arrives_s: FloatArray  # (R, W)  when that arrives; infinite: nothing travels
    waiting: BoolArray  # (R, W)  a newer model waits until the links are free
    done_s: FloatArray  # (R, W)  when the worker's running computation is done
    clock_s: FloatArray  # (R,)
    order: Order  # (R, samples of the largest part, W)  of mini-batches


class Events(NamedTuple):
    """W completed computations of every run, in the order of time."""

    workers: IntArray  # (W, R)  whose
    times: FloatArray  # (W, R)
    counts: IntArray  # (R, W)  how many of each worker's are among them


@dataclass(frozen=True)
class AsynchronousDsgd:
    r"""A worker updates its model whenever its gradient is done, with the newest neighbours' models that have arrived.

    .. math:: x_i \leftarrow w_{ii} x_i + \sum_{j \in N_i} w_{ij} x_j^{arrived} - \alpha \tilde\nabla f_i(x_i)

    Nobody but i changes x_i: the model at which the gradient was begun is still the one that is updated. Then i sends
    its new model to its neighbours, and begins the next gradient at it: once the model has arrived ("blocking"), or at
    once ("overlapped"). A link carries one message at a time; where the next is done before, the newest goes as soon
    as the link is free, and those between are never sent. A step is W completed computations of a run, whosever they
    are. A computation that never ends stops its worker for good; a run in which all have stopped stands still.
    """

    name: str
    setting: Setting
    step_size: StepSize
    links: Links
    local: LocalGradients
    send: Literal["overlapped", "blocking"]

    def __post_init__(self) -> None:
        check_step(1.0, self.links.mixing)

    @property
    def floats_a_run(self) -> int:
        """One vector a worker, what each event reads: W events after one another ask for many runs at once."""
        return self.setting.n_workers * self.setting.problem.dim

    def init(self, n_runs: int) -> State:
        """Start all workers at the problem's starting point, which everyone knows of everyone."""
        shape = (n_runs, self.setting.n_workers)
        x = np.tile(self.setting.problem.initial(), (*shape, 1))  # (R, W, D)
        idle, begun = np.full(shape, np.inf), np.zeros(shape)
        return State(x, x, x, idle, np.zeros(shape, bool), begun, np.zeros(n_runs), self.local.first_order(n_runs))

    def step(self, state: State, iteration: int, noise: Noise) -> tuple[State, Cost]:
        """Complete W computations of every run; the first ones begin in iteration 1.

        When they end depends on no model, so that comes first, then all batches, then the models in turn,
        mixed for all events between two arrivals at once.
        """
        done_s, events = self._events(state.done_s, iteration, noise)
        order, batches = self._batches(state.order, events.counts, noise)
        models, gradients = _Models(self.links, state), _Gradients(self.local, events.counts, batches, state.x.shape)
        step_size = column(self.step_size, iteration, noise.rows)  # (R, 1)
        begin = 0
        while begin < len(events.times):
            models.deliver(events.times[begin])
            before = events.times < models.quiet_until(events.times[begin])  # (W, R), and times rise
            end = max(begin + 1, int(before.all(axis=1).sum()))
            mixed = models.mixed(events.workers[begin:end])  # (R, events, D)
            for event in range(begin, end):
                worker = events.workers[event]  # (R,)
                gradient = gradients.of(worker, models.x)
                models.update(worker, events.times[event], mixed[:, event - begin] - step_size * gradient)
            begin = end
        clock_s = events.times[-1]  # (R,)
        moves = np.isfinite(state.clock_s)  # (R,)
        seconds = np.subtract(clock_s, state.clock_s, out=np.zeros(len(clock_s)), where=moves)
        return models.state(done_s, clock_s, order), Cost(seconds, models.bits, np.zeros(len(clock_s)))

    @cached_property
    def _work(self) -> Plan:
        """Samples of everyone's gradient, and the response times that it takes, shape (1, W) each."""
        return self.local.plan(np.ones((1, self.setting.n_workers)))

    def _events(self, done_s: FloatArray, iteration: int, noise: Noise) -> tuple[FloatArray, Events]:
        """Find the next W ends of computations, given those of the running ones (R, W), and begin the next ones."""
        n_runs, n_workers = done_s.shape
        runs, done_s = np.arange(n_runs), done_s.copy()
        work, pause = self._work.seconds[0], self.links.message_s * (self.send == "blocking")  # (W,)
        if iteration == 1:
            for worker in range(n_workers):
                done_s[:, worker] = work[worker] * noise.responses.next_of(np.full(n_runs, worker))
        workers, times = np.empty((n_workers, n_runs), np.int64), np.empty((n_workers, n_runs))
        counts = np.zeros((n_runs, n_workers), np.int64)
        for event in range(n_workers):
            worker = done_s.argmin(axis=1)  # (R,)
            time_s = done_s[runs, worker]  # (R,)
            workers[event], times[event] = worker, time_s
            counts[runs, worker] += 1
            done_s[runs, worker] = time_s + pause[worker] + work[worker] * noise.responses.next_of(worker)
        return done_s, Events(workers, times, counts)

    def _batches(self, order: Order, counts: IntArray, noise: Noise) -> tuple[Order, list[Batch]]:
        """Draw batches for each worker's first computation that ends in this step, then for the second ones, ...

        A run draws the same whatever the runs beside it do. For whole parts there is nothing to draw.
        """
        drawn = []
        for turn in range(int(counts.max())):
            order, batch = self.local.draw(order, np.where(counts > turn, self._work.sizes, 0), noise)
            if batch is not None:
                drawn.append(batch)
        return order, drawn

    def iterate(self, state: State) -> FloatArray:
        """Mean of the workers' models, shape (R, D)."""
        return np.asarray(state.x.mean(axis=1))

    def measures(self, state: State) -> Mapping[str, FloatArray]:
        """How far the workers' models are apart."""
        return {"consensus_sq": consensus_sq(state.x)}


class _Models:
    """Everyone's models and messages while a step goes on."""

    def __init__(self, links: Links, state: State) -> None:
        self.x, self.bits = state.x.copy(), np.zeros(len(state.x))
        self._arrived, self._travelling = state.arrived.copy(), state.travelling.copy()
        self._arrives_s, self._waiting = state.arrives_s.copy(), state.waiting.copy()
        self._links = links

    def deliver(self, time_s: FloatArray) -> None:
        """Let arrive what has arrived by time_s (R,), and send what waited for that."""
        while True:
            run, sender = np.nonzero((self._arrives_s <= time_s[:, None]) & (self._arrives_s < np.inf))
            if not run.size:
                return
            at_s, goes = self._arrives_s[run, sender], self._waiting[run, sender]
            self._arrived[run, sender] = self._travelling[run, sender]
            self._arrives_s[run, sender], self._waiting[run, sender] = np.inf, False
            self._send(run[goes], sender[goes], at_s[goes])

    def quiet_until(self, time_s: FloatArray) -> FloatArray:
        """Return until when nothing arrives, what may be sent from time_s (R,) on included, shape (R,)."""
        return np.asarray(np.minimum(self._arrives_s.min(axis=1), time_s + self._links.message_s.min()))

    def mixed(self, workers: IntArray) -> FloatArray:
        """Mix what has arrived as some workers (events, R) of each run do, shape (R, events, D)."""
        return np.asarray(self._links.mixing.between[workers.T] @ self._arrived)

    def update(self, worker: IntArray, time_s: FloatArray, change: FloatArray) -> None:
        """Add a change (R, D) to what one worker (R,) of each run that goes on keeps, and send its model if it can."""
        run = np.flatnonzero(time_s < np.inf)
        worker = worker[run]
        self.x[run, worker] = self._links.mixing.own[worker][:, None] * self.x[run, worker] + change[run]
        free = self._arrives_s[run, worker] == np.inf
        self._waiting[run, worker] = ~free
        self._send(run[free], worker[free], time_s[run[free]])

    def _send(self, run: IntArray, sender: IntArray, at_s: FloatArray) -> None:
        """Put the models of some senders on their links, all (messages,)."""
        self._travelling[run, sender] = self.x[run, sender]
        self._arrives_s[run, sender] = at_s + self._links.message_s[sender]
        self.bits += np.bincount(run, self._links.sent_bits[sender], len(self.bits))

    def state(self, done_s: FloatArray, clock_s: FloatArray, order: Order) -> State:
        """Return where every run is after the step."""
        messages = (self._arrived, self._travelling, self._arrives_s, self._waiting)
        return State(self.x, *messages, done_s, clock_s, order)


class _Gradients:
    """The gradients of a step's computations, found for many workers at a time.

    A gradient depends on its worker's own model alone, so it can be had as soon as that is updated.
    """

    def __init__(self, local: LocalGradients, counts: IntArray, drawn: list[Batch], shape: tuple[int, ...]) -> None:
        self._local, self._counts = local, counts
        self._drawn = Batch(*(np.stack(each) for each in zip(*drawn, strict=True))) if drawn else None
        self._turn, self._known = np.zeros_like(counts), np.zeros(counts.shape, bool)  # (R, W)
        self._gradient = np.empty(shape)  # (R, W, D)
        self._runs = np.arange(len(counts))

    def of(self, worker: IntArray, x: FloatArray) -> FloatArray:
        """Return the gradients of one worker (R,) in each run at its model, x (R, W, D), shape (R, D)."""
        if not self._known[self._runs, worker].all():
            self._find(x)
        self._known[self._runs, worker] = False
        self._turn[self._runs, worker] += 1
        return self._gradient[self._runs, worker]

    def _find(self, x: FloatArray) -> None:
        """Find all gradients that are still wanted and can be had, packed to as few rows of all workers as will do."""
        wanted = ~self._known & (self._turn < self._counts)  # (R, W)
        worker, run = np.nonzero(wanted.T)
        n_each = wanted.sum(axis=0)  # (W,)
        row = np.arange(len(worker)) - np.repeat(np.cumsum(n_each) - n_each, n_each)
        shape = (n_each.max(), len(n_each))
        models = np.zeros((*shape, x.shape[2]))  # (rows, W, D)
        models[row, worker] = x[run, worker]
        batch = None
        if self._drawn is not None:
            n_samples = self._drawn.samples.shape[3]
            batch = Batch(np.zeros((*shape, n_samples), np.int64), np.zeros((*shape, n_samples)))
            for packed, drawn in zip(batch, self._drawn, strict=True):
                packed[row, worker] = drawn[self._turn[run, worker], run, worker]
        self._gradient[run, worker] = self._local.at(models, batch)[row, worker]
        self._known |= wanted


def build(
    setting: Setting,
    *,
    step_size: StepSize,
    mixing: Mixing,
    send: Literal["overlapped", "blocking"] = "overlapped",
    batch_size: int | None = None,
    timed_samples: int = 1,
    float_bits: int = FLOAT_BITS,
) -> AsynchronousDsgd:
    """Step and mix whenever a worker's gradient is done, with unquantized models as they have arrived.

    Parameters
    ----------
    step_size : α_t in the t-th W updates
    send : whether a worker computes while its model travels ("overlapped") or only then ("blocking"); quantimed does
        not say, and it decides how fast this is
    batch_size : samples of a gradient; None: the worker's whole part
    timed_samples : samples behind one response time
    float_bits : of a coordinate; quantimed has 16

    Raises
    ------
    InputError : parameters out of range, other numbers of parts and workers
    """
    links = Links(setting, mixing, float_bits=float_bits)
    local = LocalGradients(setting.problem, FixedBatch(batch_size), timed_samples)
    return AsynchronousDsgd("asynchronous_dsgd", setting, step_size, links, local, send)
