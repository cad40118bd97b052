"""From a response-time log to each worker's straggle probability at a deadline."""
