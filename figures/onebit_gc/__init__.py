"""Figures of onebit_gc: distributed learning with 1-bit gradient coding in the presence of stragglers."""
