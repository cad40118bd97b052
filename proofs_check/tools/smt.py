"""Polynomial inequalities over the reals and the integers: settled when their negation has no solution."""

from typing import Any


def follows(conclusion: Any, *premises: Any, timeout_s: float = 20.0) -> bool:
    """Show that the premises imply the conclusion for all values: z3 finds premises and not conclusion unsatisfiable.

    An answer of "unknown" or a timeout shows nothing, and neither do premises that contradict each other.
    """
    import z3

    solver = z3.Solver()
    solver.set("timeout", int(1000 * timeout_s))
    solver.add(*premises)
    if solver.check() != z3.sat:
        return False
    solver.add(z3.Not(conclusion))
    return bool(solver.check() == z3.unsat)
