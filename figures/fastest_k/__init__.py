"""Figures of fastest_k: adaptive SGD that waits for the fastest k workers."""
