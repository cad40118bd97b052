"""Response times met in rounds and one by one, streams of unequal length, and mini-batches without replacement."""

from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.core.streams import RunStreams
from workbench.schemes import batches
from workbench.schemes.scheme import Noise
from workbench.stragglers import responses as module
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.delays.location_scale import LocationScale
from workbench.stragglers.delays.shifted_exponential import LAW
from workbench.stragglers.responses import Responses

FALSE_ALARM = 1e-6
DELAY = LocationScale(LAW, np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0]))


def responses(runs: list[int]) -> Responses:
    return Responses(DELAY, RunStreams(3, "stragglers", runs))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), n_steps=st.integers(1, 60))
def test_a_worker_meets_its_own_rounds_in_whatever_order_workers_are_asked(seed, n_steps):
    """The j-th answer of a worker is the j-th round's, also when one worker runs far ahead of the others."""
    rng = np.random.default_rng(seed)
    rounds = responses([0, 1])
    expected = np.stack([rounds.next_round() for _ in range(n_steps)])  # (steps, R, W)
    alone, taken = responses([0, 1]), np.zeros((2, 3), int)
    favourite = rng.integers(3)
    for _ in range(n_steps):
        workers = np.where(rng.random(2) < 0.8, favourite, rng.integers(3, size=2))
        found = alone.next_of(workers)
        for run, worker in enumerate(workers):
            assert found[run] == expected[taken[run, worker], run, worker]
            taken[run, worker] += 1


def test_a_worker_that_does_not_answer_is_never_heard_again_and_keeps_no_memory():
    """Run 0's worker 0 stops at its first inf; worker 1 goes on for as long as it is asked."""
    delay = Bernoulli(np.array([0.5, 0.0]), 1.0)
    alone = Responses(delay, RunStreams(1, "stragglers", [0, 1]))
    heard = np.array([alone.next_of(np.zeros(2, int)) for _ in range(30)])  # (30, R)
    assert np.all(np.isinf(heard[-1]))
    for run in heard.T:
        first = int(np.argmax(np.isinf(run)))
        assert np.all(run[:first] == 1.0)
        assert np.all(np.isinf(run[first:]))
    for _ in range(1000):
        assert np.all(alone.next_of(np.ones(2, int)) == 1.0)
    assert len(alone._ring) <= 32  # the lag of worker 1 behind worker 0 at most


@pytest.mark.parametrize(("most", "cap"), [(2**17, 8), (5 * 2 * 3, 5), (1, 1)])
@pytest.mark.parametrize("n_rounds", [1, 2, 3, 8, 30])
def test_rounds_drawn_together_are_those_drawn_one_by_one(n_rounds, most, cap, monkeypatch):
    """Ever more of them, so that no more are drawn in vain than are taken, up to a bound on memory."""
    monkeypatch.setattr(module, "TIMES_AHEAD", most)
    counts, draw = [], RunStreams.random

    def counted(self, size):
        counts.append(size[1])
        return draw(self, size)

    rng = RunStreams(3, "stragglers", [4, 0])
    expected = [DELAY.sample((2,), rng=rng) for _ in range(n_rounds)]
    monkeypatch.setattr(RunStreams, "random", counted)
    found = responses([4, 0])
    np.testing.assert_array_equal([found.next_round() for _ in range(n_rounds)], expected)
    assert counts == [min(2**i, cap) for i in range(len(counts))]
    assert sum(counts[:-1]) < n_rounds <= sum(counts)


def test_runs_meet_their_own_responses_whatever_runs_are_beside_them():
    together, alone = responses([0, 1, 2]), responses([2])
    for _ in range(5):
        np.testing.assert_array_equal(together.next_round()[2:], alone.next_round())


def test_rows_of_unequal_number_are_each_runs_own():
    counts = np.array([3, 0, 5])
    together = RunStreams(1, "x", [0, 1, 2])
    drawn = together.random_rows(counts, 4)
    assert drawn.shape == (3, 5, 4)
    after = together.random((3, 2))
    for run, count in enumerate(counts):
        alone = RunStreams(1, "x", [run])
        np.testing.assert_array_equal(drawn[run, :count], alone.random((1, count, 4))[0])
        assert not drawn[run, count:].any()
        np.testing.assert_array_equal(after[run], alone.random((1, 2))[0])


def test_a_noise_source_goes_on_where_it_was_left_and_sources_differ():
    noise = Noise(DELAY, 5, [4, 4, 7])
    first, second = noise.stream("a").random((3, 2)), noise.stream("a").random((3, 2))
    again = RunStreams(5, "a", [4, 4, 7])
    np.testing.assert_array_equal(np.stack([first, second]), np.stack([again.random((3, 2)), again.random((3, 2))]))
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.any(first == noise.stream("b").random((3, 2)))
    assert noise.rows.tolist() == [0, 1, 2]


# ---- batches ---------------------------------------------------------------------------------------------


def drawn(sizes: list[list[int]], part_sizes: list[int], *, n_times: int = 1, seed: int = 0) -> list[batches.Batch]:
    rng, order = RunStreams(seed, "batches", len(sizes)), batches.in_order(np.array(part_sizes), len(sizes))
    found = []
    for _ in range(n_times):
        order, batch = batches.draw(order, np.array(sizes), np.array(part_sizes), rng=rng)
        found.append(batch)
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n_parts=st.integers(1, 4), n_runs=st.integers(1, 3))
def test_batches_hold_each_sample_once_and_have_their_size(data, n_parts, n_runs):
    part_sizes = data.draw(st.lists(st.integers(1, 6), min_size=n_parts, max_size=n_parts))
    sizes = [[data.draw(st.integers(0, most)) for most in part_sizes] for _ in range(n_runs)]
    for batch in drawn(sizes, part_sizes, n_times=3, seed=data.draw(st.integers(0, 1000))):
        for run in range(n_runs):
            for part, most in enumerate(part_sizes):
                weights, size = batch.weights[run, part], sizes[run][part]
                chosen = batch.samples[run, part][weights > 0]
                assert len(set(chosen.tolist())) == chosen.size == size
                assert np.all((chosen >= 0) & (chosen < most))
                np.testing.assert_allclose(weights.sum(), most if size else 0.0)
                np.testing.assert_allclose(weights[weights > 0], most / max(size, 1))


@pytest.mark.parametrize("n_before", [0, 2])
def test_every_set_is_as_likely_as_any_other(n_before):
    """Chi-squared over the 10 pairs of 5 samples, also after other draws: false alarm 1e-6."""
    n_runs = 20_000
    batch = drawn([[2]] * n_runs, [5], n_times=n_before + 1)[-1]
    pairs = Counter(tuple(sorted(pair)) for pair in batch.samples[:, 0].tolist())
    observed = [pairs[pair] for pair in combinations(range(5), 2)]
    assert sum(observed) == n_runs
    assert stats.chisquare(observed).pvalue > FALSE_ALARM


def test_order_within_a_batch_is_random_too():
    batch = drawn([[3]] * 12_000, [3])[0]
    orders = Counter(map(tuple, batch.samples[:, 0].tolist()))
    assert stats.chisquare([orders[order] for order in permutations(range(3))]).pvalue > FALSE_ALARM


def test_a_run_draws_its_batches_whatever_the_others_need():
    rng = {runs: RunStreams(0, "batches", list(runs)) for runs in ((0, 1), (1,))}
    sizes, part_sizes = np.array([[9, 0], [2, 3]]), np.array([9, 4])
    order = batches.in_order(part_sizes, 2)
    after, both = batches.draw(order, sizes, part_sizes, rng=rng[0, 1])
    _, alone = batches.draw(order[1:], sizes[1:], part_sizes, rng=rng[1,])
    assert np.array_equal(order, batches.in_order(part_sizes, 2))  # the order handed in is left alone
    np.testing.assert_array_equal(both.samples[1:, :, :3][alone.weights > 0], alone.samples[alone.weights > 0])
    assert not np.array_equal(after, order)
