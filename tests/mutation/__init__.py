"""A mutation run over the formulas of the bounds and of the checks: `make mutate`."""
