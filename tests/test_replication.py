"""Replication of least Σ 1/d: against enumeration, against a table of all sums, against the KKT conditions."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import InputError
from workbench.solvers.replication import solve_homogeneous


@pytest.mark.parametrize("n_workers", [1, 2, 4, 5])
@pytest.mark.parametrize("n_parts", [1, 2, 3, 5])
def test_no_replication_of_the_same_mean_is_better(n_parts: int, n_workers: int) -> None:
    least: dict[int, float] = {}
    for d in combinations_with_replacement(range(1, n_workers + 1), n_parts):
        least[sum(d)] = min(least.get(sum(d), np.inf), sum(1 / each for each in d))
    assert least.keys() == set(range(n_parts, n_parts * n_workers + 1))
    for total, objective in least.items():
        replication, certificate = solve_homogeneous(n_parts, n_workers, total / n_parts)
        assert replication.sum() == total
        assert certificate.objective == pytest.approx(objective, rel=1e-14)
        assert np.sum(1 / replication) == pytest.approx(objective, rel=1e-14)


def test_against_the_table_of_all_sums() -> None:
    """V_j(r) = min_d V_{j−1}(r − d) + 1/d, for twenty parts and twelve workers."""
    n_parts, n_workers = 20, 12
    best = np.full(n_parts * n_workers + 1, np.inf)
    best[0] = 0
    for _ in range(n_parts):
        shifted = [np.pad(best[:-d] + 1 / d, (d, 0), constant_values=np.inf) for d in range(1, n_workers + 1)]
        best = np.min(shifted, axis=0)
    for total in range(n_parts, n_parts * n_workers + 1):
        assert solve_homogeneous(n_parts, n_workers, total / n_parts)[1].objective == pytest.approx(best[total])


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_the_certificate(n_parts: int, n_workers: int, data: st.DataObject) -> None:
    """Mean, range, floor and ceiling; the gap is Jensen's: zero for whole means, at most 1/8 otherwise.

    Between whole d and d + 1 the chord of 1/x is above it by a factor 1 + t(1 − t)/(d(d + 1)), t = D − d.
    """
    total = data.draw(st.integers(n_parts, n_parts * n_workers))
    replication, certificate = solve_homogeneous(n_parts, n_workers, total / n_parts)
    assert replication.shape == (n_parts,)
    assert replication.sum() == total
    assert {*replication.tolist()} <= {total // n_parts, -(-total // n_parts)}
    assert 1 <= replication.min() <= replication.max() <= n_workers
    assert certificate.lower_bound == pytest.approx(n_parts / (total / n_parts))
    assert np.sum(1 / replication) == pytest.approx(certificate.objective, rel=1e-12)
    floor, part = divmod(total, n_parts)
    t = part / n_parts
    assert certificate.gap == pytest.approx(t * (1 - t) / (floor * (floor + 1)), abs=1e-12)
    if part == 0:  # KKT of the real problem: −1/d² is the same for all parts
        assert np.ptp(1 / replication**2) == 0


@pytest.mark.parametrize("spread", [0.01, 0.3])
def test_real_replications_are_bounded_below(spread: float) -> None:
    """P/D bounds Σ 1/d over real d of the same mean, and perturbing d = D costs Σ δ²/D³ to second order."""
    delta = np.random.default_rng(0).uniform(-spread, spread, 40)
    delta -= delta.mean()
    _, certificate = solve_homogeneous(40, 9, 3.0)
    excess = np.sum(1 / (3 + delta)) - certificate.lower_bound
    assert excess > 0
    assert excess == pytest.approx(np.sum(delta**2) / 27, rel=spread)


@pytest.mark.parametrize(
    ("n_parts", "n_workers", "mean", "message"),
    [
        (0, 3, 1.0, "n_parts is 0"),
        (3, 0, 1.0, "n_workers 0"),
        (4, 3, 0.5, "mean_replication is 0.5: every part is held by 1 to 3 workers"),
        (4, 3, 3.25, "mean_replication is 3.25"),
        (4, 3, float("nan"), "mean_replication is nan"),
        (4, 3, 2.1, "gives 8.4 copies: take a whole number of them, 8 for instance, over 4"),
    ],
)
def test_mistakes_are_named(n_parts: int, n_workers: int, mean: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        solve_homogeneous(n_parts, n_workers, mean)
