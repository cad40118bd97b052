"""Hadamard matrices: ±1 matrices H of order n with H Hᵀ = n I, by Sylvester, Paley and Kronecker products."""

import math
from functools import cache

import numpy as np

from workbench.combinatorics.finite_field import finite_field, prime_power
from workbench.core.errors import InputError
from workbench.core.types import IntArray


def hadamard(order: int) -> IntArray:
    """Build a Hadamard matrix whose first row and first column are all ones, (order, order).

    Raises
    ------
    InputError : neither Sylvester nor Paley nor a Kronecker product of them gives this order
    """
    factors = _factors(order)
    if factors is None:
        possible = "take 1, 2 or a multiple of 4" if order % 4 or order < 1 else f"take {orders(order)[-1]}"
        raise InputError(f"no Hadamard matrix of order {order} by Sylvester, Paley or their products: {possible}")
    matrix: IntArray = np.ones((1, 1), np.int64)
    for factor in factors:
        matrix = np.kron(matrix, _prime_hadamard(factor))
    matrix = matrix * matrix[0]
    return matrix * matrix[:, :1]


def orders(most: int) -> list[int]:
    """Return the orders up to `most` that `hadamard` builds."""
    return [order for order in range(1, most + 1) if _factors(order) is not None]


@cache
def _factors(order: int) -> tuple[int, ...] | None:
    """Return orders of prime matrices with this product, as few as can be but powers of 2 all by 2, or None."""
    if order < 1:
        return None
    if order & (order - 1) == 0:
        return (2,) * (order.bit_length() - 1)
    if _is_first(order) or _is_second(order):
        return (order,)
    found: list[tuple[int, ...]] = []
    for divisor in range(2, math.isqrt(order) + 1):
        if order % divisor == 0:
            first, second = _factors(divisor), _factors(order // divisor)
            if first is not None and second is not None:
                found.append(tuple(sorted(first + second)))
    return min(found, key=len, default=None)


def _is_first(order: int) -> bool:
    """Tell whether Paley's first construction has this order: q + 1 with a prime power q ≡ 3 modulo 4."""
    return order % 4 == 0 and prime_power(order - 1) is not None


def _is_second(order: int) -> bool:
    """Tell whether Paley's second construction has this order: 2q + 2 with a prime power q ≡ 1 modulo 4."""
    return order % 8 == 4 and prime_power(order // 2 - 1) is not None


def _prime_hadamard(order: int) -> IntArray:
    """Build a matrix that is no product."""
    if order == 2:
        return np.array([[1, 1], [1, -1]])
    if _is_first(order):
        # With Jacobsthal's Q, Q Qᵀ = q I − J and Q = −Qᵀ, so that the bordered matrix S is skew with S Sᵀ = q I.
        return np.eye(order, dtype=np.int64) + _bordered_jacobsthal(order - 1, -1)
    conference = _bordered_jacobsthal(order // 2 - 1, 1)  # symmetric, with square q I
    return np.kron(conference, [[1, 1], [1, -1]]) + np.kron(np.eye(order // 2, dtype=np.int64), [[1, -1], [-1, -1]])


def _bordered_jacobsthal(q: int, sign: int) -> IntArray:
    """Return χ(a − b) over GF(q), bordered by a row of ones and a column of `sign`, 0 on the diagonal."""
    field = finite_field(q)
    character = np.zeros(q, np.int64)
    character[field.cosets(2)] = [[1], [-1]]
    elements = np.arange(q)
    bordered = np.ones((q + 1, q + 1), np.int64)
    bordered[1:, 1:] = character[field.subtract(elements[:, None], elements)]
    bordered[1:, 0] = sign
    bordered[0, 0] = 0
    return bordered
