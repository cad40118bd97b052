"""What every scheme of the catalogue keeps to, those of other packages included."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from workbench.core import blocks, catalogue
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, Trajectory
from workbench.engine.loop import simulate
from workbench.engine.setup import build_delay, build_problem, build_scheme
from workbench.schemes.scheme import Noise, Scheme, Setting

N_WORKERS = 5
EXPONENTIAL = {"kind": "exponential", "rate_per_s": 2.0}
ONE_BIT = {"kind": "one_bit", "replication": 2}
TOPK = {"kind": "stochastic", "replication": 2, "quantizer": {"kind": "top_k"}}
MIXING = {"graph": "ring", "weights": "metropolis"}
LATTICE = {"kind": "lattice", "bits": 8}

# What each scheme is built with beside its step size; several variants where its parameters change its ways.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "coded_sgd": [
        {"code": ONE_BIT, "deadline_s": 1.0},
        {"code": {"kind": "optimal_decoding", "replication": 2}, "deadline_s": 0.7},
        {"code": "neighbours"},
    ],
    "coded_adam": [{"code": ONE_BIT, "deadline_s": 1.0}, {"code": ONE_BIT, "deadline_s": 1.0, "emphasis": 0.5}],
    "coded_error_feedback": [
        {"code": TOPK, "deadline_s": 1.0},
        {"code": TOPK, "deadline_s": 1.0, "acknowledged": False, "weights": "own"},
    ],
    "sgd": [{"batch_size": 2}, {"batch_size": 3, "quantizer": {"kind": "stochastic_levels", "bits": 3}}],
    "compskip": [
        {"batch_size": 2},
        {"momentum": 0.0, "message_weight": 0.01, "worker_skip_prob": 0.0, "deadline_s": 1.0},
    ],
    "sign_sgd": [{}, {"deadline_s": 1.0}],
    "drop_sign_sgd": [{}],
    "compskip_repaired": [{"batch_size": 2}, {"keep_prob": 0.5, "server_keep_prob": 0.7}],
    "fastest_k": [{"n_wait": 2}],
    "fastest_k_adaptive": [{"most_n_wait": 4, "threshold": 1, "burn_in": 2}, {"growth": "double", "first_n_wait": 2}],
    "fastest_k_scheduled": [{"grad_var": 1.0, "policy": policy} for policy in ("theorem_1", "envelope")],
    "quantimed": [{"mixing": MIXING, "mixing_step": 0.5, "deadline_s": 2.0, "quantizer": LATTICE}],
    "q_dsgd": [{"mixing": MIXING, "mixing_step": 0.5, "batch_size": 3, "quantizer": LATTICE}],
    "dsgd": [{"mixing": MIXING, "batch_size": 3}],
    "asynchronous_dsgd": [
        {"mixing": MIXING, "batch_size": 3, "send": "overlapped"},
        {"mixing": MIXING, "batch_size": 3, "send": "blocking"},
    ],
}


BOUND_DRIVEN = ("fastest_k_scheduled",)  # its bound says nothing of steps that diverge


def variants(key: str) -> list[dict[str, Any]]:
    return VARIANTS.get(key, [{}])


EVERY = pytest.mark.parametrize(
    ("key", "variant"), [(key, number) for key in catalogue.schemes() for number in range(len(variants(key)))]
)


@cache
def problem() -> Any:
    return build_problem("least_squares", N_WORKERS, seed=1, dim=6, n_samples=40)


def build(key: str, variant: int = 0, *, delay: dict[str, Any] = EXPONENTIAL, step_size: Any = 0.01) -> Scheme[Any]:
    setting = Setting(problem(), build_delay(delay, N_WORKERS), 1e-4)
    table = {"kind": key, "step_size": step_size} | variants(key)[variant]
    return build_scheme(table, setting, seed=3)


def run(scheme: Scheme[Any], **options: Any) -> Trajectory:
    settings = {"n_iters": 9, "n_runs": 4, "seed": 11, "checkpoints": [0, 1, 4, 9]} | options
    return simulate(scheme, **settings)


def everything(trajectory: Trajectory) -> dict[str, FloatArray]:
    names = ("loss", "error_sq", "grad_sq", "part_grad_sq", "seconds", "bits_up", "bits_down")
    return {name: getattr(trajectory, name) for name in names} | dict(trajectory.measures)


@EVERY
def test_states_have_the_runs_first_and_steps_change_nothing_in_place(key: str, variant: int) -> None:
    scheme = build(key, variant)
    noise = Noise(scheme.setting.delay, 1, range(3))
    state = scheme.init(3)
    for iteration in (1, 2, 3):
        kept = [field.copy() for field in state]
        after, cost = scheme.step(state, iteration, noise)
        assert type(after) is type(state)
        for before, field in zip(kept, state, strict=True):
            np.testing.assert_array_equal(before, field)
        for field in (*after, *cost):
            assert len(field) == 3
        for spent in cost:
            assert spent.shape == (3,)
            assert np.all(np.isfinite(spent) & (spent >= 0))
        state = after
    assert scheme.iterate(state).shape == (3, problem().dim)
    assert all(values.shape == (3,) for values in scheme.measures(state).values())
    assert scheme.floats_a_run >= problem().dim
    assert scheme.name


@EVERY
def test_the_seed_fixes_every_byte_and_runs_differ(key: str, variant: int) -> None:
    first, again, other = run(build(key, variant)), run(build(key, variant)), run(build(key, variant), seed=12)
    for name, values in everything(first).items():
        np.testing.assert_array_equal(values, everything(again)[name])
    noisy = [name for name in ("loss", "seconds") if len(np.unique(getattr(first, name)[:, -1])) > 1]
    assert noisy  # a deadline may fix the time, waiting for all the loss
    for name in noisy:
        assert len(np.unique(getattr(first, name)[:, -1])) == 4
        assert not np.array_equal(getattr(first, name), getattr(other, name))


@EVERY
@pytest.mark.parametrize("chunk_runs", [1, 3])
def test_the_chunk_changes_no_draw_and_no_value(key: str, variant: int, chunk_runs: int) -> None:
    whole, chunked = (run(build(key, variant), chunk_runs=size) for size in (4, chunk_runs))
    for name in ("seconds", "bits_up", "bits_down"):  # who straggles and who is heard
        np.testing.assert_allclose(getattr(chunked, name), getattr(whole, name), rtol=1e-13)
    for name, values in everything(whole).items():
        np.testing.assert_allclose(everything(chunked)[name], values, rtol=1e-9, atol=1e-12)


@EVERY
def test_blocks_of_messages_change_no_draw_and_no_value(key: str, variant: int, monkeypatch: Any) -> None:
    """Cut into some runs, one run, or some workers of a run."""
    scheme, dim = build(key, variant), problem().dim
    whole = everything(run(scheme))
    for coordinates in (1, 2 * dim, 3 * N_WORKERS * dim):
        monkeypatch.setattr(blocks, "BLOCK", coordinates)
        for name, values in everything(run(scheme)).items():
            np.testing.assert_allclose(values, whole[name], rtol=1e-9, atol=1e-12)


@EVERY
def test_rows_of_one_run_share_its_noise(key: str, variant: int) -> None:
    once, twice = run(build(key, variant)), run(build(key, variant), n_repeats=2)
    for name, values in everything(once).items():
        repeated = everything(twice)[name]
        for half in (repeated[:4], repeated[4:]):
            np.testing.assert_allclose(half, values, rtol=1e-9, atol=1e-12)


@EVERY
def test_divergence_is_reported_and_nothing_is_averaged_into_it(key: str, variant: int) -> None:
    if key in BOUND_DRIVEN:
        with pytest.raises(InputError, match="step"):
            run(build(key, variant, step_size=1e150))
        return
    trajectory = run(build(key, variant, step_size=1e150), n_iters=60, checkpoints=[0, 60])
    for values in everything(trajectory).values():
        assert not np.isnan(values).any()
    assert np.all(np.isfinite(trajectory.loss[:, 0]))
    lost = trajectory.diverged
    assert np.all(np.isposinf(trajectory.loss[lost, -1]))
    assert np.all(np.isfinite(trajectory.loss[~lost, -1]))
    assert lost.all() or np.all(np.abs(trajectory.loss[~lost, -1]) > 1e100)


@EVERY
@pytest.mark.parametrize("kind", ["bernoulli", "pareto", "replay"])
def test_workers_that_never_answer_heavy_tails_and_logs_are_survived(key: str, variant: int, kind: str) -> None:
    delay = {"bernoulli": {"straggle_prob": 0.4}, "pareto": {"shape": 0.7}, "replay": {}}[kind]
    trajectory = run(build(key, variant, delay={"kind": kind} | delay))
    assert not np.isnan(trajectory.loss).any()
    assert np.all(trajectory.seconds[:, 1:] >= trajectory.seconds[:, :-1])  # infinite where somebody is waited for
    assert not np.isnan(trajectory.bits_up).any()


@EVERY
def test_a_scheme_travels_to_another_process(key: str, variant: int) -> None:
    scheme = build(key, variant)
    again = cloudpickle.loads(cloudpickle.dumps(scheme))  # as joblib and Dask send it
    np.testing.assert_array_equal(run(again).loss, run(scheme).loss)


@EVERY
def test_small_steps_descend(key: str, variant: int) -> None:
    """From the start, where the gradient is large, the mean loss falls within 300 small steps."""
    trajectory = run(build(key, variant, step_size=0.002), n_iters=300, n_runs=8, checkpoints=[0, 300])
    assert trajectory.loss[:, 1].mean() < trajectory.loss[:, 0].mean()


# ---- what every scheme must be when nothing is lost, and that none is forgotten ---------------------------

STEP = 0.05


@cache
def one_design() -> Any:
    """Parts of one curvature with unlike targets: gradients at unlike models add up to the one at their mean."""
    return replace(problem(), design=np.broadcast_to(problem().design[:1], problem().design.shape).copy())


@cache
def one_coordinate() -> Any:
    """A scaled sign of a single number is the number."""
    return build_problem("least_squares", N_WORKERS, seed=1, dim=1, n_samples=40)


ALL_SAMPLES = 8  # of a part
DROWNED = {"beta1": 0.0, "epsilon": 1e15, "step_size": 1e15 * STEP}  # Adam's scale is ε, whatever the gradients
NEVER_SKIPS = {"worker_skip_prob": 0.0, "server_skip_prob": 0.0}
STAR = {"graph": "star", "weights": "metropolis"}  # workers of unlike weights
HALF_MIXED = {"mixing": STAR, "mixing_step": 0.5, "step_size": 2 * STEP}  # a step of αε
CODED: dict[str, dict[str, Any]] = {"coded_sgd": {}, "coded_error_feedback": {}, "coded_adam": DROWNED}
# Parameters with which a scheme is gradient descent, and on which problem. Workers' models stay unlike under any
# doubly stochastic mixing; their mean takes the gradient's steps where the parts' curvatures are alike.
GRADIENT_DESCENT: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "wait_for_all": ({}, problem),
    "adam": (DROWNED, problem),
    "sgd": ({"batch_size": ALL_SAMPLES}, problem),
    "fastest_k": ({"n_wait": N_WORKERS}, problem),
    "fastest_k_adaptive": ({"first_n_wait": N_WORKERS}, problem),
    "fastest_k_scheduled": ({"policy": "theorem_1", "grad_var": 1.0}, problem),  # all answer at once: waits for all
    "compskip_repaired": (NEVER_SKIPS, one_coordinate),
    "dsgd": ({"mixing": STAR}, one_design),
    "q_dsgd": (HALF_MIXED, one_design),
    "quantimed": (HALF_MIXED | {"deadline_s": float(ALL_SAMPLES)}, one_design),  # at a second a sample
    "asynchronous_dsgd, overlapped": ({"mixing": STAR, "send": "overlapped"}, one_design),
    "asynchronous_dsgd, blocking": ({"mixing": STAR, "send": "blocking"}, one_design),
}
# Never gradient descent: a sign keeps no magnitude.
ALL_SIGNS = {"keep_prob": 1.0, "server_keep_prob": 1.0}
SIGNS: dict[str, dict[str, Any]] = {"sign_sgd": {}, "drop_sign_sgd": ALL_SIGNS, "compskip": ALL_SIGNS | NEVER_SKIPS}
RANDOM_COPIES = ("bernoulli",)  # never gradient descent either: d_j copies of part j, but the mean of r in the weights


def lossless(key: str, table: dict[str, Any], on: Any) -> Scheme[Any]:
    """Build a scheme in a world where all workers take a second for all they do, and messages a little."""
    setting = Setting(on, build_delay({"kind": "bernoulli", "straggle_prob": 0.0}, N_WORKERS), 1e-4)
    return build_scheme({"kind": key, "step_size": STEP} | table, setting, seed=0)


def check_descent(scheme: Scheme[Any], shares: FloatArray) -> None:
    """Compare ten losses of two runs with those along Σ_j shares_j ∇f_j."""
    on = scheme.setting.problem
    x, losses = on.initial(), []
    for _ in range(10):
        losses.append(on.loss(x[None])[0])
        x = x - STEP * shares @ on.part_grads(x[None])[0]
    trajectory = simulate(scheme, n_iters=9, n_runs=2, seed=0, checkpoints=range(10))
    np.testing.assert_allclose(trajectory.loss, np.tile(losses, (2, 1)), rtol=1e-11)


@pytest.mark.parametrize("case", GRADIENT_DESCENT)
def test_nobody_straggling_and_nothing_quantized_is_gradient_descent(case: str) -> None:
    table, on = GRADIENT_DESCENT[case]
    scheme = lossless(case.split(",")[0], table, on())
    check_descent(scheme, np.ones(N_WORKERS))
    if on is one_design:
        after = simulate(scheme, n_iters=9, n_runs=1, seed=0, checkpoints=[9])
        assert after.measures["consensus_sq"] > 1e-4


@pytest.mark.parametrize("family", catalogue.codes())
@pytest.mark.parametrize("key", CODED)
def test_every_code_of_which_nothing_is_lost_is_gradient_descent(key: str, family: str) -> None:
    """But one that divides d_j random copies by their mean r, and steps along Σ_j (d_j/r) ∇f_j.

    Error feedback solves for the weights instead, which come as near to the sum as those holdings allow.
    """
    scheme: Any = lossless(
        key, CODED[key] | {"code": {"kind": family, "quantizer": "identity", "replication": 2}}, problem()
    )
    shares = np.ones(N_WORKERS)
    if family in RANDOM_COPIES:
        holds = (scheme.code.encode_dense != 0).astype(float)  # (W, P)
        shares = holds.sum(axis=0) / 2
        if key == "coded_error_feedback":
            shares = np.linalg.lstsq(holds.T, np.ones(N_WORKERS))[0] @ holds
        assert np.abs(shares - 1).max() > 0.1
    check_descent(scheme, shares)


@pytest.mark.parametrize("key", SIGNS)
def test_all_signs_heard_move_every_coordinate_by_the_majority(key: str) -> None:
    """From the start x − η sign Σ_j sign ∇f_j, where gradient descent takes x − η Σ_j ∇f_j."""
    scheme = lossless(key, SIGNS[key], problem())
    start, grads = scheme.init(2), problem().part_grads(problem().initial()[None])[0]
    after, _ = scheme.step(start, 1, Noise(scheme.setting.delay, 0, range(2)))
    majority = np.sign(np.sign(grads).sum(axis=0))
    assert np.all(majority != 0)
    np.testing.assert_allclose(scheme.iterate(start) - scheme.iterate(after), np.tile(STEP * majority, (2, 1)))


@pytest.mark.exact_moments("wait_for_all", "adam")
@pytest.mark.parametrize("key", ["wait_for_all", "adam"])
def test_where_all_are_waited_for_only_the_time_is_random(key: str) -> None:
    """Of 50 steps the mean is the gradient's step, or its signs' as it is Adam's first, and the variance 0."""
    scheme = build(key)
    start, gradient = scheme.init(50), problem().part_grads(problem().initial()[None])[0].sum(axis=0)
    after, cost = scheme.step(start, 1, Noise(scheme.setting.delay, 1, range(50)))
    moved = gradient if key == "wait_for_all" else gradient / (np.abs(gradient) + 1e-8)
    np.testing.assert_allclose(
        scheme.iterate(start) - scheme.iterate(after), np.tile(0.01 * moved, (50, 1)), rtol=1e-11
    )
    assert len(np.unique(cost.seconds)) == 50


def test_no_scheme_is_without_exact_moments_and_its_case_of_gradient_descent() -> None:
    """Those of other packages are tested where they come from."""
    own = {key for key, module in catalogue.schemes().items() if module.__name__.startswith("workbench.")}
    marked = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        if "mark.exact_moments" in path.read_text():
            for name, test in vars(import_module(f"tests.{path.stem}")).items():
                marks = getattr(test, "pytestmark", []) if name.startswith("test_") else []
                marked |= {case for mark in marks if mark.name == "exact_moments" for case in mark.args}
    for cases in (marked, {*GRADIENT_DESCENT, *CODED, *SIGNS}):
        assert {case.split(",")[0] for case in cases} == own
