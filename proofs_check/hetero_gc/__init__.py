"""The claims of hetero_gc, each settled by a check of its own.

Every check takes the printed constant as an argument, so that a test can spoil it and see the proof fail. Sums over
workers or parts are settled term by term: a quadratic form in n terms is a sum over pairs, and an identity for one pair
(and one single term) is the identity for every n. The paper's displays are read as its prose and its proofs need them.
"""
