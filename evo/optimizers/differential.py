"""What the variants of differential evolution share: a first population, trials against their parents, survival."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.optimizers.box import SPACES, Box
from evo.optimizers.first_population import FirstPopulation
from evo.optimizers.generational import Generational, Told, array_of
from evo.rng import Purpose, stream

if TYPE_CHECKING:
    from evo.problem import Problem


class Differential(Generational):
    """Base: the first generations fill the population; from then on every individual has one trial per generation.

    A trial replaces its parent where it is not worse: by violation first (Deb 2000), then by objective. A subclass
    says how large the population is to be (`wanted`), and writes `_trials` and `_learn`.
    """

    spaces = SPACES

    def __init__(self, problem: Problem, seed: int, sampling: str, start: Any) -> None:
        super().__init__(problem, seed)
        self.first = FirstPopulation(self.space, sampling, start)
        self.box = Box(problem.space)
        self.points = np.zeros((0, self.box.size))
        self.objective = np.zeros(0)
        self.violation = np.zeros(0)
        self.filled = False
        """Whether the first population was evaluated whole."""

    @abstractmethod
    def wanted(self, remaining: int | None) -> int:
        """The size of the first population; `remaining` is what `ask` was told."""

    @abstractmethod
    def _trials(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """One trial point for every individual, (n, size) within the bounds, and columns that `_learn` needs again."""

    def _learn(self, told: Told, trials: np.ndarray, won: np.ndarray) -> None:
        """Called before the winners, (m,) bool, replace their parents, the first m individuals; does nothing."""

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        rng = stream(self.seed, self.asked, Purpose.SAMPLING if not self.filled else Purpose.MUTATION)
        if not self.filled:
            size, done = self.wanted(remaining), len(self.points)
            self.first.check_size(size)
            return self.box.columns(self.box.first(self.first, size - done, rng, done)[:remaining])
        points, more = self._trials(rng)
        columns = self.box.columns(points) | more
        return columns if remaining is None else {name: column[:remaining] for name, column in columns.items()}

    def _tell(self, told: Told) -> None:
        points, count = self.box.told(told.rows, told.genome), len(told)
        if not self.filled:
            self.points = np.concatenate((self.points, points))
            self.objective = np.concatenate((self.objective, told.objective))
            self.violation = np.concatenate((self.violation, told.violation))
            self.filled = len(self.points) >= self.wanted(None)
            return
        better = told.objective <= self.objective[:count]
        if told.violation.any() or self.violation.any():
            mine = self.violation[:count]
            better = (told.violation < mine) | ((told.violation == mine) & better)
        self._learn(told, points, better)
        rows = np.flatnonzero(better)
        self.points[rows], self.objective[rows] = points[rows], told.objective[rows]
        self.violation[rows] = told.violation[rows]

    def ranked(self) -> np.ndarray:
        """The individuals from best to worst."""
        return Told({}, self.points, self.objective, self.violation).ranked()

    def _state(self) -> dict[str, Any]:
        return {
            "points": self.points,
            "objective": self.objective,
            "violation": self.violation,
            "filled": self.filled,
        }

    def _load(self, state: Mapping[str, Any]) -> None:
        self.points = array_of(state, "points", (None, self.box.size))
        count = len(self.points)
        self.objective, self.violation = (array_of(state, name, (count,)) for name in ("objective", "violation"))
        self.filled = bool(state["filled"])

    def summary(self) -> dict[str, float]:
        return {"population": len(self.points)}


def distinct(own: np.ndarray, size: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """For each of `own`, (n,), `count` numbers below `size` different from it and from each other: `count` x (n,).

    A number is drawn from as many as there are left, and moved up past those that are taken, in ascending order.
    """
    taken = [own]
    for k in range(count):
        drawn = rng.integers(0, size - 1 - k, size=len(own))
        for other in np.sort(taken, axis=0):
            drawn += drawn >= other
        taken.append(drawn)
    return taken[1:]


def binomial(
    parents: np.ndarray, mutants: np.ndarray, rate: np.ndarray | float, rng: np.random.Generator
) -> np.ndarray:
    """Each gene from the mutant with probability `rate`, one random gene in any case (Storn and Price 1997, eq. 4)."""
    count, size = parents.shape
    # Dice of 16 bits: drawing full numbers was the dearest part of a generation.
    dice = np.frombuffer(rng.bytes(2 * count * size), dtype="<u2").reshape(count, size)
    mask = dice < np.rint(np.asarray(rate) * 65536.0).astype(np.int32)
    mask[np.arange(count), (rng.random(count) * size).astype(np.int64)] = True
    return np.where(mask, mutants, parents)


def returned(mutants: np.ndarray, parents: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Genes that left the bounds, put half way between the bound and the parent (Zhang and Sanderson 2009, JADE)."""
    below, above = mutants < lower, mutants > upper
    if below.any():
        mutants = np.where(below, 0.5 * (lower + parents), mutants)
    if above.any():
        mutants = np.where(above, 0.5 * (upper + parents), mutants)
    return mutants
