"""What the checks of compskip share: inequalities with what they give away, and two workers to run the schemes on."""

from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from proofs_check.tools.symbolic import mean
from workbench.core.types import Regularity
from workbench.problems.quadratic import Quadratic
from workbench.schemes.scheme import Setting
from workbench.schemes.step_sizes import ConstantStep
from workbench.stragglers.delays.bernoulli import Bernoulli

HALF = Fraction(1, 2)
STEP = Fraction(1, 4)
CONSTANT_STEP = ConstantStep(float(STEP))
SLOPES, CENTRES = (Fraction(1), Fraction(1, 2)), (Fraction(3), Fraction(-2))  # g_i = slope (x − centre)


def no_first_step() -> bool:
    """Show that η_{−1} = 0 and γη_t = η_{t−1} make η_0 = 0, and with it every later step."""
    gamma, first = sp.Symbol("gamma", positive=True), sp.Symbol("eta_0")
    return bool(sp.solve(gamma * first, first) == [0])


def sign(value: Fraction | int) -> int:
    """Return −1, 0 or 1."""
    return (value > 0) - (value < 0)


def two_workers() -> Setting:
    """Two workers, one coordinate, gradients with exact binary fractions; all answer."""
    curvature = np.array([[[float(s / 2)]] for s in SLOPES])  # (P, D, D), as a worker's gradient is W times its part's
    centre = np.array([[float(each)] for each in CENTRES])  # (P, D)
    problem: Any = Quadratic(curvature, centre, Regularity())
    return Setting(problem, Bernoulli(np.zeros(len(SLOPES))))


def second_moment(known: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """E(known + z)² for noise z of mean 0."""
    noise = sp.Symbol("z", real=True)
    return mean((known + noise) ** 2, {noise: (sp.Integer(0), variance)})
