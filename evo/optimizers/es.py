"""Evolution strategies with self-adapted step sizes: (mu/rho +, lambda)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.errors import SettingsError
from evo.optimizers import checks
from evo.optimizers.box import SPACES, Box
from evo.optimizers.cma_bounds import into_box, out_of_box
from evo.optimizers.first_population import FirstPopulation
from evo.optimizers.generational import Generational, Told, array_of
from evo.rng import Purpose, stream

if TYPE_CHECKING:
    from evo.problem import Problem

SURVIVALS = ("comma", "plus")
RECOMBINATIONS = ("intermediate", "discrete")
SMALLEST, LARGEST = 1e-15, 1.0
"""Limits of a step size, as shares of the bounds' width: it may neither die nor run away."""


class EvolutionStrategy(Generational):
    """Beyer and Schwefel (2002), "Evolution strategies: a comprehensive introduction", DOI 10.1023/A:1015059928466.

    Each individual carries its own step sizes, one per dimension, which are recombined and mutated log-normally before
    they mutate it (their algorithm 1; the learning rates of section 4.2). Bounds are kept by the smooth map of
    `cma_bounds`; integers and bits are rounded. Constraints by feasibility rules (Deb 2000).

    Parameters
    ----------
    mu
        Parents, >= 1; None: a quarter of lambda_, the ratio that self-adaptation asks for.
    lambda_
        Offspring per generation, >= 2 and, with ``comma``, more than mu; None: 4 x (4 + floor(3 ln n)).
    rho
        Parents of one offspring, 1 <= rho <= mu; None: all.
    survival
        ``comma``: parents die; ``plus``: the best of parents and offspring survive.
    recombination
        Of the points: ``intermediate`` (their mean) or ``discrete`` (each gene of a random parent). Step sizes are
        averaged geometrically.
    sigma
        Initial step sizes as a share of the bounds' width, above 0, at most 1.
    sampling, start
        As for ``ga``: how the first lambda_ points are drawn, and points to begin with.
    """

    name = "es"
    spaces = SPACES

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        mu: int | None = None,
        lambda_: int | None = None,
        rho: int | None = None,
        survival: str = "comma",
        recombination: str = "intermediate",
        sigma: float = 0.2,
        sampling: str = "uniform",
        start: Any = None,
    ) -> None:
        super().__init__(problem, seed)
        self.first = FirstPopulation(self.space, sampling, start)
        self.box = Box(problem.space)
        n = self.box.size
        default = 4 * (4 + int(3 * math.log(n)))
        self.lambda_ = default if lambda_ is None else checks.whole("lambda_", lambda_, 2)
        self.first.check_size(self.lambda_)
        self.mu = max(1, self.lambda_ // 4) if mu is None else checks.whole("mu", mu, 1)
        self.rho = self.mu if rho is None else checks.whole("rho", rho, 1, self.mu)
        self.plus = checks.choice("survival", survival, SURVIVALS) == "plus"
        if not self.plus and self.mu >= self.lambda_:
            raise SettingsError(f"optimizer.mu: expected fewer than lambda_ = {self.lambda_}, found {self.mu}")
        self.recombination = checks.choice("recombination", recombination, RECOMBINATIONS)
        self.sigma_0 = checks.number("sigma", sigma, 0.0, 1.0)
        self.tau_all = 1.0 / math.sqrt(2.0 * n)
        self.tau_each = 1.0 / math.sqrt(2.0 * math.sqrt(n))
        self.points = np.zeros((0, n))
        """(mu, n) parents, best first, in coordinates in which the box is [-1/2, 1/2]."""
        self.sigma = np.zeros((0, n))
        self.objective = np.zeros(0)
        self.violation = np.zeros(0)

    def parameters(self) -> dict[str, Any]:
        return {
            "mu": self.mu,
            "lambda_": self.lambda_,
            "rho": self.rho,
            "survival": "plus" if self.plus else "comma",
            "recombination": self.recombination,
            "sigma": self.sigma_0,
            **self.first.parameters(),
        }

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        n = self.box.size
        if not len(self.points):
            points = self._first_points(stream(self.seed, self.asked, Purpose.SAMPLING))
            sigma = np.full((self.lambda_, n), self.sigma_0)
        else:
            points, sigma = self._recombined(stream(self.seed, self.asked, Purpose.CROSSOVER))
            rng = stream(self.seed, self.asked, Purpose.MUTATION)
            shared, own = rng.standard_normal((self.lambda_, 1)), rng.standard_normal((self.lambda_, n))
            sigma = np.clip(sigma * np.exp(self.tau_all * shared + self.tau_each * own), SMALLEST, LARGEST)
            points = points + sigma * rng.standard_normal((self.lambda_, n))
        columns = {"genome": self._genomes(points), "point": points, "sigma": sigma}
        return columns if remaining is None else {name: column[:remaining] for name, column in columns.items()}

    def _first_points(self, rng: np.random.Generator) -> np.ndarray:
        given = out_of_box(self._unit(self.first.given)) if self.asked == 0 else np.empty((0, self.box.size))
        drawn = self.first.unit(self.lambda_ - len(given), rng) - 0.5
        return np.concatenate((given, drawn)) if len(given) else drawn

    def _unit(self, genome: np.ndarray) -> np.ndarray:
        """Genomes as points of [-1/2, 1/2]ⁿ; dimensions without width are 0."""
        box = self.box
        width = np.where(box.width > 0.0, box.width, 1.0)
        return np.asarray((genome.astype(np.float64) - 0.5 * (box.lower + box.upper)) / width)

    def _genomes(self, points: np.ndarray) -> np.ndarray:
        box = self.box
        return box.genomes(into_box(points) * box.width + 0.5 * (box.lower + box.upper))

    def _recombined(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        parents, count = len(self.points), self.lambda_
        rho = min(self.rho, parents)
        families = np.argsort(rng.random((count, parents)), axis=1)[:, :rho]
        sigma = np.exp(np.log(self.sigma)[families].mean(axis=1))
        if self.recombination == "intermediate":
            return self.points[families].mean(axis=1), sigma
        n = self.box.size
        donors = np.take_along_axis(families, rng.integers(0, rho, size=(count, n)), axis=1)
        return self.points[donors, np.arange(n)], sigma

    def _tell(self, told: Told) -> None:
        points = self._told_points(told)
        sigma, objective, violation = told.rows["sigma"], told.objective, told.violation
        if self.plus or len(told) < self.lambda_ or not told.usable().any():
            # Where the budget cut a generation short, or it failed as a whole, parents live on.
            points, sigma = np.concatenate((points, self.points)), np.concatenate((sigma, self.sigma))
            objective = np.concatenate((objective, self.objective))
            violation = np.concatenate((violation, self.violation))
        pool = Told({}, points, objective, violation)
        # What failed is nobody's parent; where all did, the next generation is drawn like the first.
        best = pool.ranked()[: min(self.mu, int(np.count_nonzero(pool.usable())))]
        self.points, self.sigma = points[best], sigma[best]
        self.objective, self.violation = objective[best], violation[best]

    def _told_points(self, told: Told) -> np.ndarray:
        """The points told: those asked, but for the genomes that `Problem.improve` changed."""
        points = told.rows["point"]
        changed = (told.genome != told.rows["genome"]).any(axis=1)
        if not changed.any():
            return points
        return np.where(changed[:, None], out_of_box(self._unit(told.genome)), points)

    def summary(self) -> dict[str, float]:
        return {"sigma": float(np.exp(np.log(self.sigma).mean()))} if len(self.sigma) else {}

    def _state(self) -> dict[str, Any]:
        names = ("points", "sigma", "objective", "violation")
        return {name: getattr(self, name) for name in names}

    def _load(self, state: Mapping[str, Any]) -> None:
        n = self.box.size
        self.points = array_of(state, "points", (None, n))
        count = len(self.points)
        self.sigma = array_of(state, "sigma", (count, n))
        self.objective, self.violation = (array_of(state, name, (count,)) for name in ("objective", "violation"))
