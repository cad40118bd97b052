"""Finite fields, Hadamard matrices, block designs, expander graphs: what placements are built from."""
