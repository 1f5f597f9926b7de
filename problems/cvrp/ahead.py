"""Compilation ahead of time, for images and first runs: all optimizers, for all kinds of distance."""

from __future__ import annotations

import numpy as np

from .instance import Instance, Rounding
from .problem import CVRP
from .trajectory_data import MATRIX_LIMIT

WORKS: dict[str, tuple[str, Rounding, int]] = {
    "hgs, integer distances": ("hgs", "nearest", 4),
    "hgs, real distances": ("hgs", "none", 4),
    "trajectories, integer distances": ("trajectories", "nearest", 4),
    "trajectories, real distances": ("trajectories", "none", 4),
    # Beyond the size at which a matrix is kept:
    "trajectories, large instances": ("trajectories", "nearest", MATRIX_LIMIT + 1),
    "trajectories, large instances, rounded up": ("trajectories", "ceil", MATRIX_LIMIT + 1),
    "trajectories, large instances, real distances": ("trajectories", "none", MATRIX_LIMIT + 1),
}
"""What there is to compile: optimizer, rounding, nodes."""


def compile_work(name: str) -> None:
    """Compile one of `WORKS`, and keep the machine code."""
    optimizer, rounding, n = WORKS[name]
    problem = CVRP(_example(rounding, n))
    if optimizer == "hgs":
        from .hgs import HybridGeneticSearch

        search = HybridGeneticSearch(problem, 0)
        search.warm_up()
        search.evaluator().warm_up()
    else:
        from .trajectory_search import TrajectorySearch

        TrajectorySearch(problem, 0).evaluator().warm_up()


def _example(rounding: Rounding, n: int) -> Instance:
    places = np.stack([np.arange(n) % 50, np.arange(n) // 50], axis=1).astype(np.float64)
    demands = np.ones(n, np.int64)
    demands[0] = 0
    return Instance("example", demands, 100, coordinates=places, rounding=rounding)
