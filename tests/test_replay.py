"""Replay of a recorded log: in order, in blocks and round by round, each run with a stream of its own."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from workbench.core.errors import InputError
from workbench.core.streams import RunStreams, stream
from workbench.core.types import FloatArray, IntArray, SequentialDelayModel
from workbench.engine.setup import build_delay
from workbench.stragglers.delays import replay
from workbench.stragglers.delays.replay import Replay
from workbench.stragglers.log import embedded_log
from workbench.stragglers.responses import Responses

FALSE_ALARM = 1e-6
SEED = 4
# Worker w of round j answers after 10 j + w + 1 seconds, so that a response tells its round; two are missing.
TIMES: FloatArray = np.asarray(10 * np.arange(6)[:, None] + np.arange(1, 4), np.float64)  # (rounds, W)
TIMES[2, 1] = TIMES[4, 0] = np.inf


def written(folder: Path, times: FloatArray = TIMES, load: str = "0.5") -> Path:
    """A log of these responses, its last worker first, beside another group of one fast round after the other."""
    rows = [
        f"{load},{number},{worker},{times[number, worker]}"
        for worker in reversed(range(times.shape[1]))
        for number in range(len(times))
        if np.isfinite(times[number, worker])
    ]
    rows += [f"9,{number},{worker},0.1" for number in range(3) for worker in range(3)]
    path = folder / "log.csv"
    path.write_text("\n".join(["load,round,worker,response_s", *rows]))
    return path


def met(model: Replay, runs: Sequence[int], n_rounds: int) -> FloatArray:
    """Return the rounds that these runs meet, shape (n_rounds, R, W)."""
    return np.stack(list(islice(model.rounds(len(runs), rng=RunStreams(SEED, "stragglers", runs)), n_rounds)))


def named(model: Replay) -> str:
    return f"{model.order} {model.block_rounds}"


def numbers(rounds: FloatArray) -> IntArray:
    """Return which round of TIMES each is, shape (...); whole rounds only."""
    found = (rounds[..., 2] // 10).astype(int)  # the last worker always answers
    np.testing.assert_array_equal(rounds, TIMES[found])
    return found


def test_it_is_sequential_and_its_law_is_the_logs_frequency() -> None:
    model = Replay(TIMES)
    assert isinstance(model, SequentialDelayModel)
    assert model.n_workers == 3
    np.testing.assert_array_equal(model.straggle_prob(20.5), [4 / 6, 4 / 6, 4 / 6])
    np.testing.assert_array_equal(model.straggle_prob(11.0), [4 / 6, 5 / 6, 5 / 6])  # on time at the deadline itself
    np.testing.assert_array_equal(model.straggle_prob(np.inf), [0, 0, 0])
    np.testing.assert_array_equal(model.straggle_prob(1e300), [1 / 6, 1 / 6, 0])


def test_in_order_each_run_goes_round_the_log_from_its_own_start() -> None:
    found = numbers(met(Replay(TIMES), range(50), 15))  # (15, R)
    first = [int(stream(SEED, "stragglers", run).random() * 6) for run in range(50)]
    np.testing.assert_array_equal(found, (np.arange(15)[:, None] + first) % 6)
    np.testing.assert_array_equal(numbers(met(Replay(TIMES, start="first"), range(4), 13)).T, [np.arange(13) % 6] * 4)


@pytest.mark.parametrize("block_rounds", [1, 2, 5, 6])
def test_blocks_are_consecutive_rounds_from_random_starts(block_rounds: int) -> None:
    """Against a loop over runs, rounds and blocks that draws the same uniforms."""
    found = numbers(met(Replay(TIMES, "blocks", block_rounds), range(30), 17))  # (17, R)
    for run in range(30):
        generator, expected = stream(SEED, "stragglers", run), list[int]()
        while len(expected) < 17:
            start = int(generator.random() * 6)
            expected += [(start + step) % 6 for step in range(block_rounds)]
        assert found[:, run].tolist() == expected[:17]


@pytest.mark.parametrize(
    "model", [Replay(TIMES), Replay(TIMES, "blocks", 1), Replay(TIMES, "blocks", 4)], ids=["in order", "1", "4"]
)
def test_every_round_is_equally_likely_and_runs_are_independent(model: Replay) -> None:
    """At each of 7 positions by chi squared, and in pairs of neighbouring runs: false alarm 1e-6 over both."""
    n_runs = 12_000
    found = numbers(met(model, range(n_runs), 7))  # (7, R)
    for position in found:
        assert stats.chisquare(np.bincount(position, minlength=6)).pvalue > FALSE_ALARM / 14
        pairs = np.bincount(6 * position[::2] + position[1::2], minlength=36)
        assert stats.chisquare(pairs).pvalue > FALSE_ALARM / 14


def test_blocks_are_independent_of_each_other() -> None:
    found = numbers(met(Replay(TIMES, "blocks", 3), range(12_000), 6))  # (6, R)
    assert stats.chisquare(np.bincount(6 * found[0] + found[3], minlength=36)).pvalue > FALSE_ALARM


@pytest.mark.parametrize("model", [Replay(TIMES), Replay(TIMES, "blocks", 4)], ids=["in order", "blocks"])
def test_a_run_meets_its_rounds_whatever_runs_are_beside_it(model: Replay) -> None:
    together = met(model, [7, 0, 3], 11)
    for row, run in enumerate([7, 0, 3]):
        np.testing.assert_array_equal(met(model, [run], 11)[:, 0], together[:, row])
    responses = Responses(model, RunStreams(SEED, "stragglers", [7, 0, 3]))
    np.testing.assert_array_equal(np.stack([responses.next_round() for _ in range(11)]), together)


def test_samples_are_whole_rounds_each_drawn_on_its_own() -> None:
    """Chi squared over the 36 pairs of neighbours, within and across runs: false alarm 1e-6 over both."""
    drawn = Replay(TIMES).sample((2, 12_000), rng=RunStreams(SEED, "stragglers", 2))
    assert drawn.shape == (2, 12_000, 3)
    found = numbers(drawn)
    for pairs in (6 * found[:, ::2] + found[:, 1::2], 6 * found[0] + found[1]):
        assert stats.chisquare(np.bincount(pairs.ravel(), minlength=36)).pvalue > FALSE_ALARM / 2
    assert Replay(TIMES).sample((5,), rng=RunStreams(SEED, "stragglers", 5)).shape == (5, 3)


def test_a_written_log_comes_back(tmp_path: Path) -> None:
    table = {"kind": "replay", "log": str(written(tmp_path)), "where": {"load": "0.50"}, "start": "first"}
    for n_workers in (1, 2, 3):  # the first of them
        model: Any = build_delay(table, n_workers)
        np.testing.assert_array_equal(met(model, [0], 6)[:, 0], TIMES[:, :n_workers])


def test_the_embedded_log_is_taken_where_none_is_named() -> None:
    model: Any = build_delay({"kind": "replay", "order": "blocks", "block_rounds": 5}, 16)
    assert (model.order, model.block_rounds) == ("blocks", 5)
    np.testing.assert_array_equal(model.response_s, embedded_log().response_s)


REFUSED: dict[str, tuple[int, dict[str, Any], str]] = {
    "more workers": (4, {"where": {"load": "0.5"}}, r"log\.csv: 3 workers are recorded, 4 asked for: take 1 to 3"),
    "no workers": (0, {"where": {"load": "0.5"}}, "0 asked for"),
    "a group": (3, {}, "2 groups of responses, choose one"),
    "no such group": (3, {"where": {"load": "7"}}, "no row has load = '7'"),
    "no log": (3, {"log": "elsewhere.csv"}, r"elsewhere\.csv: cannot be read"),
    "groups of the embedded log": (3, {"log": None, "where": {"load": "0.5"}}, "give the log"),
    "more of the embedded log": (17, {"log": None}, r"measured_16x50\.csv: 16 workers are recorded, 17 asked for"),
    "order": (3, {"order": "backwards"}, "backwards"),
    "start": (3, {"start": "last"}, "last"),
    "long blocks": (
        3,
        {"where": {"load": "0.5"}, "order": "blocks", "block_rounds": 7},
        "block_rounds is 7: .* 6 rounds",
    ),
    "no blocks": (3, {"where": {"load": "0.5"}, "order": "blocks", "block_rounds": 0}, "block_rounds is 0"),
    "blocks in order": (3, {"where": {"load": "0.5"}, "block_rounds": 2}, "order is in_order: set order to blocks"),
    "blocks from the first": (
        3,
        {"where": {"load": "0.5"}, "order": "blocks", "start": "first"},
        "blocks start at random rounds",
    ),
}


@pytest.mark.parametrize(("n_workers", "change", "match"), REFUSED.values(), ids=REFUSED)
def test_mistakes_are_refused_in_one_line(n_workers: int, change: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match) as refusal:
        build_delay({"kind": "replay", "log": str(written(tmp_path))} | change, n_workers)
    assert "\n" not in str(refusal.value)


def test_an_order_that_is_none_is_refused_by_build_too() -> None:
    with pytest.raises(InputError, match="order is 'backwards'"):
        replay.build(3, order="backwards")
