"""Block designs: points and blocks with even overlaps, each as an incidence matrix (points, blocks) of 0 and 1.

In a 2-design every two points are together in equally many blocks; it is symmetric when there are as many blocks as
points, and then every two blocks share equally many points too [Beth, Jungnickel, Lenz, Design Theory].
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, product

import numpy as np

from workbench.combinatorics.finite_field import FiniteField, finite_field, prime_power, prime_powers
from workbench.combinatorics.hadamard import hadamard, orders
from workbench.core.types import IntArray


@dataclass(frozen=True)
class BlockDesign:
    """A 2-design that can be built: `incidence()` is its matrix (n_points, n_blocks).

    block_size : points on a block
    construction : where it comes from, in a few words
    """

    n_points: int
    n_blocks: int
    block_size: int
    construction: str
    incidence: Callable[[], IntArray]

    @property
    def together(self) -> int:
        """Blocks on which any two points are together."""
        degree = self.n_blocks * self.block_size // self.n_points
        return degree * (self.block_size - 1) // (self.n_points - 1)

    @property
    def is_symmetric(self) -> bool:
        """Whether there are as many blocks as points."""
        return self.n_points == self.n_blocks

    @property
    def complement(self) -> "BlockDesign":
        """The design of the points that are not on each block."""
        rest = self.n_points - self.block_size
        name = f"complement of {self.construction}"
        return BlockDesign(self.n_points, self.n_blocks, rest, name, lambda: 1 - self.incidence())


def projective_planes(most: int) -> Iterator[BlockDesign]:
    """Yield PG(2, q): q² + q + 1 points and lines, q + 1 points on a line, two lines meeting in one."""
    for q in prime_powers(int(most**0.5)):
        size = q * q + q + 1
        if size <= most:
            yield BlockDesign(size, size, q + 1, f"PG(2,{q})", partial(_projective_plane, q))


def affine_planes(most: int) -> Iterator[BlockDesign]:
    """Yield AG(2, q): q² points, q² + q lines of q points, two lines parallel or meeting in one."""
    for q in prime_powers(int(most**0.5)):
        yield BlockDesign(q * q, q * q + q, q, f"AG(2,{q})", partial(_affine_plane, q))


def singer(most: int) -> Iterator[BlockDesign]:
    """Yield the points and hyperplanes of PG(m, q), m ≥ 2, from a cyclic difference set [Singer, 1938]."""
    for q in prime_powers(int(most**0.5)):
        dim = 2
        while (size := (q ** (dim + 1) - 1) // (q - 1)) <= most:
            block_size = (q**dim - 1) // (q - 1)
            yield BlockDesign(size, size, block_size, f"Singer, PG({dim},{q})", partial(_singer, q, dim))
            dim += 1


def quadratic_residues(most: int) -> Iterator[BlockDesign]:
    """Yield the squares of GF(q), q ≡ 3 modulo 4, and their translates [Paley, 1933]."""
    for q in prime_powers(most):
        if q % 4 == 3 and q > 3:
            yield BlockDesign(q, q, (q - 1) // 2, f"quadratic residues of GF({q})", partial(_power_residues, q, 2, 0))


def biquadratic_residues(most: int) -> Iterator[BlockDesign]:
    """Yield the fourth powers modulo a prime 4t² + 1, and with zero modulo a prime 4t² + 9, t odd [Lehmer, 1953]."""
    for t, zero in product(range(1, most, 2), (0, 1)):
        q = 4 * t * t + 1 + 8 * zero
        if q > most and not zero:
            return
        if 5 < q <= most and prime_power(q) == (q, 1):
            name = f"biquadratic residues{' and 0' if zero else ''} modulo {q}"
            yield BlockDesign(q, q, (q - 1) // 4 + zero, name, partial(_power_residues, q, 4, zero))


def twin_prime_powers(most: int) -> Iterator[BlockDesign]:
    """Yield the difference set in GF(q) x GF(q + 2): both coordinates square, both not, or the second 0."""
    for q in prime_powers(int(most**0.5)):
        size = q * (q + 2)
        if q % 2 and prime_power(q + 2) and size <= most:
            name = f"twin prime powers {q}, {q + 2}"
            yield BlockDesign(size, size, (size - 1) // 2, name, partial(_twin_prime_powers, q))


def hadamard_2_designs(most: int) -> Iterator[BlockDesign]:
    """Yield 4t − 1 points and blocks of 2t − 1 points, any two blocks sharing t − 1, from a Hadamard matrix."""
    for order in orders(most + 1):
        if order > 4:
            size, build = order - 1, partial(_hadamard_2_design, order)
            yield BlockDesign(size, size, order // 2 - 1, f"Hadamard matrix of order {order}", build)


def hadamard_3_designs(most: int) -> Iterator[BlockDesign]:
    """Yield 4t points and 8t − 2 blocks of 2t points, complementary pairs; any other two blocks share t."""
    for order in orders(most):
        if order > 2:
            build = partial(_hadamard_3_design, order)
            yield BlockDesign(order, 2 * order - 2, order // 2, f"Hadamard matrix of order {order}, ± rows", build)


def difference_sets(most: int) -> Iterator[BlockDesign]:
    """Yield the symmetric designs with a group that acts regularly, and their complements."""
    for design in chain(singer(most), quadratic_residues(most), biquadratic_residues(most), twin_prime_powers(most)):
        yield design
        yield design.complement


def two_designs(most: int) -> Iterator[BlockDesign]:
    """Yield every 2-design built here with at most `most` points, and the complements."""
    families = (projective_planes, affine_planes, hadamard_2_designs, hadamard_3_designs)
    for design in chain.from_iterable(family(most) for family in families):
        yield design
        yield design.complement
    yield from difference_sets(most)


def orthogonal_array(q: int, dim: int) -> IntArray:
    """Return OA(q^dim, (q^dim − 1)/(q − 1), q, 2): in any two columns every pair of symbols is equally frequent.

    Row x and column h, a projective point, hold the symbol Σ_i x_i h_i over GF(q).
    """
    field = finite_field(q)
    vectors, points = _vectors(q, dim), _projective_points(q, dim)
    return _products(field, vectors, points)  # (q^dim, (q^dim − 1)/(q − 1))


def _vectors(q: int, dim: int) -> IntArray:
    digits: IntArray = np.arange(q**dim)[:, None] // q ** np.arange(dim)[::-1] % q  # (q^dim, dim)
    return digits


def _projective_points(q: int, dim: int) -> IntArray:
    """Return the vectors whose first nonzero entry is 1, one for each line through the origin."""
    vectors = _vectors(q, dim)[1:]
    leading = vectors[np.arange(len(vectors)), (vectors != 0).argmax(axis=1)]
    points: IntArray = vectors[leading == 1]
    return points


def _products(field: FiniteField, rows: IntArray, columns: IntArray) -> IntArray:
    """Return the scalar products over the field of (n, dim) with (k, dim), (n, k)."""
    total = np.zeros((len(rows), len(columns)), np.int64)
    for row_entry, column_entry in zip(rows.T, columns.T, strict=True):
        total = field.add(total, field.multiply(row_entry[:, None], column_entry))
    return total


def _projective_plane(q: int) -> IntArray:
    points = _projective_points(q, 3)
    on_line: IntArray = (_products(finite_field(q), points, points) == 0).astype(np.int64)
    return on_line


def _affine_plane(q: int) -> IntArray:
    """A parallel class is a column of the array OA(q², q + 1, q, 2), a line one of its symbols."""
    array = orthogonal_array(q, 2)  # (q², q + 1)
    on_line: IntArray = (array[:, :, None] == np.arange(q)).astype(np.int64)
    return on_line.reshape(q * q, -1)


def _singer(q: int, dim: int) -> IntArray:
    """Translate the exponents e, modulo the number of points, of the elements x^e of GF(q^(dim + 1)) with trace 0.

    These elements are a hyperplane over GF(q), and multiplying by x permutes the points in one cycle.
    """
    size = (q ** (dim + 1) - 1) // (q - 1)
    exponents = _hyperplane_exponents(q, dim) % size
    return _developed(np.unique(exponents), np.subtract.outer(np.arange(size), np.arange(size)) % size)


def _hyperplane_exponents(q: int, dim: int) -> IntArray:
    """Return the exponents of the elements of GF(q^(dim+1)) that add up to 0 with their conjugates: trace 0."""
    field = finite_field(q ** (dim + 1))
    exponents = np.arange(field.order - 1)
    trace = np.zeros(field.order - 1, np.int64)
    for power in range(dim + 1):
        trace = field.add(trace, field.powers[exponents * q**power % (field.order - 1)])
    return np.flatnonzero(trace == 0)


def _power_residues(q: int, index: int, zero: int) -> IntArray:
    field = finite_field(q)
    members = np.concatenate([np.zeros(zero, np.int64), field.cosets(index)[0]])
    elements = np.arange(q)
    return _developed(members, field.subtract(elements[:, None], elements))


def _twin_prime_powers(q: int) -> IntArray:
    first, second = finite_field(q), finite_field(q + 2)
    square = [np.isin(np.arange(field.order), field.cosets(2)[0]) for field in (first, second)]
    a, b = np.divmod(np.arange(q * (q + 2)), q + 2)
    members = np.flatnonzero((b == 0) | ((a != 0) & (square[0][a] == square[1][b])))
    difference = first.subtract(a[:, None], a) * (q + 2) + second.subtract(b[:, None], b)
    return _developed(members, difference)


def _developed(members: IntArray, difference: IntArray) -> IntArray:
    """Return the translates of a set as blocks: point x is on block g iff x − g is a member; difference (v, v)."""
    return np.isin(difference, members).astype(np.int64)


def _hadamard_2_design(order: int) -> IntArray:
    return (1 + hadamard(order)[1:, 1:]) // 2


def _hadamard_3_design(order: int) -> IntArray:
    rows = hadamard(order)[:, 1:]  # the constant column would be no block
    return (1 + np.concatenate([rows, -rows], axis=1)) // 2
