"""Bounds held against simulation: a module per paper lists its EXPERIMENTS, `experiment.experiments` finds them."""
