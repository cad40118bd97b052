"""Figures of compskip: pure data, findings that can come out either way, and training against plain loops."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from figures.claims import Finding, Outcome
from figures.compskip import draw, fig2, fig3, setting, table2
from figures.compskip.setting import (
    DROP_SIGN_SGD,
    OWN,
    REFERENCE,
    REPAIRED,
    SAME,
    VARIANTS,
    WITHOUT_SKIPS,
    Method,
    Training,
    compskip,
    trained,
)
from figures.quantities import arrays
from figures.work import Work
from workbench.core.types import FloatArray, Trajectory
from workbench.engine.loop import simulate
from workbench.engine.setup import build_scheme
from workbench.engine.store import Store
from workbench.problems import one_hidden_layer
from workbench.problems.one_hidden_layer import OneHiddenLayer
from workbench.schemes.scheme import Setting
from workbench.stragglers.delays.bernoulli import Bernoulli

FALSE_ALARM = 1e-6  # of each statistical test; the seeds are fixed
TINY: Mapping[str, Any] = {
    "dataset": "mnist",
    "n_samples": 896,
    "n_held_out": 150,
    "n_hidden": 3,
    "epochs": 4,
    "n_points": 4,
    "n_runs": 3,
    "n_pilots": 2,
    "first_steps": (0.1,),
}
SKIPS: Mapping[str, Any] = {"server_skips": (0.1, 0.5), "worker_skips": (0.3, 0.6)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def data(store: Path) -> dict[str, dict[str, np.ndarray]]:
    """The numbers of every figure, with simulations in common."""
    work = Work(Store(store))
    made = {
        "fig2": fig2.fig2_data(seed=1, work=work, error_steps=(0.01, 0.04), beyond=(0.2,), training=TINY),
        "fig3": fig3.fig3_data(seed=1, work=work, **SKIPS, training=TINY),
        "table2": table2.table2_data(seed=1, work=work, server_skips=(0.1, 0.4), training=TINY),
    }
    return {name: arrays(each) for name, each in made.items()}


def test_the_same_seed_gives_the_same_numbers(data, tmp_path):
    again, other = (
        arrays(table2.table2_data(seed=seed, work=Work(Store(tmp_path / f"{seed}")), server_skips=skips, training=TINY))
        for seed, skips in ((1, (0.1, 0.4)), (2, (0.1,)))
    )
    assert again.keys() == data["table2"].keys()
    for name, values in again.items():
        np.testing.assert_array_equal(values, data["table2"][name])
    assert not np.array_equal(other["drop_end_runs"], again["drop_end_runs"])


def test_figures_agree_where_they_show_the_same_runs(data):
    """The setting of the paper's Fig. 2 is a value of both panels of Fig. 3 and a row of Table 2."""
    reference = data["fig2"]["end_runs"][:, 0]  # (variants, R)
    for name, figure in (("server_end_runs", "fig3"), ("worker_end_runs", "fig3"), ("end_runs", "table2")):
        np.testing.assert_array_equal(data[figure][name][:, 0], reference)
    np.testing.assert_array_equal(reference[0], reference[1])  # its own best step is the one for all
    np.testing.assert_array_equal(data["table2"]["drop_end_runs"][:, 0], data["fig3"]["other_end_runs"][:, 1])


def test_bands_hold_the_means_and_curves_end_where_the_runs_do(data):
    fig_2, fig_3 = data["fig2"], data["fig3"]
    assert fig_2["beyond_end_runs"].shape == (2, 1, 3)
    assert fig_2["epoch"].tolist() == [0, 1, 4]
    assert fig_2["accuracy"].shape == (2, 2, 3)
    np.testing.assert_allclose(fig_2["accuracy"][:, :, -1], fig_2["end"])
    np.testing.assert_allclose(fig_2["end"], fig_2["end_runs"].mean(axis=2))
    np.testing.assert_allclose(fig_3["by_server"][:, -1], fig_3["server_end"][0])
    for name in ("accuracy", "end"):
        assert np.all((fig_2[f"{name}_low"] <= fig_2[name]) & (fig_2[name] <= fig_2[f"{name}_high"]))
    assert np.all((fig_2["end_runs"] >= 0) & (fig_2["end_runs"] <= 100))
    assert np.all(fig_2["mean_runs"] <= 100)
    assert fig_3["worker_loss_runs"].shape == (2, 2, 3)


def test_gigabytes_are_those_printed_where_the_server_keeps_as_much_as_the_workers(data):
    table = data["table2"]
    np.testing.assert_array_equal(table["saved_gb"][0].round(), table["printed_gb"])
    assert table["printed_gb"].tolist() == [328, 574]
    assert table["saved_up_gb"].round() == 246
    assert (table["saved_gb"][0, 0] - table["saved_up_gb"]).round() == 82
    everything = 122_310 * 7 * 25_557_032 / 8e9  # GB of one bit a coordinate, worker and round
    np.testing.assert_allclose(np.diff(table["saved_gb"][1:]), 0.3 * 0.5 * everything)
    np.testing.assert_allclose(table["saved_gb"][2] - table["saved_gb"][1], -0.2 * everything)


def test_the_simulation_sends_the_share_that_the_gigabytes_count_on(data):
    table, rounds = data["table2"], 4 * TINY["n_runs"]
    for sent, prob, messages in (
        (table["sent_up"], [0.7, 0.7], 7 * rounds),
        (table["sent_down"], [0.9, 0.6], rounds),
    ):
        counts = np.round(sent * messages).astype(int)
        np.testing.assert_allclose(counts, sent * messages)
        for count, chance in zip(counts, prob, strict=True):
            assert stats.binomtest(int(count), messages, chance).pvalue > FALSE_ALARM


def test_every_figure_is_drawn_from_its_numbers(data):
    for name, panels in (("fig2", 4), ("fig3", 4), ("table2", 1)):
        figure = getattr(draw, f"{name}_draw")(data[name])
        assert len(figure.axes) == panels
        assert any("Fashion-MNIST" in text.get_text() for text in figure.texts)


# ---- steps tuned alike -----------------------------------------------------------------------------------


class Planted:
    """Work whose runs end at an accuracy that is a function of seed, table and step."""

    def __init__(self, accuracy: Callable[[int, Mapping[str, Any], float], float]) -> None:
        self.accuracy, self.seen = accuracy, []

    def run(self, document: Mapping[str, Any]) -> dict[str, Trajectory]:
        found = {}
        for scheme in document["scheme"]:
            for step in scheme["grid"]["step_size.first"]:
                self.seen.append((document["seed"], scheme["name"], step))
                shape = (document["runs"], len(document["checkpoints"]))
                share = np.full(shape, self.accuracy(document["seed"], scheme, step))
                zero = np.zeros(shape)
                found[f"{scheme['name']} {step}"] = Trajectory(
                    np.array(document["checkpoints"]), zero, zero, zero, zero, zero, zero, zero, {"accuracy": share}
                )
        return found


def test_each_method_takes_the_step_whose_pilots_end_best():
    """And the reference's step for all; a run that diverged is worth nothing, and its accuracy is infinite."""

    def accuracy(seed: int, scheme: Mapping[str, Any], step: float) -> float:
        if seed == 4:  # what the final runs would choose must not matter
            return step / 100
        if scheme["kind"] == "compskip_repaired":
            return np.inf if step > 0.2 * REPAIRED.unit else step / 10
        return {REFERENCE.name: 0.1 - abs(step - 0.1), "dropSignSGD": step}.get(scheme["name"], 1 - step)

    work = Planted(accuracy)
    training = Training(**{**TINY, "first_steps": (0.03, 0.1, 0.3)})
    reference, drop, skipping, repaired = trained(
        [REFERENCE, DROP_SIGN_SGD, WITHOUT_SKIPS, REPAIRED], training, seed=4, work=work
    )
    assert [each.step for each in (reference, drop, skipping)] == [0.1, 0.3, 0.03]
    assert repaired.step == pytest.approx(0.1 * REPAIRED.unit)
    for each in (reference, drop, skipping):
        np.testing.assert_allclose(each.accuracy(SAME)[:, -1], 0.1)
        np.testing.assert_allclose(each.accuracy(OWN)[:, -1], each.step)
    np.testing.assert_allclose(repaired.ends(), repaired.step)
    np.testing.assert_allclose(repaired.pilots[:, 0], [0.3 * REPAIRED.unit, REPAIRED.unit, 0], rtol=1e-12)
    pilots = [entry for entry in work.seen if entry[0] == 4 + setting.PILOT]
    assert len(pilots) == len(set(pilots)) == 4 * 3
    assert {seed for seed, *_ in work.seen} == {4, 4 + setting.PILOT}


def test_the_step_falls_to_a_hundredth():
    training = Training(**{**TINY, "epochs": 90})
    step = training.document({"a": (REFERENCE, (0.1,))}, seed=1)["scheme"][0]["step_size"]
    assert training.rounds == 90
    assert step["ratio"] ** 89 == pytest.approx(1 / 100)


# ---- findings --------------------------------------------------------------------------------------------


def around(means: Any, seed: int = 0, runs: int = 20) -> FloatArray:
    """Runs around means (...), shape (..., R)."""
    means = np.asarray(means, float)
    return means[..., None] + 0.05 * np.random.default_rng(seed).standard_normal((*means.shape, runs))


def fig2_planted(same: Any, own: Any) -> dict[str, Finding]:
    ends = around([same, own])
    made = {"variant": np.array(VARIANTS), "c": np.array([0.01, 0.02, 0.04]), "end_runs": ends, "mean_runs": ends}
    return dict(fig2.fig2_claims(made))


def outcomes(findings: Mapping[str, Finding]) -> set[str]:
    return {each.outcome.value for each in findings.values()}


def test_fig2_is_judged_by_all_values_of_c_and_both_steps():
    falling, rising = [76.4, 76.1, 74.0], [74.0, 76.1, 76.4]
    assert outcomes(fig2_planted(falling, falling)) == {"reproduced"}
    assert outcomes(fig2_planted(rising, rising)) == {"not reproduced"}
    assert outcomes(fig2_planted(falling, rising)) == {"depends on what the paper leaves open"}
    assert outcomes(fig2_planted(falling, [76.4, 76.4, 74.0])) == {"inconclusive"}
    between = fig2_planted([76.4, 74.0, 76.1], [76.4, 74.0, 76.1])
    assert between["fig2_smallest_c_ends_best"].outcome == Outcome.REPRODUCED
    assert between["fig2_accuracy_falls_with_c"].outcome == Outcome.NOT_REPRODUCED


def fig3_planted(server: Any, worker: Any, without: float = 76.76, loss: float = 0.0) -> dict[str, Finding]:
    made = {
        "server_skip": np.array([0.1, 0.4, 0.5]),
        "worker_skip": np.array([0.15, 0.3, 0.6]),
        "other": np.array(["dropSignSGD", "without skips"]),
        "server_end_runs": around([server, server], 1),
        "worker_end_runs": around([worker, worker], 2),
        "other_end_runs": around([[70.0, without]] * 2, 3),
        "worker_loss_runs": around([[0.5, 0.5, 0.5 + loss]] * 2, 4),
        "other_loss_runs": around([[0.9, 0.5]] * 2, 5),
    }
    return dict(fig3.fig3_claims(made))


def test_fig3_is_judged_by_declines_from_the_accuracy_without_skips():
    found = fig3_planted([76.4, 76.2, 75.8], [76.4, 76.3, 75.95], loss=-0.2)
    assert outcomes(found) == {"reproduced"}
    found = fig3_planted([76.4, 75.8, 76.2], [75.8, 76.0, 75.0], loss=0.2)
    assert outcomes(found) == {"not reproduced"}
    found = fig3_planted([76.4, 76.0, 75.0], [76.4, 76.4, 75.85])
    assert {name: each.outcome.value for name, each in found.items()} == {
        "fig3_accuracy_falls_with_server_skips": "reproduced",
        "fig3_at_least_76_up_to_0.4": "inconclusive",
        "fig3_accuracy_falls_with_worker_skips": "reproduced",
        "fig3_worst_case_of_worker_skips": "inconclusive",
        "fig3_at_least_76_in_other_cases": "reproduced",
        "fig3_poorer_generalisation": "inconclusive",
    }
    flat = fig3_planted([76.4, 76.4, 76.4], [76.2, 76.3, 75.9])
    assert flat["fig3_accuracy_falls_with_server_skips"].outcome == Outcome.INCONCLUSIVE
    assert flat["fig3_accuracy_falls_with_worker_skips"].outcome == Outcome.NOT_REPRODUCED  # it rises at first
    shifted = fig3_planted([86.4, 86.2, 85.8], [86.4, 86.3, 85.95], without=86.76, loss=-0.2)
    assert outcomes(shifted) == {"reproduced"}  # declines count, not levels


def table2_planted(ends: Any, drop: float, saved: Any) -> dict[str, Finding]:
    made = {
        "variant": np.array(VARIANTS),
        "server_skip": np.array([0.1, 0.4]),
        "account": np.array(["a", "b"]),
        "saved_gb": np.array(saved),
        "end_runs": around([ends, ends], 1),
        "drop_end_runs": around([[drop], [drop]], 2),
    }
    return dict(table2.table2_claims(made))


def test_table2_is_judged_by_every_row_and_every_account():
    enough, little = [328.0, 574.0], [-164.0, 246.0]
    assert outcomes(table2_planted([76.4, 76.2], 76.09, [enough, enough])) == {"reproduced"}
    assert outcomes(table2_planted([76.4, 74.8], 76.09, [little, little])) == {"not reproduced"}
    better = table2_planted([79.0, 78.0], 76.09, [enough, enough])
    assert better["table2_negligible_decline"].outcome == Outcome.REPRODUCED
    assert better["table2_approximately_identical_accuracy"].outcome == Outcome.NOT_REPRODUCED
    found = table2_planted([76.0, 76.0], 76.09, [enough, little])
    assert found["table2_negligible_decline"].outcome == Outcome.INCONCLUSIVE
    assert found["table2_approximately_identical_accuracy"].outcome == Outcome.REPRODUCED
    assert found["table2_saves_hundreds_of_gigabytes"].outcome == Outcome.OPEN


# ---- plain loops: one run, one worker at a time, the paper's equations -----------------------------------


M, BATCH, ROUNDS = 7, 2, 8
FIRST, RATIO = 0.2, 0.8


def small_network() -> OneHiddenLayer:
    """Seven parts of four noisy images in three classes, and thirty held out."""
    rng = np.random.default_rng(3)
    labels = np.arange(60) % 3
    images = rng.random((60, 4))
    images[np.arange(60), labels] += 0.5
    return one_hidden_layer.build(
        M,
        seed=2,
        images=images,
        labels=labels,
        classes=(0, 1, 2),
        n_hidden=2,
        n_samples=28,
        n_held_out=30,
        precision="double",
    )


NETWORK = small_network()


def forward(x: FloatArray, a: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Outer weights, hidden outputs and class probabilities of one sample."""
    inner, outer = x[: 2 * len(a)].reshape(2, -1), x[2 * len(a) :].reshape(3, 3)
    hidden = np.append(np.tanh(inner @ a), 1.0)
    odds = np.exp(outer @ hidden)
    return outer, hidden, odds / odds.sum()


def gradient(x: FloatArray, rows: list[int]) -> FloatArray:
    """Mean gradient of the cross-entropies of some samples."""
    total = np.zeros(len(x))
    for i in rows:
        a = NETWORK.features[i]
        outer, hidden, prob = forward(x, a)
        excess = prob - np.eye(3)[NETWORK.labels[i]]
        back = (outer[:, :2].T @ excess) * (1 - hidden[:2] ** 2)
        total += np.concatenate([np.outer(back, a).ravel(), np.outer(excess, hidden).ravel()])
    return total / len(rows)


def ending(x: FloatArray) -> tuple[float, float]:
    """Training loss, and the share of the samples held out that is classified rightly."""
    loss = -np.mean([np.log(forward(x, a)[2][y]) for a, y in zip(NETWORK.features, NETWORK.labels, strict=True)])
    held = NETWORK.held_out
    right = [forward(x, a)[2].argmax() == y for a, y in zip(held.features, held.labels, strict=True)]
    return float(loss), float(np.mean(right))


def plain_signs(
    rng: np.random.Generator,
    *,
    q: float,
    s: float,
    c: float,
    beta: float,
    server_beta: float,
    gamma: float,
    mu: float = 0.9,
) -> FloatArray:
    """Algorithm 1 of compskip with c' = c|S|/M; ties of the votes have no sign."""
    x, dim = NETWORK.initial(), NETWORK.dim
    m, e, server_e = np.zeros((M, dim)), np.zeros((M, dim)), np.zeros(dim)
    for t in range(ROUNDS):
        pooled = gamma * server_e
        for i in range(M):
            g = gradient(x, list(4 * i + rng.choice(4, BATCH, replace=False)))
            m[i] = mu * m[i] + g
            p = mu * m[i] + g + gamma * e[i]
            delta = np.sign(p) * (rng.random(dim) < beta) * (rng.random() >= q)
            e[i] = p - c * delta
            pooled = pooled + c / M * delta
        pooled[np.abs(pooled) < 1e-12] = 0.0
        reply = np.sign(pooled) * (rng.random(dim) < server_beta) * (rng.random() >= s)
        server_e = pooled - c * reply
        x = x - FIRST * RATIO**t * reply
    return x


def plain_repaired(rng: np.random.Generator) -> FloatArray:
    """Scaled signs of a random share of the coordinates, what is kept back in units of x."""

    def scaled(v: FloatArray, share: float) -> FloatArray:
        kept = rng.random(len(v)) < share
        scale = np.abs(v[kept]).mean() if kept.any() else 0.0
        return np.where(kept, np.where(v < 0, -scale, scale), 0.0)

    x, dim = NETWORK.initial(), NETWORK.dim
    e, server_e = np.zeros((M, dim)), np.zeros(dim)
    for t in range(ROUNDS):
        pooled = server_e
        for i in range(M):
            p = FIRST * RATIO**t * gradient(x, list(4 * i + rng.choice(4, BATCH, replace=False))) + e[i]
            delta = scaled(p, 0.3) if rng.random() >= 0.3 else np.zeros(dim)
            e[i] = p - delta
            pooled = pooled + delta / M
        reply = scaled(pooled, 0.5) if rng.random() >= 0.1 else np.zeros(dim)
        server_e = pooled - reply
        x = x - reply
    return x


KNOWN: Mapping[str, float] = {"c": 0.01, "beta": 0.3, "server_beta": 0.5, "gamma": 0.9}
PLAIN: dict[str, tuple[Method, Callable[[np.random.Generator], FloatArray]]] = {
    "as in Fig. 2": (REFERENCE, lambda rng: plain_signs(rng, **KNOWN, q=0.3, s=0.1)),
    "larger c, more skips": (
        compskip(worker_skip=0.6, server_skip=0.5, error_step=0.4),
        lambda rng: plain_signs(rng, **{**KNOWN, "c": 0.4}, q=0.6, s=0.5),
    ),
    "without skips": (WITHOUT_SKIPS, lambda rng: plain_signs(rng, **KNOWN, q=0.0, s=0.0)),
    "dropSignSGD": (
        DROP_SIGN_SGD,
        lambda rng: plain_signs(rng, **{**KNOWN, "server_beta": 0.3, "gamma": 1.0}, q=0.0, s=0.0),
    ),
    "repaired": (REPAIRED, plain_repaired),
}


@pytest.mark.parametrize(("method", "plain"), PLAIN.values(), ids=PLAIN)
def test_training_ends_on_average_where_a_plain_loop_does(method, plain):
    """Loss and accuracy, by two-sample t-tests."""
    step = {"kind": "geometric", "first": FIRST, "ratio": RATIO}
    world = Setting(NETWORK, Bernoulli(np.zeros(M)))
    scheme = build_scheme({**method.scheme, "batch_size": BATCH, "step_size": step}, world, seed=1)
    found = simulate(scheme, n_iters=ROUNDS, n_runs=300, seed=6, checkpoints=[ROUNDS])
    rng = np.random.default_rng(8)
    ends = np.array([ending(plain(rng)) for _ in range(80)])  # (R, 2)
    for values, expected in zip((found.loss, found.measures["accuracy"]), ends.T, strict=True):
        test = stats.ttest_ind(values[:, -1], expected, equal_var=False)
        assert test.pvalue > FALSE_ALARM / 10, (values[:, -1].mean(), expected.mean())
    assert ends[:, 0].std() > 0
