"""Who holds which part: one placement per file, each with `place(n_workers, n_parts, replication, *, rng)`."""
