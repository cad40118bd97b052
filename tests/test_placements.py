"""Contract of every placement, run over the catalogue, and what each one promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from workbench.codes.placement import Placement
from workbench.codes.placements import bernoulli, fractional_repetition, pair_wise, random_regular
from workbench.core import catalogue

SIZES = [(1, 1), (2, 7), (6, 4), (9, 9), (12, 5), (40, 30)]


@pytest.mark.parametrize("module", list(catalogue.placements().values()))
@pytest.mark.parametrize("size", SIZES)
def test_placements_hold_their_promises(module, size):
    name = module.__name__.rsplit(".", 1)[1]
    copies = 1 if name == "disjoint" else min(3, size[0])
    placement = module.place(*size, copies, rng=np.random.default_rng(3))
    assert placement.holds.shape == size
    assert set(np.unique(placement.holds.data)) <= {1.0}
    assert placement.n_edges == placement.load.sum() == placement.replication.sum()
    if name != "bernoulli":
        assert placement.replication.min() >= 1
    if name in ("disjoint", "pair_wise"):
        assert np.all(placement.replication == copies)
        assert np.ptp(placement.load) <= 1


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_bernoulli_placement_is_never_empty(seed, n_workers, n_parts):
    """With one part and copy, nobody holds it in a third of the draws."""
    placement = bernoulli.place(n_workers, n_parts, 1, rng=np.random.default_rng(seed))
    assert placement.n_edges >= 1
    assert placement.holds.shape == (n_workers, n_parts)


def test_bernoulli_placement_has_its_law():
    """Pairs per draw are binomial, given that there is one: 3,000 draws within Z errors, false alarm 1e-6."""
    rng = np.random.default_rng(6)
    counts = np.array([bernoulli.place(4, 2, 1, rng=rng).n_edges for _ in range(3000)])
    expected = 2 / (1 - 0.75**8)
    assert abs(counts.mean() - expected) < stats.norm.isf(1e-6 / 2) * counts.std() / np.sqrt(3000)
    assert abs(2 - expected) > 2 * stats.norm.isf(1e-6 / 2) * counts.std() / np.sqrt(3000)  # what a test can tell


def test_fractional_repetition_groups_are_disjoint():
    holds = fractional_repetition.place(13, 9, 3).holds.toarray()
    overlap = holds @ holds.T
    same = (holds[:, None] == holds).all(axis=2)
    np.testing.assert_array_equal(overlap > 0, same)


def test_random_regular_is_regular_where_sizes_allow():
    placement = random_regular.place(30, 20, 3, rng=np.random.default_rng(4))
    assert np.all(placement.replication == 3)
    assert np.all(placement.load == 2)


def test_pair_wise_is_nearer_to_balance_than_chance():
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(20):
        holds = np.zeros((16, 24))
        for part in range(24):
            holds[rng.choice(16, 4, replace=False), part] = 1
        drawn.append(Placement(sparse.csr_array(holds)).balance.rms)
    assert pair_wise.place(16, 24, 4, rng=rng).balance.rms < min(drawn)
