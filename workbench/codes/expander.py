"""Expander code: the neighbours' parts, evenly weighed, one fixed decoding weight a worker [Raviv et al., 2018]."""

import numpy as np
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode, equally_quantized
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.codes.placement import group_of_part
from workbench.combinatorics import expanders
from workbench.combinatorics.finite_field import prime_power
from workbench.stragglers.profile import StragglerProfile


def design(profile: StragglerProfile, spec: DesignSpec, *, rng: np.random.Generator) -> GradientCode:
    r"""Weigh by B = A/d, A the adjacency matrix of a d-regular graph on the workers, d = `replication`.

    Decoding with 1/(1 − p_i) is unbiased, as the columns of B add up to 1; with equal p it is W/(W − s) in the
    mean. For the weights W/(W − s) themselves and s stragglers, however they are chosen, the second eigenvalue
    λ of A bounds :math:`\|a B - 1\|^2 \le (\lambda/d)^2\, sW/(W - s)`. Parts are grouped contiguously into W groups;
    with fewer parts than workers some groups are empty.
    """
    n_workers = profile.n_workers
    degree = min(spec.replication, n_workers)
    square = sparse.csc_array(graph(n_workers, degree, rng=rng) / degree)
    encode = square[:, group_of_part(spec.n_parts, n_workers)].tocsr()
    return equally_quantized("expander", encode, FixedDecoder(1 / (1 - profile.straggle_prob)), spec)


def graph(n_workers: int, degree: int, *, rng: np.random.Generator) -> sparse.csr_array:
    """Return a symmetric adjacency matrix (W, W) whose rows add up to `degree`, 1 <= degree <= W.

    Paley's where W = 4k + 1 is a prime power and the degree (W − 1)/2, Margulis' where W is a square and the degree
    8 <= W/2, else a random regular graph; above degree W/2 what the graph of degree W − degree leaves out, which has
    the same second eigenvalue. A loop counts once, and repairs what simple graphs cannot do: degree 1 (only loops:
    no expansion), 2 (a path with loops at its ends, whose gap closes as W grows), and odd degrees with odd W (a
    graph on W + 1 vertices less one, whose neighbours get loops).
    """
    is_paley = n_workers % 4 == 1 and degree == (n_workers - 1) // 2 and prime_power(n_workers) is not None
    if is_paley:
        return expanders.paley(n_workers, degree)
    if 2 * degree > n_workers:
        everything = np.ones((n_workers, n_workers))
        return sparse.csr_array(everything - _sparse_graph(n_workers, n_workers - degree, rng).toarray())
    if round(n_workers**0.5) ** 2 == n_workers and degree == expanders.MARGULIS_DEGREE:
        return expanders.margulis(n_workers, degree)
    return _sparse_graph(n_workers, degree, rng)


def _sparse_graph(n_workers: int, degree: int, rng: np.random.Generator) -> sparse.csr_array:
    """Return a 0/1 adjacency matrix of degree <= W/2, (W, W)."""
    if degree <= 1:
        return degree * sparse.eye_array(n_workers, format="csr")
    if degree == 2:
        beside = np.ones(n_workers - 1)
        ends = (np.arange(n_workers) % (n_workers - 1) == 0).astype(float)  # (W,)
        return sparse.csr_array(sparse.diags_array([beside, ends, beside], offsets=[-1, 0, 1]))
    if n_workers * degree % 2 == 0:
        return expanders.random_regular(n_workers, degree, rng=rng)
    larger = expanders.random_regular(n_workers + 1, degree, rng=rng)
    loops = larger[[n_workers], :n_workers].toarray()[0]  # (W,)
    return sparse.csr_array(larger[:n_workers, :n_workers] + sparse.diags_array(loops))
