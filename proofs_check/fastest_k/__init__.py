"""The claims of fastest_k, settled: one module per topic, one check per claim or display."""
