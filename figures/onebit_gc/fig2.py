"""1-bit gradient coding, SGC and 1-bit learning that ignores stragglers on the regression [onebit_gc, Fig. 2]."""

from collections.abc import Mapping

import numpy as np

from figures.claims import Finding, all_of, every, ratio
from figures.curves import banded, first_time
from figures.onebit_gc import setting
from figures.onebit_gc.judge import beats, beats_at_each, share_of_overhead
from figures.onebit_gc.setting import METHODS, at_overheads, regression, residual, tuned, written
from figures.quantities import Arrays, Quantity
from figures.work import Work
from workbench.schemes.step_sizes import ConstantStep, InverseTimeStep

SCALES = {
    "quick": {"n_runs": 4, "n_pilots": 1, "sgc_rounds": 3, "looks": (1, 2, 3), "n_constant": 14, "n_falling": 6},
    "paper": {
        "n_runs": 20,
        "n_pilots": 2,
        "sgc_rounds": 20,
        "looks": (1, 2, 5, 10, 20),
        "n_constant": 14,
        "n_falling": 6,
    },
}
DIFFERS = (
    *setting.REGRESSION_DIFFERS,
    "Panels (e) and (f) are not in the paper: the same methods, each with the step size out of the same ones that "
    "is best on pilot runs, at each overhead.",
)
RESIDUAL, ERROR = 1000.0, 4.0  # targets of the paper's Fig. 4(c) and (d), here of the rounds needed
ROUND_SHARE = 164 / 6400  # bits of a round, 1-bit over SGC


def candidates(n_constant: int, n_falling: int) -> tuple[ConstantStep | InverseTimeStep, ...]:
    """Return the step sizes that every method may try: constant from 2e-5 down, and c/t from 1e-5/t up."""
    constant = [ConstantStep(2e-5 / 2 ** (power / 2)) for power in range(n_constant)]
    falling = [InverseTimeStep(1e-5 * 2**power) for power in range(n_falling)]
    return (*constant, *falling)


def fig2_data(
    *,
    seed: int,
    work: Work,
    n_runs: int,
    n_pilots: int,
    sgc_rounds: int,
    looks: tuple[int, ...],
    n_constant: int,
    n_falling: int,
) -> dict[str, Quantity]:
    """Run the three methods for the same overhead, and for the same number of rounds.

    The overhead is ψ_t = tρ [eq. 29]: 164 bits a round with 1 bit a coordinate, 6400 without quantization.

    Parameters
    ----------
    sgc_rounds : rounds of SGC that make the longest overhead
    looks : rounds of SGC at whose overheads methods are compared
    n_constant, n_falling : step sizes that every method tries when it is tuned
    """
    sgc_bits = setting.Case("regression", "stochastic", (), (), (20,), 1).message_bits
    overhead = np.arange(0, sgc_rounds * sgc_bits + 1, sgc_bits // 4)  # (G,)
    n_rounds = int(overhead[-1]) // regression("one_bit", (20,), n_rounds=1, n_runs=1).message_bits
    cases: dict[str, setting.Case] = {
        method: regression(method, (1,) if method == "one_bit_ignoring" else (20,), n_rounds=n_rounds, n_runs=n_runs)
        for method in METHODS
    }
    look = np.array(looks) * sgc_bits  # (L,)
    found = setting.simulated(work, seed, cases)
    best = tuned(work, seed, cases, candidates(n_constant, n_falling), look, n_pilots=n_pilots)
    quantities = {
        "method": Quantity(("method",), np.array(METHODS)),
        "overhead": Quantity(("overhead",), overhead, "bit"),
        "round": Quantity(("round",), np.arange(n_rounds + 1)),
        "look": Quantity(("look",), look, "bit"),
        "tuned_step": Quantity(("method", "look"), np.array([[written(s) for s in best[m].steps] for m in METHODS])),
    }
    for name, target, of in (("residual", RESIDUAL, residual), ("error", ERROR, np.sqrt)):
        field = "loss" if name == "residual" else "error_sq"
        rounds = np.stack([of(getattr(found[m], field)) for m in METHODS])  # (methods, R, T+1)
        own = {m: (row, found[m].iterations, cases[m].message_bits) for m, row in zip(METHODS, rounds, strict=True)}
        at_look = np.stack([at_overheads(*own[m], look) for m in METHODS])  # (methods, R, L)
        tuned_at = np.stack([of(getattr(best[m], field)).T for m in METHODS])  # (methods, R, L)
        clock = np.broadcast_to(found["one_bit"].iterations.astype(float), rounds[0].shape)  # (R, T+1)
        quantities |= banded(name, np.stack([at_overheads(*own[m], overhead) for m in METHODS]), ("method", "overhead"))
        quantities |= banded(f"{name}_by_round", rounds, ("method", "round"))
        quantities |= banded(f"tuned_{name}", tuned_at, ("method", "look"))
        quantities[f"{name}_at"] = Quantity(("method", "look", "run"), at_look.swapaxes(1, 2))
        quantities[f"tuned_{name}_at"] = Quantity(("method", "look", "run"), tuned_at.swapaxes(1, 2))
        needed = np.stack([first_time(row, clock, target) for row in rounds])  # (methods, R)
        quantities[f"rounds_to_{name}"] = Quantity(("method", "run"), needed)
        bits = cases["one_bit"].message_bits * clock  # (R, T+1)
        match = setting.overhead_to_match(rounds[0], bits, at_look[1])
        quantities[f"overhead_to_match_{name}"] = Quantity(("look", "run"), match, "bit")
    return quantities


def fig2_claims(data: Arrays) -> Mapping[str, Finding]:
    """Hold the paper's sentences about its Fig. 2 against the runs."""
    index = {method: at for at, method in enumerate(data["method"].tolist())}
    look = data["look"].tolist()

    def against(other: str) -> dict[str, Finding]:
        return {
            f"{name}_against_{other}": beats(
                data[f"{name}_at"][index["one_bit"]], data[f"{name}_at"][index[other]], look
            )
            for name in ("residual", "error")
        }

    def when_tuned(name: str) -> Finding:
        ours, theirs = (data[f"tuned_{name}_at"][index[method]] for method in ("one_bit", "stochastic"))
        return beats_at_each(ours, theirs, look)

    return {
        "fig2_better_at_equal_overhead": every(against("stochastic") | against("one_bit_ignoring")),
        "fig2_more_rounds_than_sgc": _more_rounds(data, index),
        "fig2_overhead_moderately_reduced": every(
            {
                name: share_of_overhead(data[f"overhead_to_match_{name}"], look, least=ROUND_SHARE)
                for name in ("residual", "error")
            }
        ),
        "fig2_rounds_beat_precision": every({name: when_tuned(name) for name in ("residual", "error")}),
        "fig2_better_than_ignoring_stragglers": every(against("one_bit_ignoring")),
    }


def _more_rounds(data: Arrays, index: Mapping[str, int]) -> Finding:
    """Judge whether the 1-bit method needs more rounds than SGC to the same residual, and to the same error."""
    found = {}
    for name in ("residual", "error"):
        needed = data[f"rounds_to_{name}"]
        found[name] = ratio(needed[index["stochastic"]], needed[index["one_bit"]], n_looks=2)
    return all_of(found, lambda each: each.below(1.0), "rounds of SGC in those of the 1-bit method", prefix="rounds_")
