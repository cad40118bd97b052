"""Assumption 1 and the weights of Section 5: which eigenvalues averaging has."""

from fractions import Fraction

import sympy as sp

from proofs_check.quantimed.notation import ONE, SWAP
from proofs_check.tools.symbolic import combines, is_identity, settle
from workbench.bounds.quantimed import Averaging
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.topologies import star
from workbench.topologies.mixing import Mixing, laplacian

STAR = 4  # workers of the example


@claim("quantimed", "Assumption 1")
def assumption_1(*, own: Fraction = Fraction(0)) -> Verdict:
    """Refute that Assumption 1 puts all eigenvalues into (−1, 1]: W = [[0, 1], [1, 0]] has 1 and −1.

    So has every ring of an even number of workers with the weights ½ to both neighbours.

    Parameters
    ----------
    own : w_ii, the same for both
    """
    share = sp.Rational(own.numerator, own.denominator)
    w = sp.Matrix([[share, 1 - share], [1 - share, share]])
    ring = sp.Matrix(4, 4, lambda i, j: sp.Rational(1, 2) if (i - j) % 4 in (1, 3) else 0)
    signs = sp.Matrix([1, -1, 1, -1])
    steps = {
        "symmetric, rows sum to 1, w ≥ 0": w == w.T
        and w * sp.ones(2, 1) == sp.ones(2, 1)
        and all(weight >= 0 for weight in w.flat()),
        "null(I − W) = span(1)": (sp.eye(2) - w).nullspace() == [sp.ones(2, 1)],
        "an eigenvalue −1": w * sp.Matrix([1, -1]) == -sp.Matrix([1, -1]),
        "the ring of four": ring * signs == -signs and (sp.eye(4) - ring).nullspace() == [sp.ones(4, 1)],
        "the repository's certificate sees it": Mixing(SWAP).certificate.violations
        == ("the smallest eigenvalue is not above −1",),
    }
    return settle(
        claim_of(assumption_1),
        steps,
        "averaging over a bipartite graph without own weights turns over for ever, and 1 − β = 0 there",
        status=Status.REFUTED,
    )


@claim("quantimed", "Assumption 1 repaired")
def assumption_1_repaired(*, sign: int = 1) -> Verdict:
    r"""Prove −1 ≤ λ ≤ 1 from Assumption 1, and λ > −1 if some w_ii > 0.

    As rows sum to 1, xᵀ(I ± W)x = ½ Σ w_ij (x_i ± x_j)²: nonnegative; it is 0 with + only where x_i = −x_j along
    every edge, and x_i = −x_i where w_ii > 0, hence x_i = 0 there and along all edges.

    Parameters
    ----------
    sign : + for λ ≥ −1
    """
    x, y, z = sp.symbols("x y z", real=True)
    a, b, c = sp.symbols("w_xy w_xz w_yz", nonnegative=True)

    def form(turn: int) -> bool:
        w = sp.Matrix([[1 - a - b, a, b], [a, 1 - a - c, c], [b, c, 1 - b - c]])
        v = sp.Matrix([x, y, z])
        pairs = a * (x + turn * y) ** 2 + b * (x + turn * z) ** 2 + c * (y + turn * z) ** 2
        own = sum(w[i, i] * (v[i] + turn * v[i]) ** 2 for i in range(3)) / 2
        return is_identity((v.T * (sp.eye(3) + turn * w) * v)[0], pairs + own)

    w, i, j, turn = sp.symbols("w x_i x_j turn", real=True)
    steps = {
        # each pair gives w_ij (x_i² + x_j²)/2 ± w_ij x_i x_j from both sides: rows sum to 1, and turn² = 1
        "one pair, whatever the number of workers": is_identity(
            w * (i + turn * j) ** 2 / 2, w * i**2 / 2 + turn**2 * w * j**2 / 2 + turn * w * i * j
        ),
        "λ ≥ −1": form(sign),
        "λ ≤ 1": form(-sign),
        "an own weight": is_identity((x + sign * x) ** 2, 4 * x**2),
    }
    return settle(claim_of(assumption_1_repaired), steps, "one worker that keeps some of its own model is enough")


@claim("quantimed", "Spectral gap")
def spectral_gap(*, gap: float = 2.0) -> Verdict:
    """Prove 1 − β ≤ κ = 1 − λ_2, so that a bound with κ implies the printed one, and show that β may be the wrong one.

    W = [[0, 1], [1, 0]]: 1 − β = 0, so (9) to (11) are infinite there; κ = 2, and with ε < 1 averaging contracts.

    Parameters
    ----------
    gap : κ of the example
    """
    second = sp.symbols("lambda_2", real=True)
    slack = sp.symbols("slack", nonnegative=True)  # β = |λ_2| + slack, |λ_2| being λ_2 or −λ_2 ≥ λ_2
    u = sp.symbols("u", nonnegative=True)
    net = Averaging(SWAP)
    steps = {
        "κ − (1 − β) = β − λ_2 for λ_2 ≥ 0": is_identity((1 - second) - (1 - (second + slack)), slack),
        "and for λ_2 = −u": combines((1 + u) - (1 - (u + slack)), {u: sp.Integer(2), slack: ONE}),
        "κ": net.gap == gap and net.widest == gap,
        "β = 1": Mixing(SWAP).mixing_rate == 1.0,
        "|1 − εκ| < 1 for ε = 1/(1 + u), u > 0": is_identity(1 - gap / (1 + u) + 1, 2 * u / (1 + u)),
    }
    return settle(
        claim_of(spectral_gap),
        steps,
        "the constant that matters is κ, since ε keeps the negative eigenvalues harmless",
        status=Status.HOLDS_WITH_ERRATUM,
    )


@claim("quantimed", "Laplacian weights")
def laplacian_weights(*, divisor: Fraction = Fraction(5, 2)) -> Verdict:
    """Refute that W = I − L/κ with κ > λ_max(L)/2 meets Assumption 1: on a star of four w_ii = 1 − 3/κ = −1/5, κ = 5/2.

    A star of W has λ_max = W and a degree W − 1: every κ in (W/2, W − 1) fails, so for W > 2.

    Parameters
    ----------
    divisor : κ
    """
    larger = sp.symbols("larger", nonnegative=True)
    n = 3 + larger  # W ≥ 3
    centre = sp.Matrix(STAR, STAR, lambda i, j: (STAR - 1 if i == 0 else 1) if i == j else -int(0 in (i, j)))
    weights = sp.eye(STAR) - centre / sp.Rational(divisor.numerator, divisor.denominator)
    ours = laplacian(star.graph(STAR), divisor=float(divisor))
    steps = {
        "λ_max(L) = 4": max(centre.eigenvals()) == STAR,
        "κ = λ_max/2 + ½": divisor == Fraction(STAR + 1, 2),
        "a negative weight": weights[0, 0] == sp.Rational(-1, 5),
        "eigenvalues in (−1, 1]": weights.eigenvals() == {1: 1, sp.Rational(3, 5): 2, sp.Rational(-3, 5): 1},
        "the certificate sees it": ours.certificate.violations == ("a weight is negative",),
        "every larger star": combines((n - 1) - n / 2, {larger: ONE / 2, ONE: ONE / 2}),
    }
    return settle(
        claim_of(laplacian_weights),
        steps,
        "the condition gives the eigenvalues, and not w_ij ≥ 0",
        status=Status.REFUTED,
    )


@claim("quantimed", "Laplacian weights repaired")
def laplacian_weights_repaired(*, double: int = 2) -> Verdict:
    r"""Prove that κ > d_max, the largest degree, meets Assumption 1 with λ > −1; and κ > λ_max/2 gives |λ| ≤ 1 alone.

    w_ii = 1 − d_i/κ ≥ 0; xᵀLx = Σ_edges (x_i − x_j)² ≤ Σ_edges 2(x_i² + x_j²) = 2 Σ d_i x_i²: λ_max ≤ 2 d_max.

    Parameters
    ----------
    double : λ_max over d_max at most
    """
    x, y = sp.symbols("x y", real=True)
    d, more, rest = sp.symbols("d more rest", nonnegative=True)
    kappa = d + rest + more  # κ ≥ d_max = d + rest ≥ d
    largest = double * (d + rest)
    steps = {
        "one edge": is_identity(double * (x**2 + y**2) - (x - y) ** 2, (x + y) ** 2),
        "own weights": combines(1 - d / kappa, {rest: 1 / kappa, more: 1 / kappa}),
        "λ_W ≥ −1, strictly for more > 0": is_identity(1 + 1 - largest / kappa, 2 * more / kappa),
    }
    return settle(claim_of(laplacian_weights_repaired), steps, "largest degree plus one is the repository's default")
