"""Every proof goes through as printed (or with its erratum), and fails with a spoiled constant."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from proofs_check import bit_allocation, hetero_gc
from proofs_check.tools import symbolic
from workbench.codes.code import GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.claims import Grade, Status, Verdict, claim_of
from workbench.moments.enumeration import error_by_enumeration
from workbench.quantizers.identity import Identity
from workbench.quantizers.stochastic_levels import StochasticLevels

EXPECTED = {
    "quantizer_variance": (Status.PROVED, Grade.PROVED),
    "lemma_1": (Status.HOLDS_WITH_ERRATUM, Grade.PROVED),
    "theorem_1": (Status.PROVED, Grade.PROVED),
    "lemma_2": (Status.HOLDS_WITH_ERRATUM, Grade.PROVED),
    "proposition_1": (Status.PROVED, Grade.PROVED),
    "proposition_2": (Status.HOLDS_WITH_ERRATUM, Grade.PROVED),
    "lemma_3": (Status.HOLDS, Grade.ENUMERATED),
    "theorem_2": (Status.HOLDS_WITH_ERRATUM, Grade.PROVED),
    "theorem_3": (Status.PROVED, Grade.PROVED),
}
SPOILED = [
    ("quantizer_variance", {"denominator": 5}, "1/denominator"),
    ("quantizer_variance", {"loss": 2}, "sharper constant"),
    ("lemma_1", {"quantizer_weight": 0}, "shares add up"),
    ("theorem_1", {"power": 2}, "stationarity"),
    ("theorem_1", {"power": 0}, "y/u is the same"),
    ("lemma_2", {"constant": 2}, "each worker's share"),
    ("proposition_1", {"decreasing": -1}, "larger U"),
    ("proposition_1", {"decreasing": 2}, "inner optimum"),
    ("proposition_2", {"unbiased_cost": 2}, "V(v-bar) <= V(v)"),
    ("proposition_2", {"shrink": 2}, "v-bar = c v, columns"),
    ("proposition_2", {"shrink": 0}, "v-bar = c v, aligned"),
    ("lemma_3", {"first": 1}, "enumeration"),
    ("theorem_2", {"constant": 1}, "T = 2"),
    ("theorem_2", {"constant": 0}, "for all t >= 2"),
    ("theorem_3", {"gap": 1}, "constant rule"),
    ("theorem_3", {"noise": 0}, "decaying rule"),
]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_proof_goes_through(name: str) -> None:
    check = getattr(hetero_gc, name)
    verdict: Verdict = check()
    assert (verdict.status, verdict.grade) == EXPECTED[name], verdict.explanation
    assert verdict.claim == claim_of(check)
    assert verdict.claim.paper == "hetero_gc"


@pytest.mark.parametrize(("name", "spoiled", "step"), SPOILED)
def test_a_spoiled_constant_is_noticed(name: str, spoiled: dict[str, int], step: str) -> None:
    verdict: Verdict = getattr(hetero_gc, name)(**spoiled)
    assert verdict.status is Status.UNDERDETERMINED
    assert step in verdict.explanation


def test_the_structured_allocation_is_proved_and_its_core_cannot_be_smaller() -> None:
    verdict = bit_allocation.structured_allocation()
    assert (verdict.status, verdict.grade) == (Status.PROVED, Grade.PROVED), verdict.explanation
    for fewer in (1, 2, 3):
        smaller = bit_allocation.structured_allocation(fewer=fewer)
        assert smaller.status is Status.UNDERDETERMINED
        assert "without a sum of 0" in smaller.explanation
        assert "core holds an optimum" in smaller.explanation


def test_looser_constants_are_true_where_the_claim_is_an_inequality() -> None:
    assert hetero_gc.theorem_2(constant=5).status is Status.HOLDS_WITH_ERRATUM
    assert hetero_gc.theorem_3(gap=3, noise=2).status is Status.PROVED


def test_the_signed_counterexample_is_one_for_a_real_code() -> None:
    code = GradientCode(
        "signed",
        sparse.csr_array(np.array([[3.0, -1.0], [-1.0, 3.0]])),
        FixedDecoder(np.ones(2)),
        Identity(np.array([32, 32])),
    )
    mean, error = error_by_enumeration(code, np.full(2, 0.5), np.array([[1.0], [-1.0]]))
    evidence = hetero_gc.lemma_1().evidence
    assert error == evidence["counterexample_error"] > evidence["printed_bound"]
    np.testing.assert_allclose(mean, [0.0], atol=1e-15)


@given(seed=st.integers(0, 10**6), dim=st.integers(1, 200), bits=st.integers(2, 8), spread=st.floats(0, 4))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_vector_beats_the_sharper_quantizer_constant(seed: int, dim: int, bits: int, spread: float) -> None:
    """The proof against the quantizer's own exact variance; equal coordinates attain it where √d ≥ 2s."""
    quantizer = StochasticLevels(np.array([bits]))
    v = np.exp(spread * np.random.default_rng(seed).standard_normal((2, 1, dim)))  # (R, W, D)
    v[1] = 1.0
    relative = quantizer.variance(v)[:, 0] / np.sum(v[:, 0] ** 2, axis=-1)  # (R,)
    root, s = np.sqrt(dim), 2.0 ** (bits - 1) - 1
    sharp = root / s - 1 if root >= 2 * s else dim / (4 * s**2)
    assert np.all(relative <= sharp * (1 + 1e-9) + 1e-12)
    if root >= 2 * s:
        assert relative[1] == pytest.approx(sharp, rel=1e-9, abs=1e-12)


def test_tools_refuse_what_is_not_shown() -> None:
    a, b = sp.symbols("a b", nonnegative=True)
    real = sp.Symbol("real", real=True)
    assert symbolic.is_identity((a + b) ** 2, a**2 + 2 * a * b + b**2)
    assert not symbolic.is_identity((a + b) ** 2, a**2 + b**2)
    assert symbolic.is_nonnegative(a / (1 + b))
    assert not symbolic.is_nonnegative(a - b)
    assert symbolic.is_sum_of_squares(a**2 - 2 * a * b + b**2, {a - b: sp.Integer(1)})
    assert not symbolic.is_sum_of_squares(a**2 - b**2, {a: sp.Integer(1), b: sp.Integer(-1)})
    assert symbolic.rises_from_zero(a - sp.log(1 + a), a)
    assert not symbolic.rises_from_zero(sp.log(1 + a) - a, a)
    assert not symbolic.rises_from_zero(a + 1, a)
    with pytest.raises(ValueError, match="declare every symbol"):
        symbolic.is_nonnegative(real)


def test_the_mean_of_a_polynomial_in_a_coin() -> None:
    coin, x = sp.symbols("coin x")
    assert symbolic.mean((coin * x - 1) ** 2, {coin: (sp.Rational(1, 3),) * 2}) == x**2 / 3 - 2 * x / 3 + 1
