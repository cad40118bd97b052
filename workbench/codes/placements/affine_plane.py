"""Affine plane: either lines are parts and two share one worker or none, or lines are workers and points parts.

With q² workers, the points, a part is a line of q workers, and q parallel ones share nobody. With q² + q workers, the
lines, a part is a point on q + 1 of them, and any two share exactly one.
"""

import numpy as np

from workbench.codes.placement import Placement, Size, in_order, place_known, points_as_workers
from workbench.combinatorics.block_designs import BlockDesign, affine_planes


def sizes(most_workers: int) -> list[Size]:
    """List AG(2, q) for every prime power q, both ways round."""
    found = []
    for plane in affine_planes(most_workers):
        found.append(points_as_workers(plane))
        if plane.n_blocks <= most_workers:
            found.append(_lines_as_workers(plane))
    return in_order(found)


def place(n_workers: int, n_parts: int, replication: int, *, rng: np.random.Generator | None = None) -> Placement:
    """Build the plane, its lines as parts or its points.

    Raises
    ------
    InputError : no such plane: the nearest
    """
    takes = "it takes q² workers and replication q, or q² + q workers and replication q + 1, q a prime power"
    return place_known("affine plane", sizes, n_workers, n_parts, replication, takes=takes)


def _lines_as_workers(plane: BlockDesign) -> Size:
    on_point = plane.n_blocks * plane.block_size // plane.n_points
    name = f"{plane.construction}, lines as workers"
    return Size(plane.n_blocks, plane.n_points, on_point, name, lambda: plane.incidence().T)
