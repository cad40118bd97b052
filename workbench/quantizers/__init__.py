"""Quantizers of whole messages, one per file, each with its exact mean, variance and constants."""
