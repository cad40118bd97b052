"""Exact bias and variance of a gradient code's estimate, and their enumeration as the oracle."""
