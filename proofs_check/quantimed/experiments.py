"""The numbers of Section 5 that arithmetic decides."""

from fractions import Fraction
from math import comb

import numpy as np
import sympy as sp

from proofs_check.quantimed.batches import FASTEST, SAMPLES, SLOWEST
from proofs_check.quantimed.notation import ONE, PAIR
from proofs_check.quantimed.update import PROBLEM, SETTING
from proofs_check.tools.symbolic import combines, enumerated, settle
from workbench.bounds import quantimed as bounds
from workbench.core.claims import Status, Verdict, claim, claim_of
from workbench.quantizers import lattice
from workbench.schemes.decentralized_round import Links
from workbench.schemes.scheme import Setting
from workbench.topologies.mixing import Mixing

SIDE, CHANNELS, CLASS = 32, 3, 5000  # of CIFAR-10's images, and training images of a class
SECONDS = 3.0 / 16  # a bit of a one-dimensional model at T_c = 3


@claim("quantimed", "Number 16-bit precision")
def number_16_bit_precision(*, float_bits: int = 16) -> Verdict:
    """Show that our links take T_c for 16 bits a coordinate and s T_c/16 for s bits, T_c = 3.

    Parameters
    ----------
    float_bits : of a coordinate without quantization
    """
    setting = Setting(PROBLEM, SETTING.delay, SECONDS)
    mixing = Mixing(PAIR)
    whole = Links(setting, mixing, float_bits=float_bits).message_s
    parts = Links(setting, mixing, lattice.quantizer(np.array([4, 8])), float_bits).message_s
    steps = {"T_c": whole.tolist() == [3.0, 3.0], "4 and 8 bits": parts.tolist() == [0.75, 1.5]}
    return enumerated(claim_of(number_16_bit_precision), steps, "a definition")


@claim("quantimed", "Number 1024")
def number_1024(*, channels: int = 1) -> Verdict:
    """Show that a vector of 1024 holds one channel of a CIFAR-10 image of 32 × 32 × 3 = 3072 numbers.

    Parameters
    ----------
    channels : that are kept
    """
    steps = {
        "one channel": Fraction(1024, SIDE**2) == channels,
        "an image": Fraction(3072, SIDE**2) == CHANNELS,
    }
    return settle(
        claim_of(number_1024), steps, "the images were made grey, which is not said", status=Status.HOLDS_WITH_ERRATUM
    )


@claim("quantimed", "Number 200 samples")
def number_200_samples(*, workers: int = 50) -> Verdict:
    """Show that m = 200 samples for each of 50 workers are the 10,000 images of two classes of CIFAR-10.

    Parameters
    ----------
    workers : n
    """
    steps = {"two classes": SAMPLES * workers == 2 * CLASS}
    return settle(claim_of(number_200_samples), steps, "as for MNIST 10,000 of its 60,000 images, which is not said")


@claim("quantimed", "Number step sizes")
def number_step_sizes(*, scales: tuple[int, int] = (14, 15)) -> Verdict:
    r"""Show for which T the step sizes ε = 14/√T and 15/√T average at all: ε ≤ 1 from T = 196 and 225 on.

    Below, 1 − ε + εw_ii is negative for w_ii = 0; averaging contracts for ε < 2/(1 − λ_W), from T > 49(1 − λ_W)² on.

    Parameters
    ----------
    scales : of ε for CIFAR-10 and MNIST
    """
    first = [scale**2 for scale in scales]
    t = sp.symbols("t", nonnegative=True)
    width = Fraction(2)  # 1 − λ_W at most
    contracts = [(scale * width / 2) ** 2 for scale in scales]
    steps = {
        "ε ≤ 1": first == [196, 225],
        "from then on": all(combines(1 - scale**2 / (scale**2 + t), {t: ONE / (scale**2 + t)}) for scale in scales),
        "whatever λ_W ≥ −1 is": contracts == first,
    }
    return settle(
        claim_of(number_step_sizes),
        steps,
        "the tuned steps need more than about 200 rounds; Theorem 2's own constants are 1",
        status=Status.HOLDS_WITH_ERRATUM,
        evidence={"cifar": float(first[0]), "mnist": float(first[1])},
    )


@claim("quantimed", "Number connectivity 0.4")
def number_connectivity_0_4(*, workers: int = 50) -> Verdict:
    r"""Show that an Erdős–Rényi graph of 50 workers with p_c = 0.4 is connected but for chances below 10^(−9).

    Otherwise k ≤ 25 of them have no edge to the others: Σ_k C(50, k) 0.6^(k(50 − k)) at most, 6.7e-10.

    Parameters
    ----------
    workers : n
    """
    missing = Fraction(3, 5)
    alone = range(1, workers // 2 + 1)
    terms = [comb(workers, k) * missing ** (k * (workers - k)) for k in alone]
    steps = {
        "6.7e-10": f"{float(sum(terms)):.1e}" == "6.7e-10",
        "every split": {*alone, *(workers - k for k in alone)} == set(range(1, workers)),
        "nearly all from one alone": terms[0] > sum(terms[1:]),
    }
    return settle(
        claim_of(number_connectivity_0_4),
        steps,
        "Section 2 asks for a connected graph, which this is but for luck",
        evidence={"chance": float(sum(terms))},
    )


@claim("quantimed", "Number mean speed")
def number_mean_speed(*, slowest: int = SLOWEST) -> Verdict:
    r"""Show what Uniform(10, 90) gives: E V = 50, so T_d = b/50, and a worker is between b/5 and 9b/5 samples.

    Empty batches need V T_d < 1: with probability (1/T_d − 10)/80 for 5/9 < b < 5, none from b = 5 on. The whole part
    of 200 is never reached below b = 1000/9.

    Parameters
    ----------
    slowest : of V
    """
    mean_speed = Fraction(slowest + FASTEST, 2)
    empty = {b: (1 / (Fraction(b) / mean_speed) - slowest) / (FASTEST - slowest) for b in (1, 2, 4)}
    ours = {b: 1 - bounds.batches_of_uniform_speed(slowest, FASTEST, b / 50, SAMPLES)[0] for b in (1, 2, 4, 5)}
    steps = {
        "E V": mean_speed == 50,
        "from and to": (slowest / mean_speed, FASTEST / mean_speed) == (Fraction(1, 5), Fraction(9, 5)),
        "empty batches": empty == {1: Fraction(1, 2), 2: Fraction(3, 16), 4: Fraction(1, 32)},
        "ours": all(abs(ours[b] - float(chance)) < 1e-12 for b, chance in empty.items()) and abs(ours[5]) < 1e-12,
        "never all": SAMPLES / (FASTEST / mean_speed) == Fraction(1000, 9),
    }
    return settle(
        claim_of(number_mean_speed),
        steps,
        "empty batches occur below b = 5 alone",
        evidence={f"empty_b_{b}": float(chance) for b, chance in empty.items()},
    )
