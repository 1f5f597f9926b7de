"""Particle swarm optimization: constriction coefficients, a ring or one swarm for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.optimizers import checks
from evo.optimizers.box import SPACES, Box
from evo.optimizers.first_population import FirstPopulation
from evo.optimizers.generational import Generational, Told, array_of
from evo.rng import Purpose, stream

if TYPE_CHECKING:
    from evo.problem import Problem

TOPOLOGIES = ("ring", "global")


class ParticleSwarm(Generational):
    """Kennedy and Eberhart (1995), DOI 10.1109/ICNN.1995.488968, in the standard form of Bratton and Kennedy (2007),
    DOI 10.1109/SIS.2007.368035.

    v <- w v + c_1 r_1 (p - x) + c_2 r_2 (g - x), x <- x + v, with new r in [0, 1) for every dimension; p is the best
    point of the particle, g of its neighbourhood. A particle that would leave the bounds stops there, and its velocity
    in that dimension is 0.

    Parameters
    ----------
    population
        Particles, >= 2.
    inertia
        w, above 0, at most 1. The default and those of c_1 and c_2 are Clerc and Kennedy's (2002, DOI
        10.1109/4235.985692) constriction with phi = 4.1.
    cognitive
        c_1, above 0, at most 4.
    social
        c_2, above 0, at most 4.
    topology
        Whose best a particle knows: ``ring``, its two neighbours' and its own (slower, finds more); ``global``, all.
    sampling, start
        As for ``ga``: how the first population is drawn, and points to begin with.
    """

    name = "pso"
    spaces = SPACES

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        population: int = 50,
        inertia: float = 0.72984,
        cognitive: float = 1.49617,
        social: float = 1.49617,
        topology: str = "ring",
        sampling: str = "uniform",
        start: Any = None,
    ) -> None:
        super().__init__(problem, seed)
        self.first = FirstPopulation(self.space, sampling, start)
        self.box = Box(problem.space)
        self.size = checks.whole("population", population, 2)
        self.first.check_size(self.size)
        self.inertia = checks.number("inertia", inertia, 0.0, 1.0)
        self.cognitive = checks.number("cognitive", cognitive, 0.0, 4.0)
        self.social = checks.number("social", social, 0.0, 4.0)
        self.topology = checks.choice("topology", topology, TOPOLOGIES)
        n = self.box.size
        self.points = np.zeros((0, n))
        self.velocity = np.zeros((0, n))
        self.own_points = np.zeros((0, n))
        """Where each particle was best."""
        self.own_objective = np.zeros(0)
        self.own_violation = np.zeros(0)

    def parameters(self) -> dict[str, Any]:
        return {
            "population": self.size,
            "inertia": self.inertia,
            "cognitive": self.cognitive,
            "social": self.social,
            "topology": self.topology,
            **self.first.parameters(),
        }

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        if not len(self.points):
            rng = stream(self.seed, self.asked, Purpose.SAMPLING)
            self.points = self.box.first(self.first, self.size, rng)
            self.velocity = 0.5 * (self.box.sample(self.size, rng) - self.points)
            self.own_points = self.points.copy()
            self.own_objective = np.full(self.size, np.inf)
            self.own_violation = np.full(self.size, np.inf)
        else:
            self._move(stream(self.seed, self.asked, Purpose.MUTATION))
        columns = self.box.columns(self.points.copy())
        return columns if remaining is None else {name: column[:remaining] for name, column in columns.items()}

    def _move(self, rng: np.random.Generator) -> None:
        box, x = self.box, self.points
        r_1, r_2 = rng.random((2, *x.shape))
        v = self.inertia * self.velocity
        v += self.cognitive * r_1 * (self.own_points - x) + self.social * r_2 * (self.own_points[self._leaders()] - x)
        moved = x + v
        self.points = np.minimum(np.maximum(moved, box.lower), box.upper)
        self.velocity = np.where(self.points == moved, v, 0.0)

    def _leaders(self) -> np.ndarray:
        """The best particle that each one knows of, (population,)."""
        rank = np.empty(self.size, dtype=np.int64)
        order = Told({}, self.own_points, self.own_objective, self.own_violation).ranked()
        if self.topology == "global":
            return np.full(self.size, order[0])
        rank[order] = np.arange(self.size)
        return order[np.minimum(rank, np.minimum(np.roll(rank, 1), np.roll(rank, -1)))]

    def _tell(self, told: Told) -> None:
        count = len(told)
        points = self.box.told(told.rows, told.genome)
        self.points[:count] = points
        mine, theirs = self.own_objective[:count], self.own_violation[:count]
        better = (told.violation < theirs) | ((told.violation == theirs) & (told.objective < mine))
        rows = np.flatnonzero(better)
        self.own_points[rows] = points[rows]
        self.own_objective[rows], self.own_violation[rows] = told.objective[rows], told.violation[rows]

    def summary(self) -> dict[str, float]:
        return {"speed": float(np.abs(self.velocity).mean())} if len(self.velocity) else {}

    def _state(self) -> dict[str, Any]:
        names = ("points", "velocity", "own_points", "own_objective", "own_violation")
        return {name: getattr(self, name) for name in names}

    def _load(self, state: Mapping[str, Any]) -> None:
        self.points = array_of(state, "points", (None, self.box.size))
        shape = self.points.shape
        if len(self.points) not in (0, self.size):
            raise ValueError(f"{len(self.points)} particles instead of {self.size}")
        self.velocity, self.own_points = array_of(state, "velocity", shape), array_of(state, "own_points", shape)
        self.own_objective = array_of(state, "own_objective", shape[:1])
        self.own_violation = array_of(state, "own_violation", shape[:1])
