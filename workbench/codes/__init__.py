"""Gradient codes: one family per file, each with `design(profile, spec, *, rng) -> GradientCode`."""
