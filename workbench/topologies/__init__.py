"""Graphs over which workers talk to each other, one family per file, and the weights they mix with."""
