"""Arithmetic of the finite field GF(q) for every prime power q."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import IntArray


def prime_power(number: int) -> tuple[int, int] | None:
    """Return the prime p and the exponent m with p^m = number, or None."""
    prime = next((divisor for divisor in range(2, int(number**0.5) + 1) if number % divisor == 0), number)
    exponent, rest = 0, number
    while prime > 1 and rest % prime == 0:
        exponent, rest = exponent + 1, rest // prime
    return (prime, exponent) if exponent and rest == 1 else None


def prime_powers(most: int) -> list[int]:
    """Return all prime powers up to `most`, primes included, in order."""
    return [number for number in range(2, most + 1) if prime_power(number)]


@dataclass(frozen=True, eq=False)
class FiniteField:
    r"""GF(p^m): the element :math:`\sum_i c_i x^i` is the integer :math:`\sum_i c_i p^i`, so 0 and 1 are 0 and 1.

    Every operation takes integers or arrays of them.

    powers : element x^e for e = 0..q−2, each nonzero element once, (q−1,)
    """

    prime: int
    powers: IntArray

    @property
    def order(self) -> int:
        """q."""
        return len(self.powers) + 1

    def add(self, a: IntArray | int, b: IntArray | int) -> IntArray:
        """a + b: digit by digit modulo p."""
        return self._digitwise(a, b, 1)

    def subtract(self, a: IntArray | int, b: IntArray | int) -> IntArray:
        """a − b."""
        return self._digitwise(a, b, -1)

    def multiply(self, a: IntArray | int, b: IntArray | int) -> IntArray:
        """a b: exponents of x add."""
        logarithm = np.zeros(self.order, np.int64)
        logarithm[self.powers] = np.arange(self.order - 1)
        a, b = np.asarray(a), np.asarray(b)
        nonzero = self.powers[(logarithm[a] + logarithm[b]) % (self.order - 1)]
        return np.where((a == 0) | (b == 0), 0, nonzero)

    def cosets(self, index: int) -> IntArray:
        """The nonzero elements, in row i those whose exponent is i modulo `index`, (index, (q−1)/index)."""
        return self.powers.reshape(-1, index).T

    def _digitwise(self, a: IntArray | int, b: IntArray | int, sign: int) -> IntArray:
        a, b = np.asarray(a), np.asarray(b)
        total = np.zeros(np.broadcast_shapes(a.shape, b.shape), np.int64)
        place = 1
        while place < self.order:
            total += (a // place + sign * (b // place)) % self.prime * place
            place *= self.prime
        return total


@lru_cache(maxsize=64)
def finite_field(order: int) -> FiniteField:
    """Build GF(order) from the first monic polynomial modulo which x has all order − 1 powers.

    Such a polynomial is irreducible, as every nonzero residue is then a power of x and has an inverse.

    Raises
    ------
    InputError : the order is no prime power
    """
    found = prime_power(order)
    if found is None:
        raise InputError(f"no field has {order} elements: take a prime power")
    prime, degree = found
    powers = next(
        powers
        for tail in product(range(prime), repeat=degree)
        if len(powers := _powers_of_x(prime, np.array(tail))) == order - 1
    )
    return FiniteField(prime, powers)


def _powers_of_x(prime: int, tail: IntArray) -> IntArray:
    """Return x^0, x^1, ... until 1 comes back, modulo x^m − Σ_i tail_i x^i; empty where x is a zero divisor."""
    if tail[0] == 0:
        return np.empty(0, np.int64)
    place = prime ** np.arange(tail.size)
    residue = np.zeros(tail.size, np.int64)
    residue[0] = 1
    powers: list[int] = []
    while not powers or residue @ place != 1:
        powers.append(int(residue @ place))
        shifted = np.concatenate([[0], residue[:-1]])
        residue = (shifted + residue[-1] * tail) % prime
    return np.array(powers)
