"""Self-contained pages: of one log, by study (computes), charts (draws) and page (writes); of the claims, by papers."""
