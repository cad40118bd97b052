"""Hold the sentences of onebit_gc against runs, some of which may have diverged."""

from collections.abc import Mapping, Sequence

import numpy as np

from figures.claims import Finding, Outcome, all_of, estimate, over_readings, ratio, worst
from workbench.core.types import FloatArray

NOTHING = 1e-9  # a loss below it counts as this much
VISIBLE = 0.95  # ratio above which no advantage can be seen in a figure


def beats(ours: FloatArray, theirs: FloatArray, overheads: Sequence[int]) -> Finding:
    """Judge "ours is lower at every one of these overheads": paired ratios, simultaneous intervals.

    An advantage that is surely below 5 % is none. A run of ours that diverged settles it; where all of theirs diverged
    and none of ours, so does that.

    Parameters
    ----------
    ours, theirs : positive, shape (looks, R); infinite where a run diverged
    overheads : in bits, shape (looks,)
    """
    outcomes, told = [], []
    evidence: dict[str, float] = {}
    for own, other, bits in zip(ours, theirs, overheads, strict=True):
        failed, both = ~np.isfinite(own), np.isfinite(own) & np.isfinite(other)  # (R,) each
        evidence[f"diverged_{bits}"] = float(failed.mean())
        if failed.any():
            outcomes.append(Outcome.NOT_REPRODUCED)
            told.append(f"{bits}: {failed.sum()} of {failed.size} runs diverged")
        elif not both.any():
            outcomes.append(Outcome.REPRODUCED)
            told.append(f"{bits}: all {both.size} runs of the other diverged")
        else:
            above, below = np.maximum(own[both], NOTHING), np.maximum(other[both], NOTHING)
            found = ratio(above, below, n_looks=len(overheads))
            surely_none = found.low > VISIBLE and found.high >= 1
            outcomes.append(Outcome.NOT_REPRODUCED if surely_none else found.below(1.0))
            told.append(f"{bits}: {found}")
            evidence |= found.evidence(f"ratio_{bits}")
    return Finding(worst(outcomes), "ratio at bits " + "; ".join(told), evidence)


def beats_at_each(ours: FloatArray, theirs: FloatArray, overheads: Sequence[int]) -> Finding:
    """Judge "ours is lower" at each overhead for itself: where they disagree, it depends on the overhead."""
    looks = range(len(overheads))
    parts = {f"{overheads[at]}": beats(ours[[at]], theirs[[at]], [overheads[at]]) for at in looks}
    return over_readings(parts)


def lower(rows: Mapping[str, FloatArray], *, what: str) -> Finding:
    """Judge "the first row lies below all others": paired differences, simultaneous intervals."""
    (first, own), *others = rows.items()
    found = {f"{first} − {name}": estimate(own - values, n_looks=len(others)) for name, values in others}
    return all_of(found, lambda each: each.below(0.0), what)


def same(changed: Mapping[str, FloatArray], base: FloatArray, start: FloatArray, *, share: float) -> Finding:
    """Judge "the loss remains almost unchanged": it ends within a share of its fall on the logarithmic scale.

    Paired shifts log(F/F_base)/log(F_start/F_base), simultaneous intervals; a run that diverged settles it.

    Parameters
    ----------
    changed : final losses under each variation, shape (R,) each; base : without any; start : at the start
    """
    outcomes, told = [], []
    evidence: dict[str, float] = {}
    for name, loss in changed.items():
        failed = ~np.isfinite(loss)  # (R,)
        evidence[f"diverged_{name}"] = float(failed.mean())
        if failed.any():
            outcomes.append(Outcome.NOT_REPRODUCED)
            told.append(f"{name}: {failed.sum()} of {failed.size} runs diverged")
            continue
        shift = estimate(np.log(loss / base) / np.log(start / base), n_looks=len(changed))
        outcomes.append(shift.between(-share, share))
        told.append(f"{name}: {shift}")
        evidence |= shift.evidence(f"shift_{name}")
    return Finding(worst(outcomes), f"shift of the end, in falls of the curve: {'; '.join(told)}", evidence)


def share_of_overhead(needed: FloatArray, overheads: Sequence[int], *, least: float = -np.inf) -> Finding:
    """Judge "the overhead is reduced", and if `least` is given, "but less than the bits of a round are".

    Parameters
    ----------
    needed : bits until as good as the other at each of its overheads, shape (looks, R); NaN where never
    overheads : in bits, shape (looks,)
    least : bits of a round as a share of the other's
    """
    outcomes, told = [], []
    evidence: dict[str, float] = {}
    for bits, row in zip(overheads, needed, strict=True):
        never = np.count_nonzero(~np.isfinite(row))
        if never:
            outcomes.append(Outcome.NOT_REPRODUCED)
            told.append(f"{bits}: {never} of {row.size} runs never get there")
            continue
        found = estimate(row / bits, n_looks=len(overheads))
        outcomes.append(found.between(least, 1.0))
        told.append(f"{bits}: {found}")
        evidence |= found.evidence(f"share_{bits}")
    return Finding(worst(outcomes), f"share of the other's bits: {'; '.join(told)}", evidence)
