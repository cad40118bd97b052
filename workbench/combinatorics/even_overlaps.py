r"""Sets of equal size whose pairs overlap as evenly as found: local search over 0/1 matrices (workers, parts).

The sets are columns with d ones each. The search lowers :math:`\sum_{j<k}(o_{jk} - d^2/W)^2` over the overlaps
:math:`o_{jk}`, while the row sums never differ by more than one. For 0 < d < W and two columns or more that excludes
overlaps of d²/W for all pairs: the vectors :math:`1_{S_j} - d/W` would be orthogonal, hence their sum of square
P d (1 − d/W), and the fractions f of row sums that are within one of each other leave it only W f (1 − f).
"""

from typing import NamedTuple

import numpy as np

from workbench.core.types import FloatArray, IntArray

SWEEPS = 20  # times as many steps as there are pairs of rows, at most
WORK = 20_000  # comparisons of two short rows, at most
SHORT = 1600  # square of the row sum at which a comparison takes twice as long
TEMPERATURE = 1.0  # at the start, in squared overlaps; it falls to 0


class _Change(NamedTuple):
    """Column `leaving` gives its one in row a to row b, column `coming` the other way; −1 for none."""

    rise: float
    leaving: int
    coming: int


def deviation_sq(holds: IntArray) -> float:
    """Return Σ_{j<k} (o_jk − d²/W)² for columns with d ones, (W, P)."""
    size = float(holds[:, 0].sum())
    target = size**2 / len(holds)
    total = np.sum((_overlaps(holds) - target) ** 2) - holds.shape[1] * (size - target) ** 2
    return float(total) / 2


def least_deviation_sq(n_rows: int, n_columns: int, size: int) -> float:
    r"""Bound `deviation_sq` from below, over all matrices whose row sums differ by at most one.

    The row sums fix the mean overlap, and integers with a mean are best if they are its two neighbours. Welch's bound
    holds for any row sums: the squares :math:`s = d(1 - d/W)` give at least (P s)²/(W − 1) − P s² over ordered pairs.
    """
    n_pairs = n_columns * (n_columns - 1) / 2
    if n_pairs == 0:
        return 0.0
    target = size**2 / n_rows
    row, longer = divmod(n_columns * size, n_rows)
    mean = (longer * (row + 1) * row + (n_rows - longer) * row * (row - 1)) / 2 / n_pairs
    below = np.floor(mean)
    above = mean - below  # share of the pairs that overlap in below + 1
    integral = n_pairs * ((1 - above) * (below - target) ** 2 + above * (below + 1 - target) ** 2)
    square = size * (1 - size / n_rows)
    welch = (n_columns * square) ** 2 / max(n_rows - 1, 1) - n_columns * square**2
    return float(max(integral, welch / 2, 0.0))


def level(holds: IntArray) -> IntArray:
    """Move ones from the longest row to the shortest until they differ by at most one, each at least cost."""
    holds, overlap = holds.copy(), _overlaps(holds)
    while np.ptp(load := holds.sum(axis=1)) > 1:
        a, b = int(load.argmax()), int(load.argmin())
        only_a = np.flatnonzero(holds[a] > holds[b])
        cost = overlap[only_a] @ (holds[b] - holds[a])
        _apply(holds, overlap, a, b, _Change(0.0, int(only_a[cost.argmin()]), -1))
    return holds


def even_out(holds: IntArray, *, rng: np.random.Generator) -> IntArray:
    """Anneal over exchanges of ones between two rows; return the best matrix seen, never a worse one.

    Each step takes two rows and their best exchange, and makes it if it lowers the sum, or raises it by less than the
    temperature allows. The number of steps depends on the sizes alone.

    Parameters
    ----------
    holds : 0/1 matrix (W, P), columns of equal sums, row sums within one of each other
    """
    n_rows, n_columns = holds.shape
    size = int(holds[:, 0].sum())
    enough = least_deviation_sq(n_rows, n_columns, size) * (1 + 1e-12) + 1e-9
    best, least = holds, deviation_sq(holds)
    holds, overlap, total = holds.copy(), _overlaps(holds), least
    per_step = 1 + (n_columns * size / n_rows) ** 2 / SHORT
    n_steps = min(SWEEPS * n_rows * (n_rows - 1) // 2, int(WORK / per_step))
    for step in range(n_steps):
        if total <= enough:
            break
        a = int(rng.integers(n_rows))
        b = (a + 1 + int(rng.integers(n_rows - 1))) % n_rows
        change = _best_change(holds[a], holds[b], overlap, size)
        if change.rise <= TEMPERATURE * (1 - step / n_steps) * rng.exponential():
            if change.rise > 0 and total < least - 1e-9:
                best, least = holds.copy(), total
            _apply(holds, overlap, a, b, change)
            total += change.rise
    return holds if total < least - 1e-9 else best


def _overlaps(holds: IntArray) -> FloatArray:
    """Count the ones that two columns share, (P, P); floating point for its speed, and exact."""
    columns = holds.astype(np.float64)
    return columns.T @ columns


def _best_change(row_a: IntArray, row_b: IntArray, overlap: FloatArray, size: int) -> _Change:
    r"""Find the exchange between two rows, or the move from the longer one, that raises the sum least.

    With :math:`v = 1_b - 1_a` over the columns, and :math:`g = O v`, moving column j from a to b adds v to its overlaps
    with all others, hence :math:`\sum_{l \ne j} (2 o_{jl} v_l + v_l^2) = 2(g_j + d) + n - 1` for n nonzeros of v; an
    exchange with column k of b adds the same for −v and takes out the pair j, k, whose overlap stays. The targets d²/W
    cancel, as the row sums stay or swap.
    """
    only_a, only_b = np.flatnonzero(row_a > row_b), np.flatnonzero(row_b > row_a)
    differing = np.concatenate([only_a, only_b])
    n_a, n = only_a.size, differing.size
    among = overlap[differing].take(differing, axis=1)  # (n, n)
    towards_b = among @ (row_b - row_a)[differing].astype(np.float64)  # g, (n,)
    g_a, g_b = towards_b[:n_a], towards_b[n_a:]
    best = _Change(np.inf, -1, -1)
    if n_a and n > n_a:
        half = g_a[:, None] - g_b - 2 * among[:n_a, n_a:]  # (n_a, n − n_a)
        j, k = divmod(int(half.argmin()), n - n_a)
        best = _Change(2.0 * (half[j, k] + 2 * size + n - 2), int(only_a[j]), int(only_b[k]))
    if 2 * n_a == n + 1:
        j = int(g_a.argmin())
        best = min(best, _Change(2.0 * (g_a[j] + size) + n - 1, int(only_a[j]), -1))
    elif 2 * n_a == n - 1:
        k = int(g_b.argmax())
        best = min(best, _Change(2.0 * (size - g_b[k]) + n - 1, -1, int(only_b[k])))
    return best


def _apply(holds: IntArray, overlap: FloatArray, a: int, b: int, change: _Change) -> None:
    """Change the two rows and the overlaps in place."""
    moving = [part for part in (change.leaving, change.coming) if part >= 0]
    towards_b = holds[b] - holds[a]  # (P,)
    for part in moving:
        others = towards_b * towards_b[part]
        others[moving] = 0
        overlap[part] -= others
        overlap[:, part] -= others
    holds[b, moving], holds[a, moving] = holds[a, moving], holds[b, moving].copy()
