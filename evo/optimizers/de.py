"""Differential evolution as Storn and Price wrote it, in its classic strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evo.optimizers import checks
from evo.optimizers.differential import Differential, binomial, distinct, returned

if TYPE_CHECKING:
    from evo.problem import Problem

STRATEGIES = ("rand/1/bin", "best/1/bin", "current-to-best/1/bin", "rand/2/bin", "best/2/bin")


class DifferentialEvolution(Differential):
    """Storn and Price (1997), DOI 10.1023/A:1008202821328; strategies and names after Price, Storn, Lampinen (2005),
    DOI 10.1007/3-540-31306-0.

    A mutant is v = base + F (x_a - x_b) [+ F (x_c - x_d)], with individuals different from each other and the parent.

    Parameters
    ----------
    strategy
        The base and the number of differences: ``rand/1/bin`` a random individual; ``best/1/bin`` the best;
        ``current-to-best/1/bin`` x + F (best - x); ``rand/2/bin`` and ``best/2/bin`` with two differences.
    population
        Individuals, >= 6; None: 5 per dimension, at least 20, at most 200.
    scale
        F, above 0, at most 2: the smallest where it is dithered.
    dither
        F is drawn for every individual from [scale, scale + dither], 0 to 1 (Das, Konar, Chakraborty 2005, DOI
        10.1145/1068009.1068177); 0: it is fixed.
    crossover
        CR, the probability that a gene is the mutant's, in [0, 1]; small for separable objectives.
    sampling, start
        As for ``ga``: how the first population is drawn, and points to begin with.
    """

    name = "de"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        strategy: str = "rand/1/bin",
        population: int | None = None,
        scale: float = 0.5,
        dither: float = 0.5,
        crossover: float = 0.9,
        sampling: str = "uniform",
        start: Any = None,
    ) -> None:
        super().__init__(problem, seed, sampling, start)
        self.strategy = checks.choice("strategy", strategy, STRATEGIES)
        if population is None:
            population = min(200, max(20, 5 * self.box.size))
        self.size = checks.whole("population", population, 6)
        self.first.check_size(self.size)
        self.scale = checks.number("scale", scale, 0.0, 2.0)
        self.dither = checks.share("dither", dither)
        self.crossover = checks.share("crossover", crossover)

    def parameters(self) -> dict[str, Any]:
        return {
            "strategy": self.strategy,
            "population": self.size,
            "scale": self.scale,
            "dither": self.dither,
            "crossover": self.crossover,
            **self.first.parameters(),
        }

    def wanted(self, remaining: int | None) -> int:
        return self.size

    def _trials(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        x, count = self.points, len(self.points)
        F = self.scale + self.dither * rng.random((count, 1))
        base, differences, _ = self.strategy.split("/")
        others = distinct(np.arange(count), count, 2 * int(differences) + (base == "rand"), rng)
        if base == "rand":
            mutants = x[others.pop()]
        else:
            best = x[self.ranked()[0]]
            mutants = x + F * (best - x) if base == "current-to-best" else np.tile(best, (count, 1))
        while others:
            mutants = mutants + F * (x[others.pop()] - x[others.pop()])
        mutants = returned(mutants, x, self.box.lower, self.box.upper)
        return binomial(x, mutants, self.crossover, rng), {}
