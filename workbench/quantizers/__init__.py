"""Random quantizers of whole messages, one per file, each with its variance constants."""
