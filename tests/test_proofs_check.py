"""The certificates that proofs are made of accept what is true and refuse what is not shown."""

import pytest
import sympy as sp

from proofs_check.tools import symbolic


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
