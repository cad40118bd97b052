"""Every check of quantimed notices a spoiled constant, and its counterexamples are ones for the real thing."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from proofs_check.quantimed import theorem_1, theorem_2
from proofs_check.quantimed.notation import ONE, PAIR, close, raises
from proofs_check.registry import checks
from proofs_check.tools.symbolic import combines
from workbench.bounds import quantimed as bounds
from workbench.core.claims import Status
from workbench.core.errors import InputError
from workbench.core.types import Regularity

CHECKS = {key: each for key, each in checks().items() if key.startswith("quantimed/")}
SPOILED = [
    ("eq_1", {"slope": 2}),
    ("eq_2", {"power": 2}),
    ("eq_4", {"parts": 1}),
    ("eq_5", {"sign": 1}),
    ("section_2_accuracy", {"root": 1}),
    ("section_2_population_risk", {"twice": 1}),
    ("assumption_1", {"own": Fraction(1, 2)}),
    ("assumption_1_repaired", {"sign": -1}),
    ("spectral_gap", {"gap": 1.0}),
    ("laplacian_weights", {"divisor": Fraction(7, 2)}),
    ("laplacian_weights_repaired", {"double": 1}),
    ("laplacian_weights_repaired", {"double": 3}),
    ("assumption_2", {"least": 6}),
    ("assumption_2_repaired", {"quarter": 2}),
    ("assumption_3", {"mean_of": 1}),
    ("assumption_4", {"other": 3}),
    ("assumption_5", {"sign": -1}),
    ("local_gradients", {"size": 1}),
    ("local_gradients_repaired", {"less": 0}),
    ("eq_6", {"size": 1}),
    ("eq_6_variance", {"left": 0}),
    ("empty_batch", {"chance": Fraction(1, 3)}),
    ("batch_size", {"speed": Fraction(2)}),
    ("deadline", {"low": 20}),
    ("slowest_worker", {"growth": 2}),
    ("remark_1", {"samples": 1}),
    ("remark_1_repaired", {"round_up": 1}),
    ("eq_7", {"half": 3}),
    ("eq_7", {"top": 1}),
    ("eq_8", {"sign": 1}),
    ("algorithm_1", {"rounds": 2}),
    ("algorithm_1_start", {"out": 1}),
    ("algorithm_1_start", {"start": 0.5}),
    ("dsgd", {"own": True}),
    ("q_dsgd", {"rounds": 2}),
    ("asynchronous_dsgd", {"travel_s": 2.0}),
    ("number_16_bit_precision", {"float_bits": 32}),
    ("number_1024", {"channels": 3}),
    ("number_200_samples", {"workers": 60}),
    ("number_step_sizes", {"scales": (14, 14)}),
    ("number_connectivity_0_4", {"workers": 40}),
    ("number_mean_speed", {"slowest": 20}),
    ("theorem_1_penalty", {"half": 1}),
    ("theorem_1_co_coercivity", {"half": 1}),
    ("theorem_1_contraction", {"top": 3}),
    ("theorem_1_noise", {"power": 1}),
    ("theorem_1_gradients", {"two": 1}),
    ("theorem_1_distance", {"one": 0}),
    ("theorem_1_start", {"half": 1}),
    ("theorem_1_recursion", {"power": 1}),
    ("theorem_1_empty_batches", {"two": 1}),
    ("theorem_1_repaired", {"two": 1}),
    ("theorem_1_best_steps", {"quarter": 2}),
    ("theorem_1_t_min", {"base": 24}),
    ("theorem_1", {"exponents": (1, 2)}),
    ("theorem_1", {"exponents": (2, 3)}),
    ("theorem_1_quadratic", {"sign": 1}),
    ("remark_2", {"power": 4}),
    ("remark_2", {"power": 6}),
    ("remark_2_repaired", {"half": 1}),
    ("theorem_2_mean_model", {"power": 1}),
    ("theorem_2_descent", {"half": 1}),
    ("eq_11_contraction", {"top": 3}),
    ("eq_11_drift", {"two": 1}),
    ("eq_11_noise", {"power": 1}),
    ("eq_11_recursion", {"two": 1}),
    ("eq_11_repaired", {"two": 1}),
    ("eq_11_repaired", {"two": 3}),
    ("eq_11", {"level": 2}),
    ("theorem_2_recursion", {"two": 1}),
    ("theorem_2_repaired", {"four": 3}),
    ("theorem_2", {"rate": Fraction(1, 8)}),
    ("theorem_2_steps", {"third": 4}),
    ("approximate_solution", {"both": 3}),
]


@pytest.mark.parametrize(("name", "spoiled"), SPOILED)
def test_a_spoiled_constant_is_noticed(name: str, spoiled: dict[str, object]) -> None:
    verdict = CHECKS[f"quantimed/{name}"](**spoiled)
    assert verdict.status is Status.UNDERDETERMINED, spoiled


def test_every_check_is_spoiled_once() -> None:
    assert {key.partition("/")[2] for key in CHECKS} == {name for name, _ in SPOILED}


@pytest.mark.parametrize("name", ["theorem_1_recursion", "theorem_1_repaired", "distance"])
def test_a_bound_that_is_a_tenth_too_small_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = getattr(bounds, name)

    def smaller(*given: object, **named: object) -> object:
        found = printed(*given, **named)
        return type(found)(0.9 * found.value, found.quantity) if hasattr(found, "value") else 0.9 * found

    monkeypatch.setattr(bounds, name, smaller)
    check = "theorem_1_distance" if name == "distance" else name
    assert CHECKS[f"quantimed/{check}"]().status is Status.UNDERDETERMINED


@pytest.mark.parametrize(
    "name", ["consensus_recursion", "consensus_repaired", "theorem_2_recursion", "theorem_2_repaired"]
)
def test_a_nonconvex_bound_that_is_a_tenth_too_small_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = getattr(bounds, name)
    check = f"quantimed/{name.replace('consensus', 'eq_11')}"
    assert CHECKS[check]().status is Status.PROVED
    monkeypatch.setattr(
        bounds, name, lambda *given, **named: type(b := printed(*given, **named))(0.9 * b.value, b.quantity)
    )
    assert CHECKS[check]().status is Status.UNDERDETERMINED


def test_premises_combine_only_with_nonnegative_weights() -> None:
    x, y = theorem_1.ee, theorem_1.gg
    assert combines(2 * x + y, {x: ONE + 1, y: ONE})
    assert not combines(2 * x - y, {x: ONE + 1, y: -ONE})
    assert not combines(3 * x + y, {x: ONE + 1, y: ONE})
    assert close([1.0], [1 + 1e-13])
    assert not close([1.0], [1 + 1e-11])

    def refuse() -> None:
        raise InputError("for the test")

    assert raises(refuse)
    assert not raises(lambda: None)


def test_the_counterexample_to_eq_11_by_all_signs() -> None:
    """Two rounds of Q(x) = x ± 1 by hand: 16 equally likely signs, c_0 = 0, c_1 and c_2 in rational numbers."""
    mix, levels = theorem_2.MIX, []
    for signs in product((-1, 1), repeat=4):
        x, apart = [Fraction(0), Fraction(0)], []
        for first, second in (signs[:2], signs[2:]):
            z = [x[0] + first, x[1] + second]
            x = [(1 - mix / 2) * x[i] + mix / 2 * z[1 - i] for i in (0, 1)]
            middle = sum(x) / 2
            apart.append(sum((each - middle) ** 2 for each in x) / 2)
        levels.append(apart)
    c_1, c_2 = (sum(each) / 16 for each in zip(*levels, strict=True))
    assert c_1 == Fraction(1, 512)
    assert c_2 == (1 - mix) ** 2 * c_1 + c_1


def test_the_counterexample_to_eq_10_by_the_update() -> None:
    x, total = np.zeros(2), 0.0
    for _ in range(theorem_2.ROUNDS):
        total += float(np.mean(x) - 1) ** 2
        x = x - 0.125 * ((np.eye(2) - PAIR) @ x + 0.5 * (x - 1))
    evidence = theorem_2.theorem_2().evidence
    assert evidence["average"] == pytest.approx(total / theorem_2.ROUNDS, rel=1e-12)
    assert evidence["printed"] == 0.0


def test_the_counterexample_to_remark_2_by_the_update() -> None:
    """√T (f − f*) at T = n⁸ for n = 2 and 3 grows as n²."""
    scaled = []
    for n in (2, 3):
        x = np.zeros(2)
        for _ in range(n**8):
            x = x - n**-3.0 * ((np.eye(2) - PAIR) @ x + (x - np.array([1.0, -1.0])) / n)
        scaled.append(n**4 * x[0] ** 2 / 2)
    assert scaled[0] >= 4 / 32
    assert scaled[1] >= 9 / 32
    assert scaled[1] / scaled[0] == pytest.approx((3**4 / 4**2) / (2**4 / 3**2), rel=1e-3)


def test_t_min_by_the_update() -> None:
    """μ = K = 1/100, δ = 1/4: at T = (4μ)^(−2) = 625 more than half the error is left; (9) without O(.) says 4e-5."""
    kept = (1 - 0.01 * 625**-0.5) ** 1250
    reg = Regularity(strong_convexity=0.01, smoothness=0.01, grad_var=0.0)
    printed = bounds.theorem_1(reg, 0.0, 625, exponent=0.25, grad_sq=2e-4, quantizer_var=0.0, inverse_batch=0.0).value[
        0
    ]
    assert kept > 0.5 > 2499 * printed
