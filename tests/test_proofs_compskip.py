"""Every check of compskip notices a spoiled constant, and its counterexamples are ones for the real thing."""

from fractions import Fraction
from itertools import product
from math import ceil, log2

import numpy as np
import pytest
import sympy as sp

from proofs_check.compskip import experiments, lemma_2, theorem_1_rates
from proofs_check.registry import checks
from workbench.core.claims import Status
from workbench.quantizers.sparse_sign import SparseSign

CHECKS = {key: each for key, each in checks().items() if key.startswith("compskip/")}
SPOILED = [
    ("definition_of_sign", {"keep_prob": 0.25}, "sign below β, 0 above"),
    ("definition_of_sign", {"zero": 1.0}, "sign below β, 0 above"),
    ("eq_11", {"short": Fraction(1, 2)}, "short messages grow"),
    ("eq_11", {"half": 3}, "exact mean"),
    ("contraction_of_signs_repaired", {"threshold": Fraction(1, 4)}, "contracts above c/2"),
    ("eq_11_repaired", {"dims": 2}, "attained"),
    ("number_d", {"classes": 1001}, "25,557,032"),
    ("number_1359", {"batch": 129}, "1430 for all"),
    ("number_122310", {"epochs": 91}, "122,310"),
    ("number_0_21d", {"kept": Fraction(3, 20)}, "0.21d"),
    ("number_0_27md", {"server_kept": Fraction(1, 4)}, "the server's has 0.45"),
    ("number_0_27md_repaired", {"kept": 2}, "sent"),
    ("number_82_gb", {"saved": Fraction(3, 200)}, "6.5643e11"),
    ("number_246_gb", {"sends": Fraction(7, 20)}, "1.9693e12"),
    ("number_328_gb", {"workers_skip": Fraction(3, 40)}, "205"),
    ("table_2", {"server_kept": Fraction(3, 20)}, "as printed at β̃ = 0.3"),
    ("section_iii_a", {"best": 2}, "largest"),
    ("section_iii_b", {"threshold": 7631}, "up to 0.4"),
    ("number_76_percent", {"threshold": 7585}, "three below"),
    ("section_iii_c", {"workers": 8}, "as printed"),
    ("number_0_09_percent", {"ours": 7601}, "0.09"),
    ("table_1", {"ours": 7641}, "as in III"),
    ("lemma_1_step_1", {"sign": 0}, "Δ̃ drops out"),
    ("lemma_1_step_2", {"share": 2}, "regrouped"),
    ("lemma_1_step_3", {"kept": 2}, "line 12"),
    ("lemma_1_step_4", {"decay": 2}, "line 7"),
    ("lemma_1_step_5", {"power": 2}, "regrouped"),
    ("lemma_1", {"shared": 2}, "missed by"),
    ("lemma_1_repaired", {"lag": 3}, "exact steps"),
    ("remark_momentum", {"gamma_tenths": 10}, "a gradient's weight is linear in the rounds"),
    ("eq_9", {"two": 3}, "‖a + b‖² ≤ 2‖a‖² + 2‖b‖²"),
    ("eq_10", {"skipped": 1}, "skippers"),
    ("eq_12", {"sign": -1}, "δ ≤ δ_β"),
    ("eq_13", {"decay": 2}, "line 7"),
    ("eq_14", {"one": 2}, "Young"),
    ("eq_15", {"power": 3}, "skippers"),
    ("eq_16", {"spread": 4}, "σ² = 1"),
    ("eq_16_repaired", {"noise": 0}, "E‖g‖² ≤ G²"),
    ("eq_18", {"one": 2}, "linear in a_t"),
    ("eq_19", {"first": 1}, "t = 0"),
    ("eq_20", {"half": 3}, "β"),
    ("eq_21", {"two": 3}, "limit"),
    ("lemma_2", {"big": Fraction(16)}, "(b) exceeded"),
    ("lemma_2", {"half": Fraction(1, 4)}, "(b) printed U"),
    ("lemma_2_repaired", {"power": 2}, "H recurs"),
    ("lemma_2_step_8", {"scale": 2}, "4/δ² ≥ (T + 1)²"),
    ("lemma_2_recursion", {"cross": 3}, "(√a + ω)²"),
    ("lemma_2_step_1", {"answers": 1}, "skipped: nothing is shed"),
    ("lemma_2_step_1_repaired", {"power": 3}, "skipped: γ² ≤ 1 − δ̃"),
    ("eq_22", {"sent": 1}, "c contracts by 1"),
    ("eq_22_repaired", {"most": 2}, "|S| ≤ M"),
    ("eq_23", {"two": 3}, "δ ≤ δ_β"),
    ("lemma_2_step_2", {"two": 3}, "put in"),
    ("lemma_2_step_3", {"one": 2}, "αβ/(1 − α) + β"),
    ("lemma_2_step_4", {"power": 2}, "dropped"),
    ("lemma_2_step_5", {"four": 5}, "product"),
    ("lemma_2_step_6", {"half": 3}, "α"),
    ("eq_24", {"four": 5}, "put in"),
    ("eq_25", {"rising": 2}, "β falls with M_t"),
    ("eq_26", {"rounds": 5}, "a_5"),
    ("eq_26_repaired", {"doubled": 3}, "t to t + 1"),
    ("lemma_2_step_7", {"sixteen": 17}, "twice (26)"),
    ("algorithm_1", {"own": 0}, "all masks and skips of two rounds"),
    ("algorithm_1", {"decay": Fraction(1, 4)}, "all masks and skips of two rounds"),
    ("algorithm_1", {"answered": 2}, "all masks and skips of two rounds"),
    ("algorithm_1_line_15", {"skip_tenths": 4}, "26.7"),
    ("special_case_signsgd", {"keep_prob": Fraction(1, 2)}, "a lone worker always moves"),
    ("special_case_dropsignsgd", {"decay": 0.5}, "nothing is lost"),
    ("assumption_1", {"lower": False}, "−x: not bounded below"),
    ("eq_2", {"halves": 2}, "integral"),
    ("assumption_2", {"bound": 2}, "E‖g‖²"),
    ("assumption_3", {"farthest": 2}, "t to t + 1"),
    ("assumption_4", {"workers": 3}, "given s = 1 above Mσ²"),
    ("theorem_1", {"always": 2}, "(a) x stays"),
    ("theorem_1", {"up": Fraction(1, 8)}, "(b) unbiased"),
    ("theorem_1_step_1", {"first": 1}, "x̃_0 = x_0"),
    ("eq_3", {"half": sp.Rational(1, 4)}, "put in"),
    ("eq_4", {"bias": 1}, "E_t"),
    ("theorem_1_step_2", {"cross": 3}, "square"),
    ("theorem_1_step_3", {"half": sp.Rational(1, 4)}, "put in"),
    ("theorem_1_step_4", {"correlation": 1}, "one more worker"),
    ("eq_5", {"power": 3}, "Mσ²/M²"),
    ("eq_6", {"half": 3}, "var ≤ σ²/M"),
    ("eq_7", {"half": sp.Rational(1, 4)}, "Young"),
    ("eq_8", {"power": 3}, "definition"),
    ("theorem_1_step_5", {"scale": 2}, "by 2"),
    ("theorem_1_step_6", {"half": 3}, "put in"),
    ("theorem_1_step_7", {"low": Fraction(2)}, "not against the mean"),
    ("theorem_1_step_8", {"two": 1}, "leaves a quarter"),
    ("theorem_1_step_9", {"four": 5}, "times"),
    ("theorem_1_step_10", {"lower": -1}, "f ≥ f*"),
    ("theorem_1_step_11", {"first": 2}, "and no more"),
    ("theorem_1_step_12", {"power": 3}, "T to T + 1, power 2"),
    ("theorem_1_step_13", {"decay": Fraction(1, 4)}, "closed form"),
    ("theorem_1_step_13", {"loose": 2}, "k = 1"),
    ("theorem_1_step_sizes", {"rounds": 11}, "2.358"),
    ("theorem_1_step_sizes", {"inverse_c": 10}, "too large in the experiment"),
    ("theorem_1_step_14", {"order": 1}, "third at U ≥ (T + 1)²"),
    ("remark_higher_term", {"workers": 3}, "two"),
    ("theorem_1_corrected", {"half": 3}, "one round"),
    ("theorem_1_recursion", {"sign": 2}, "exact steps"),
    ("theorem_1_repaired", {"four": 5}, "rate"),
]


@pytest.mark.parametrize(("name", "spoiled", "step"), SPOILED)
def test_a_spoiled_constant_is_noticed(name: str, spoiled: dict[str, object], step: str) -> None:
    verdict = CHECKS[f"compskip/{name}"](**spoiled)
    assert verdict.status is Status.UNDERDETERMINED
    assert verdict.explanation.startswith("the proof fails at: ")
    assert step in verdict.explanation


def test_every_check_is_spoiled() -> None:
    assert {key.partition("/")[2] for key in CHECKS} == {name for name, _, _ in SPOILED}


def test_a_code_of_sparse_signs_needs_the_bits_claimed() -> None:
    """Entropy of 0, +1, −1 with 1 − β, β/2, β/2, summed directly; the implementation sends a seed instead."""
    entropy = -sum(prob * log2(prob) for prob in (0.7, 0.15, 0.15))
    evidence = experiments.number_0_21d().evidence
    assert evidence["entropy_low"] < 0.7 * entropy < evidence["entropy_high"]
    sent = SparseSign(np.ones(1, np.int64), 0.3).message_bits(experiments.PARAMETERS)[0]
    assert sent == ceil(0.3 * experiments.PARAMETERS) + 32


def test_the_gigabytes_of_table_2_by_all_outcomes_of_the_coins() -> None:
    """Mean bits of both directions by all outcomes of the coins, not by the products of the text."""
    for tenths, (printed, _) in experiments.TABLE_2.items():
        skips, server_skip = Fraction(3, 10), Fraction(tenths, 10)
        sent = Fraction(0)
        for coins in product((0, 1), repeat=experiments.WORKERS + 1):  # 1: sends
            *workers, server = coins
            chance = (1 - server_skip) if server else server_skip
            for coin in workers:
                chance *= (1 - skips) if coin else skips
            sent += chance * Fraction(3, 10) * (sum(workers) + experiments.WORKERS * server)
        saved = 2 * experiments.WORKERS * Fraction(3, 10) - sent
        bits = saved * experiments.PARAMETERS * experiments.EPOCHS * experiments.AN_EPOCH
        assert round(bits / (8 * 10**9)) == printed


def test_the_counterexamples_are_ones_for_the_algorithm() -> None:
    held = lemma_2.lemma_2().evidence
    assert held["held_sq"] == 961.0 > held["printed"] == 888.0
    evidence = theorem_1_rates.theorem_1_step_14().evidence
    assert evidence["at_10000"] > evidence["at_100"] > 400
