"""`Box`: a bounded space as the optimizers of real vectors see it: points between bounds, rounded where it is discrete.

Integers and bits are searched as reals and rounded for evaluation (Lampinen and Zelinka 1999): each value owns an
interval of width 1, so that all are equally likely at the start.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evo.optimizers.first_population import FirstPopulation
from evo.spaces import Binary, Integer, Real, Space

SPACES: tuple[type[Space], ...] = (Real, Integer, Binary)


class Box:
    """The points of a real, integer or binary space.

    Attributes
    ----------
    lower, upper
        (size,) float64 bounds of the points.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.size = space.size
        self.rounded = not isinstance(space, Real)
        if isinstance(space, Binary):
            self.lower, self.upper = np.full(self.size, -0.5), np.full(self.size, 1.5)
        else:
            assert isinstance(space, (Real, Integer))
            half = 0.5 if self.rounded else 0.0
            self.lower, self.upper = space.lower - half, space.upper + half
        self.width = self.upper - self.lower

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Uniform points, (count, size)."""
        return self.from_unit(rng.random((count, self.size)))

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        """The points that those of [0, 1)^size stand for."""
        return np.asarray(unit * self.width + self.lower)

    def first(self, population: FirstPopulation, count: int, rng: np.random.Generator, done: int = 0) -> np.ndarray:
        """The first `count` points, (count, size), but for those given ones that were `done` before."""
        given = population.given[done : done + count].astype(np.float64)
        drawn = self.from_unit(population.unit(count - len(given), rng))
        return np.concatenate((given, drawn)) if len(given) else drawn

    def columns(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """What a generation of `points` asks for: ``genome``, and ``point`` where that is another thing."""
        if not self.rounded:
            return {"genome": points}
        return {"genome": self.genomes(points), "point": points}

    def told(self, rows: Mapping[str, np.ndarray], genome: np.ndarray) -> np.ndarray:
        """The points of the genomes that came back: those asked, or new ones where `Problem.improve` changed them."""
        if not self.rounded:
            return genome
        changed = (genome != rows["genome"]).any(axis=1)
        return np.where(changed[:, None], genome.astype(np.float64), rows["point"])

    def genomes(self, points: np.ndarray) -> np.ndarray:
        """Rounded and clipped, of the space's dtype."""
        space = self.space
        if isinstance(space, Binary):
            return np.asarray(points > 0.5)
        assert isinstance(space, (Real, Integer))
        inside = np.clip(np.rint(points) if self.rounded else points, space.lower, space.upper)
        return np.asarray(inside.astype(space.dtype))
