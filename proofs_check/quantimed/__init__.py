"""The claims of quantimed, each settled by a check of its own; the paper's proofs are not at hand, these are ours.

Steps about vectors are linear in squares and inner products, which stand as symbols: an identity in them is one for
every dimension. Sums over workers are settled term by term, or for the sum so far and one more term.
"""
