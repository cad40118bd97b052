"""Split a bit budget among unequal workers [hetero_gc, (b-SP1)].

Maximise Σ_i u_i(b_i) subject to Σ_i b_i <= B, with b_i in {2..32}, or in {0, 2..32} where workers may idle;
u_i(b) = (1−p_i)/(p_i+ω(b)) and u_i(0) = 0. The paper asks for Σ_i b_i = B: as no u_i decreases, that is the
same until every worker has 32 bits (or, with idle workers, until one odd bit is left over).
"""

from workbench.solvers.bit_allocation.dynamic_program import solve_dynamic_program
from workbench.solvers.bit_allocation.envelope import lagrangian_bound
from workbench.solvers.bit_allocation.heuristics import (
    solve_algorithm_1,
    solve_equal,
    solve_greedy,
    solve_relaxation,
)
from workbench.solvers.bit_allocation.problem import Allocation, Solver, VarianceOfBits, utility_table
from workbench.solvers.bit_allocation.structured import solve_structured

__all__ = [
    "Allocation",
    "Solver",
    "VarianceOfBits",
    "lagrangian_bound",
    "solve_algorithm_1",
    "solve_dynamic_program",
    "solve_equal",
    "solve_greedy",
    "solve_relaxation",
    "solve_structured",
    "utility_table",
]
