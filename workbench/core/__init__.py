"""Types, named random streams, catalogue, claims and verdicts: what every other layer speaks."""
