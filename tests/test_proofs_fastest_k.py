"""Every check of fastest_k notices a spoiled constant, and its counterexamples are ones for the real thing."""

from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import pytest

from proofs_check.fastest_k import renewal
from proofs_check.registry import checks
from proofs_check.tools import balls, smt
from workbench.core.claims import Grade, Status

CHECKS = {key: each for key, each in checks().items() if key.startswith("fastest_k/")}
SPOILED: list[tuple[str, dict[str, Any], str]] = [
    ("eq_2", {"normaliser": 2}, "1/m"),
    ("eq_4", {"descends": True}, "-3"),
    ("eq_5", {"shift": 0}, "two parts"),
    ("eq_5", {"shift": 2}, "variance"),
    ("section_i_batch_equivalence", {"part_size": 4}, "variance 1"),
    ("section_i_convergence", {"n_wait": 2}, "tends"),
    ("assumption_1", {"form": 3}, "integral"),
    ("assumption_2", {"factor": 3}, "g d"),
    ("assumption_3", {"n_wait": 1}, "the pair"),
    ("proposition_1", {"n_wait": 1}, "1/384"),
    ("proposition_1_repaired", {"floor": 3}, "one round"),
    ("proposition_1_repaired", {"limit": 3}, "sharper"),
    ("proposition_1_fixed_parts", {"left_out": 0}, "none at k = n"),
    ("remark_1", {"factor": 1}, "(a + b)^2"),
    ("remark_1", {"factor": 3}, "every eigenvalue"),
    ("eq_9", {"random_ties": False}, "uniform"),
    ("eq_10", {"power": 1}, "z^2"),
    ("eq_11", {"sums": True}, "first three"),
    ("eq_11_repaired", {"reached": False}, "by paths"),
    ("eq_12", {"shift": 1}, "right side"),
    ("eq_12_repaired", {"shift": 0}, "J > x"),
    ("eq_12_repaired", {"shift": 2}, "J > x"),
    ("eq_13", {"factor": 25}, "right side"),
    ("eq_13_repaired", {"lost": 0}, "mu (x - 1)"),
    ("eq_14", {"sign": 1}, "lower tail"),
    ("eq_14_repaired", {"upper": 0}, "upper tail"),
    ("eq_15", {"y_power": 1}, "at most -1"),
    ("eq_16", {"factor": 1}, "substitution"),
    ("eq_16_repaired", {"printed": 1}, "half"),
    ("eq_16_repaired", {"reach": 1}, "u^2"),
    ("lemma_1", {"slack_inverse": 100}, "700/23763"),
    ("lemma_1", {"slack_inverse": 1}, "initial error"),
    ("lemma_1_repaired", {"above": -1}, "larger bound"),
    ("lemma_1_in_the_mean", {"late": 0}, "below"),
    ("eq_17", {"loss": 2}, "(6)"),
    ("eq_18", {"sign": 1}, "derivative"),
    ("eq_19", {"scale": 2}, "restart"),
    ("eq_20", {"scale": 2}, "restart"),
    ("eq_21", {"sign": 1}, "derivative"),
    ("eq_22", {"more": 2}, "floor"),
    ("eq_23", {"at_once": 1}, "exponential"),
    ("eq_24", {"scale": 2}, "rate"),
    ("eq_25", {"at_least": True}, "holds at"),
    ("eq_25_repaired", {"at_least": False}, "equivalent"),
    ("eq_26", {"shift": 0}, "equal at"),
    ("theorem_1", {"rival": 2}, "rival"),
    ("theorem_1_repaired", {"sign": -1}, "integrand"),
    ("theorem_1_exponential", {"waiting": 0}, "n = 5"),
    ("eq_7", {"first": 1}, "example"),
    ("example_1", {"last": 20_000}, "too large"),
    ("example_1", {"adaptive": 560}, "too small"),
    ("example_1_repaired", {"mean_wait": 5}, "12423"),
    ("number_589", {"time": 588}, "589"),
    ("number_589", {"ratio": 1}, "589"),
    ("number_1098", {"time": 1097}, "1097"),
    ("number_6623", {"time": 6622}, "6622"),
    ("algorithm_1", {"newest": -1}, "every pass"),
    ("algorithm_1_repaired", {"threshold": 2}, "same k"),
    ("section_iv_phase_transition", {"threshold": 9}, "9000"),
    ("section_iv_phase_transition_repaired", {"sign": 1}, "stationary phase"),
    ("eq_8", {"second": 1}, "no label"),
    ("eq_8_repaired", {"mirrored": 1}, "label 1"),
    ("number_m_of_v_b", {"caption": 80}, "differ"),
    ("number_burnin_200", {"burn_in": 100}, "tenth"),
    ("section_v_lambda", {"ridge": "0.02"}, "three values"),
    ("section_v_a_step_size", {"per_sample": 2000}, "grows"),
    ("section_v_a_step_size_repaired", {"step_inverse": 1900}, "mean trace"),
    ("section_v_a_proposition_1", {"limit": 0}, "limit"),
]


@pytest.mark.parametrize(("name", "spoiled", "step"), SPOILED)
def test_a_spoiled_constant_is_noticed(name: str, spoiled: dict[str, Any], step: str) -> None:
    verdict = CHECKS[f"fastest_k/{name}"](**spoiled)
    assert (verdict.status, verdict.grade) == (Status.UNDERDETERMINED, Grade.TESTED)
    assert step in verdict.explanation


def test_every_check_is_spoiled_somewhere() -> None:
    assert {f"fastest_k/{name}" for name, _, _ in SPOILED} == set(CHECKS)


def test_rounds_are_counted_as_in_a_plain_enumeration() -> None:
    law = {Fraction(1, 2): Fraction(1, 3), Fraction(1): Fraction(2, 3)}
    time, by_hand = Fraction(2), dict.fromkeys(range(5), Fraction(0))
    for path in product(law, repeat=5):
        weight = prod((law[length] for length in path), start=Fraction(1))
        by_hand[sum(sum(path[: z + 1]) <= time for z in range(5))] += weight
    assert renewal.rounds_done(law, time) == {count: prob for count, prob in by_hand.items() if prob}


def test_order_statistics_of_a_coin() -> None:
    law = {Fraction(0): Fraction(1, 2), Fraction(1): Fraction(1, 2)}
    assert renewal.order_statistic(law, 3, 1) == {Fraction(0): Fraction(7, 8), Fraction(1): Fraction(1, 8)}
    assert (renewal.mean(law), renewal.variance(law)) == (Fraction(1, 2), Fraction(1, 4))
    assert list(renewal.averages([Fraction(1), Fraction(2), Fraction(3)], 2)) == [Fraction(n, 2) for n in (3, 4, 5)]


def test_tools_refuse_what_is_not_shown() -> None:
    import z3

    x = z3.Real("x")
    assert smt.follows(x * x > 1, x > 1)
    assert not smt.follows(x * x > 2, x > 1)
    assert not smt.follows(x > 3, x > 1, x < 0), "premises that contradict each other show nothing"
    assert balls.positive_throughout(lambda r: r * r + 1 - r, Fraction(0), Fraction(2), cells=50)
    assert not balls.positive_throughout(lambda r: r * r - 1, Fraction(0), Fraction(2), cells=50)
    assert balls.ball(Fraction(1, 3)) * 3 - 1 < balls.ball(Fraction(1, 10**9))
