"""Figures of hetero_gc: communication-efficient approximate gradient coding in heterogeneous systems."""
