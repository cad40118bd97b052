"""Hold the sentences of onebit_gc against runs, some of which may have diverged."""

from collections.abc import Mapping, Sequence

import numpy as np

from figures.claims import Finding, Outcome, estimate, is_below, ratio, worst
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
            outcomes.append(Outcome.NOT_REPRODUCED if surely_none else is_below(found.low, found.high, 1.0))
            told.append(f"{bits}: {found}")
            evidence |= found.evidence(f"ratio_{bits}")
    return Finding(worst(outcomes), "ratio at bits " + "; ".join(told), evidence)


def beats_at_each(ours: FloatArray, theirs: FloatArray, overheads: Sequence[int]) -> Finding:
    """Judge "ours is lower" at each overhead for itself: where they disagree, it depends on the overhead."""
    looks = range(len(overheads))
    parts = {f"{overheads[at]}": beats(ours[[at]], theirs[[at]], [overheads[at]]) for at in looks}
    return together(parts, open_to="the text does not tell the overhead")


def lower(rows: Mapping[str, FloatArray], *, what: str) -> Finding:
    """Judge "the first row lies below all others": paired differences, simultaneous intervals."""
    (first, own), *others = rows.items()
    outcomes, told = [], []
    evidence: dict[str, float] = {}
    for name, values in others:
        found = estimate(own - values, n_looks=len(others))
        outcomes.append(is_below(found.low, found.high, 0.0))
        told.append(f"{first} − {name}: {found}")
        evidence |= found.evidence(f"{first}_minus_{name}")
    return Finding(worst(outcomes), f"{what}: {'; '.join(told)}", evidence)


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
        outcomes.append(worst([is_below(shift.low, shift.high, share), is_below(-shift.high, -shift.low, share)]))
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
        outcomes += [is_below(found.low, found.high, 1.0), is_below(-found.high, -found.low, -least)]
        told.append(f"{bits}: {found}")
        evidence |= found.evidence(f"share_{bits}")
    return Finding(worst(outcomes), f"share of the other's bits: {'; '.join(told)}", evidence)


def together(parts: Mapping[str, Finding], *, open_to: str = "") -> Finding:
    """Judge "all of these hold".

    Parameters
    ----------
    open_to : what the paper does not tell and the parts differ in; then some that hold and some that do not make the
        sentence depend on it
    """
    outcomes = {part.outcome for part in parts.values()}
    outcome = worst(list(outcomes))
    if open_to and {Outcome.REPRODUCED, Outcome.NOT_REPRODUCED} <= outcomes:
        outcome = Outcome.OPEN
    told = "; ".join(f"{name} {part.outcome} ({part.explanation})" for name, part in parts.items())
    evidence = {f"{name}_{key}": value for name, part in parts.items() for key, value in part.evidence.items()}
    return Finding(outcome, f"{open_to + ': ' if open_to else ''}{told}", evidence)
