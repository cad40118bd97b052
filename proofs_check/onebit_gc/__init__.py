"""The claims of onebit_gc, each settled by a check of its own.

Sums over workers, parts or coordinates are settled term by term: a quadratic form in n terms is a sum over pairs, and
an identity for one single term and one pair is the identity for every n. Letters are the glossary's: W workers,
P parts, D coordinates, d_j workers that hold part j, q = 1 − p.
"""
