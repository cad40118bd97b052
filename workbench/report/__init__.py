"""The whole story of one log as a self-contained page: study (computes), charts (draws), page (writes)."""
