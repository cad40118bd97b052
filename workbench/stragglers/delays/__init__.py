"""Response-time laws, one a file; each is vectorised over workers and sampled by its inverse distribution."""
