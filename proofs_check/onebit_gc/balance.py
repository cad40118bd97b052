"""Pair-wise balance (39): how many parts it allows, and how near other placements can come."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import sympy as sp

from proofs_check.onebit_gc.notation import HADAMARD
from proofs_check.tools.symbolic import is_identity, is_nonnegative, is_sum_of_squares, settle
from workbench.codes.placements import disjoint, pair_wise_balanced
from workbench.core.claims import Status, Verdict, claim, claim_of

# (W, P, replications that occur) of Fig. 2; Figs. 3 and 5; settings 2 and 3 of Fig. 3; Fig. 6; Fig. 8
EXPERIMENTS = (
    (100, 1000, (20,)),
    (100, 1000, (15,)),
    (100, 1000, (10, 20)),
    (100, 1000, (5, 25)),
    (100, 1000, (10,)),
    (10, 100, (2,)),
)
NOT_INTEGERS = [(10, 4), (100, 25), (100, 125), (100, 225), (100, 625)]  # (W, d_j d_k) of these


@claim("onebit_gc", "Eq. 39", eq=39)
def eq_39(*, experiments: Sequence[tuple[int, int, tuple[int, ...]]] = EXPERIMENTS) -> Verdict:
    """Refute that the samples can be placed in a pair-wise balanced manner, at every size of the experiments.

    Smallest: two parts on one worker each of two would have to share half a worker. In general at most W − 1 parts can
    have 0 < d < W (`eq_39_repaired`), and d_j d_k/W must be an integer; the experiments have ten times as many parts.

    Parameters
    ----------
    experiments : (W, P, replications) to refute
    """
    wanted = {(n_workers, a * b) for n_workers, _, copies in experiments for a in copies for b in copies}
    fractional = [pair for pair in wanted if pair[1] % pair[0]]
    steps = {
        "two parts, two workers, d = 1: overlaps are 0 or 1, never 1/2": {
            abs(Fraction(1 * 1, 2) - len({i} & {j})) for i in range(2) for j in range(2)
        }
        == {Fraction(1, 2)},
        "at most W − 1 parts": eq_39_repaired().status is Status.PROVED,
        "five of the overlaps asked for are not even integers": sorted(fractional) == NOT_INTEGERS,
        "every experiment has ten times as many": all(
            n_parts == 10 * n_workers and all(0 < d < n_workers for d in copies)
            for n_workers, n_parts, copies in experiments
        ),
    }
    return settle(
        claim_of(eq_39),
        steps,
        "no experiment has a pair-wise balanced placement, and five of the nine overlaps asked for are not "
        "integers; (39) holds in the mean over random placements (lemma_2_random_placement)",
        status=Status.REFUTED,
        evidence={"overlaps_wanted": float(len(wanted)), "not_integers": float(len(fractional))},
    )


@claim("onebit_gc", "Eq. 39 repaired")
def eq_39_repaired(*, lost: int = 1) -> Verdict:
    """Prove that at most W − 1 parts with 0 < d < W are pair-wise balanced; Hadamard rows attain it at d = W/2.

    The vectors v_j = 1_{S_j} − d_j/W are orthogonal to each other and to 1, and not 0. Bessel's inequality for the unit
    vectors of the workers, summed over the W workers, says that P + 1 orthogonal directions fit into W.

    Parameters
    ----------
    lost : by how much P stays below W
    """
    W, d1, d2, o, x1, x2 = sp.symbols("W d1 d2 o x1 x2", positive=True)
    m1, m2 = d1 / W, d2 / W
    product = (
        o * (1 - m1) * (1 - m2) - (d1 - o) * (1 - m1) * m2 - (d2 - o) * m1 * (1 - m2) + (W - d1 - d2 + o) * m1 * m2
    )
    few, spare = sp.symbols("few spare", nonnegative=True)
    square = (d1 - d1**2 / W).subs(W, d1 + 1 + spare).subs(d1, 1 + few)  # 1 ≤ d ≤ W − 1
    most = {n: _most_parts(n) for n in (2, 3, 4, 5)}
    steps = {
        "<v_j, v_k> = o − d_j d_k/W": is_identity(product, o - d1 * d2 / W),
        "<v_j, 1> = 0": is_identity(d1 * (1 - m1) - (W - d1) * m1, sp.Integer(0)),
        "‖v_j‖² = d − d²/W": is_identity(product.subs({o: d1, d2: d1}), d1 - d1**2 / W),
        "not 0: at least (d(1 + spare))/W": is_identity(square, ((1 + few) * (1 + spare)) / (2 + few + spare))
        and is_nonnegative(square),
        # ‖e − x1 u1 − x2 u2‖² for orthogonal unit u, x = <e, u>
        "Bessel": is_identity(1 - 2 * (x1 * x1 + x2 * x2) + x1**2 + x2**2, 1 - x1**2 - x2**2),
        "summed over the workers: P + 1 ≤ W": is_identity((W - lost) + 1, W),
        "enumerated up to 5 workers": most == {2: 1, 3: 1, 4: 4 - lost, 5: 1},
        "attained: 3 of 4": _is_balanced(HADAMARD),
        "attained: 7 of 8": _is_balanced(pair_wise_balanced.place(8, 7, 4).holds.toarray().astype(int).tolist()),
    }
    return settle(
        claim_of(eq_39_repaired), steps, "1000 samples need more than 1000 workers, or samples that all workers hold"
    )


@claim("onebit_gc", "Eq. 39 nearest")
def eq_39_nearest(*, lost: int = 1) -> Verdict:
    r"""Prove Welch's bound on the overlaps' distance from balance, for any number of parts.

    .. math:: \sum_{j \ne k} (o_{jk} - d_j d_k/W)^2 \ge \frac{(\sum s_j)^2}{W - 1} - \sum s_j^2, \quad s = d(1 - d/W)

    The Gram matrix of the v_j has at most W − 1 positive eigenvalues, and their squares add up to at least their sum's
    square over their number. At Fig. 2's sizes the deviations' root mean square is at least 1.52, the overlap wanted 4.

    Parameters
    ----------
    lost : dimensions that the vectors do not use
    """
    e1, e2 = sp.symbols("e1 e2", nonnegative=True)  # eigenvalues
    n_workers, n_parts, d = 100, 1000, 20
    square = d - Fraction(d**2, n_workers)
    mean_square = (Fraction(n_parts**2, n_workers - lost) * square**2 - n_parts * square**2) / (n_parts * (n_parts - 1))
    balance = disjoint.place(4, 4).balance  # d = 1: all overlaps are 0, wanted 1/4
    by_hand = (Fraction(3, 4) * 4) ** 2 / (4 - lost) - 4 * Fraction(3, 4) ** 2  # over 12 pairs
    steps = {
        "trace and squares, every pair of eigenvalues": is_sum_of_squares(
            2 * (e1**2 + e2**2) - (e1 + e2) ** 2, {e1 - e2: sp.Integer(1)}
        ),
        "rank at most W − 1": eq_39_repaired(lost=lost).status is Status.PROVED,
        "disjoint parts attain it": by_hand / 12 == Fraction(1, 4) ** 2,
        "as our placements measure it": balance.rms == balance.welch == 0.25,
        "Fig. 2's sizes": mean_square == Fraction(230656, 98901),
    }
    return settle(
        claim_of(eq_39_nearest),
        steps,
        "how nearly balanced a placement can be at all",
        evidence={"fig_2_rms": float(mean_square) ** 0.5},
    )


def _is_balanced(holds: Sequence[Sequence[int]]) -> bool:
    """(39) for every pair of parts, exactly."""
    columns = list(zip(*holds, strict=True))
    return all(
        sum(x * y for x, y in zip(a, b, strict=True)) * len(holds) == sum(a) * sum(b)
        for a, b in combinations(columns, 2)
    )


def _most_parts(n_workers: int) -> int:
    """Search all families of sets, none empty or full, for the largest that is pair-wise balanced."""
    sets = [s for size in range(1, n_workers) for s in map(frozenset, combinations(range(n_workers), size))]
    largest, families = 0, [(0, sets)]  # size of a family, and the sets that may join it
    while families:
        size, rest = families.pop()
        largest = max(largest, size)
        for i, new in enumerate(rest):
            families.append((size + 1, [s for s in rest[i + 1 :] if len(s & new) * n_workers == len(s) * len(new)]))
    return largest
