"""Every check of onebit_gc notices a spoiled constant, and its counterexamples are ones for the real thing."""

import numpy as np
import pytest

from proofs_check.onebit_gc import second_moment
from proofs_check.registry import checks
from workbench.bounds import onebit_gc as bounds
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placements import uniform_random
from workbench.core.claims import Status
from workbench.core.types import Regularity
from workbench.moments.enumeration import error_by_enumeration
from workbench.quantizers.random_sign import RandomSign

CHECKS = {key: each for key, each in checks().items() if key.startswith("onebit_gc/")}
SPOILED = [
    ("eq_1", {"sign": -1}),
    ("eq_3", {"straggle_prob": 0.25}),
    ("eq_4", {"size": 4}),
    ("eq_5", {"power": 2}),
    ("eq_6", {"percent": (80, 80)}),
    ("eq_7", {"sign": 1}),
    ("eq_8", {"doubled": 1.0}),
    ("ignoring_stragglers", {"copies": 2}),
    ("bits_of_a_message", {"one": 2}),
    ("number_164_bits", {"norm_bits": 32}),
    ("number_6400_bits", {"norm_bits": 32}),
    ("eq_29", {"workers": 10}),
    ("definition_1", {"half": 1}),
    ("eq_10", {"power": 2}),
    ("eq_11", {"power": 0}),
    ("eq_12", {"offset": 0}),
    ("eq_12_repaired", {"scale": 3}),
    ("lemma_2", {"gradients": 1}),
    ("lemma_2", {"pairs": 2}),
    ("lemma_2_any_placement", {"excess": 0}),
    ("lemma_2_repaired", {"power": 1}),
    ("lemma_2_random_placement", {"most": 2}),
    ("lemma_2_by_chance", {"pairs": 1}),
    ("lemma_3", {"constant": 1}),
    ("theorem_1", {"constant": 2}),
    ("theorem_1", {"constant": 5}),
    ("theorem_1_repaired", {"at_two": 1}),
    ("theorem_1_recursion", {"factor": 1}),
    ("theorem_1_recursion", {"factor": 3}),
    ("number_0_00001_t", {"samples": 999}),
    ("number_0_00001_t", {"columns": 90}),
    ("eq_16", {"parts": 6}),
    ("eq_17", {"slope": 2}),
    ("eq_19", {"power": 1}),
    ("eq_19_repaired", {"step": 2}),
    ("homogeneous_data_distribution", {"copies": 1}),
    ("replication_accelerates", {"least": 2}),
    ("fewer_stragglers_accelerate", {"sign": -1}),
    ("number_d_of_fig_3", {"mean": 14}),
    ("definition_2", {"scale": 2}),
    ("eq_21", {"four": 2}),
    ("eq_22", {"bracket": 0}),
    ("eq_22_repaired", {"quarter": 2}),
    ("eq_23", {"power": -4}),
    ("theorem_2_repaired", {"constant": 3}),
    ("eq_24", {"four": 2}),
    ("eq_25", {"bracket": 0}),
    ("theorem_3_repaired", {"log_offset": 0}),
    ("eq_27", {"noise": 0}),
    ("eq_28", {"printed": False}),
    ("eq_28_repaired", {"half": 1}),
    ("eq_30", {"rise": 10}),
    ("number_1001_variables", {"terms": 999}),
    ("eq_31", {"flattest": 8}),
    ("eq_32", {"order": 1}),
    ("eq_33", {"power": 2}),
    ("eq_34", {"power": 1}),
    ("eq_35", {"spare": 0}),
    ("eq_35_repaired", {"spare": 2}),
    ("second_moment", {"constant": 0}),
    ("eq_36", {"power": 0}),
    ("eq_37", {"copies": 3}),
    ("eq_38", {"spare": 0}),
    ("eq_38_repaired", {"share": 2}),
    ("eq_39", {"experiments": ((8, 7, (4,)),)}),
    ("eq_39_repaired", {"lost": 0}),
    ("eq_39_repaired", {"lost": 2}),
    ("eq_39_nearest", {"lost": 0}),
    ("eq_40", {"pairs": 0}),
    ("eq_41", {"slack": 2}),
    ("eq_42", {"power": 1}),
    ("eq_43", {"power": 1}),
    ("eq_44", {"less": 0}),
    ("eq_45", {"sign": -1}),
    ("eq_46", {"sign": -1}),
    ("eq_47", {"parts": 2}),
    ("eq_48", {"last": 0}),
    ("eq_48_repaired", {"noise": 2}),
    ("eq_49", {"power": 2}),
    ("eq_50", {"outer": 4}),
    ("eq_51", {"two": 1}),
    ("eq_52", {"half": 1}),
    ("eq_54", {"outer": 1}),
    ("eq_55", {"offset": 0}),
    ("eq_56", {"power": 2}),
    ("eq_57", {"power": 0}),
]
JOINED = {"lemma_1", "theorem_2", "theorem_3", "eq_26", "eq_53"}  # nothing of their own to spoil


@pytest.mark.parametrize(("name", "spoiled"), SPOILED)
def test_a_spoiled_constant_is_noticed(name: str, spoiled: dict[str, object]) -> None:
    verdict = CHECKS[f"onebit_gc/{name}"](**spoiled)
    assert verdict.status is Status.UNDERDETERMINED, spoiled


def test_every_check_with_a_constant_is_spoiled_once() -> None:
    assert {key.partition("/")[2] for key in CHECKS} - {name for name, _ in SPOILED} <= JOINED


def test_the_exact_second_moment_is_that_of_the_code() -> None:
    rng = np.random.default_rng(1)
    for dim in (1, 3):
        placement = uniform_random.place(5, 4, np.array([1, 2, 3, 5]), rng=rng)
        holds = placement.holds.toarray()  # (W, P)
        weights = placement.holds.multiply(1 / placement.replication).tocsr()
        code = GradientCode("random", weights, FixedDecoder(np.full(5, 1 / 0.7)), RandomSign(np.ones(5, np.int64)))
        grads = rng.standard_normal((4, dim))  # (P, D)
        mean, error = error_by_enumeration(code, np.full(5, 0.3), grads)
        messages = holds / placement.replication @ grads  # (W, D)
        np.testing.assert_allclose(mean, grads.sum(axis=0), rtol=1e-12)
        assert error == pytest.approx(bounds.noise_factor(dim, 0.3) * np.sum(messages**2), rel=1e-12)


def test_the_counterexample_to_lemma_2_is_one_for_the_code() -> None:
    holds = np.array([[1.0, 1.0], [0.0, 0.0]])
    evidence = second_moment.lemma_2_any_placement().evidence
    reg = Regularity(grad_bound_sq=1.0)
    assert evidence["example"] == 8.0 == bounds.lemma_2_repaired(reg, bounds.masses(holds), 1, 0.5).value
    assert evidence["printed"] == 7.0 == bounds.lemma_2(reg, [1, 1], 2, 1, 0.5).value
    assert evidence["paper_sizes_ratio"] == pytest.approx(3.09, abs=0.005)
