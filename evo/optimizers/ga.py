"""A generational genetic algorithm for every space: tournament, crossover, mutation, elitism."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.errors import CheckpointError, SettingsError
from evo.evaluation import ProblemEvaluator
from evo.operators import crossover, mutation, selection
from evo.optimizers.base import Best, Candidates, Optimizer, Results
from evo.population import Population
from evo.rng import Purpose, stream
from evo.spaces import Binary, Integer, Permutation, Real

if TYPE_CHECKING:
    from evo.distributed.executor import Evaluator
    from evo.problem import Problem


class GeneticAlgorithm(Optimizer):
    """Holland's scheme as used today (Eiben and Smith 2015, DOI 10.1007/978-3-662-44874-8, chapter 5).

    Real: SBX and polynomial mutation. Integer: uniform crossover, reset or creep. Binary: uniform crossover, bit flips.
    Permutation: order crossover and inversion. Constraints by feasibility rules (Deb 2000).

    Parameters
    ----------
    population
        Individuals, >= 2.
    elitism
        Best individuals that survive unchanged, 0 <= elitism < population.
    tournament
        Individuals a tournament is held among, >= 1.
    crossover
        Probability that a pair of parents is crossed, in [0, 1].
    mutation
        Probability per gene (per individual for permutations), in [0, 1]; None: 1 / genes (0.5 for permutations).
    """

    name = "ga"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        population: int = 100,
        elitism: int = 1,
        tournament: int = 2,
        crossover: float = 0.9,
        mutation: float | None = None,
    ) -> None:
        _check_whole("population", population, 2)
        _check_whole("elitism", elitism, 0, population - 1)
        _check_whole("tournament", tournament, 1)
        _check_share("crossover", crossover)
        self.problem = problem
        self.space = problem.space
        if not isinstance(self.space, (Real, Integer, Binary, Permutation)):
            raise SettingsError(f"optimizer.type: ga does not know the space {type(self.space).__name__}")
        if mutation is None:
            mutation = 0.5 if isinstance(self.space, Permutation) else 1.0 / self.space.size
        _check_share("mutation", mutation)
        self.seed = seed
        self.size = population
        self.elitism = elitism
        self.tournament = tournament
        self.crossover = crossover
        self.mutation = mutation
        self.asked = 0
        self.told = 0
        self.population: Population | None = None
        """Sorted from best to worst."""

    def parameters(self) -> dict[str, Any]:
        return {
            "population": self.size,
            "elitism": self.elitism,
            "tournament": self.tournament,
            "crossover": self.crossover,
            "mutation": self.mutation,
        }

    def evaluator(self) -> Evaluator:
        return ProblemEvaluator(self.problem)

    def ask(self, remaining: int | None) -> Candidates:
        count = self.size if remaining is None else min(self.size, remaining)
        if self.population is None:
            genomes = self.space.sample(count, stream(self.seed, self.asked, Purpose.SAMPLING))
        else:
            genomes = self._offspring(self.population, count)
        context = {"seed": self.seed, "generation": self.asked}
        self.asked += 1
        return Candidates({"genome": genomes}, context)

    def _offspring(self, parents: Population, count: int) -> np.ndarray:
        pairs = (count + 1) // 2
        rng = stream(self.seed, self.asked, Purpose.SELECTION)
        chosen = selection.tournament(parents.size, 2 * pairs, rng, size=self.tournament)
        crossed = rng.random(pairs) < self.crossover
        genomes = parents["genome"][chosen]
        first, second = genomes[:pairs], genomes[pairs:]
        one, two = self._crossed(first, second, stream(self.seed, self.asked, Purpose.CROSSOVER))
        keep = ~crossed
        one[keep], two[keep] = first[keep], second[keep]
        children = np.concatenate((one, two))[:count]
        return self._mutated(children, stream(self.seed, self.asked, Purpose.MUTATION))

    def _crossed(
        self, first: np.ndarray, second: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        space = self.space
        if isinstance(space, Real):
            return crossover.simulated_binary(first, second, space.lower, space.upper, rng)
        if isinstance(space, Permutation):
            return crossover.order(first, second, rng)
        return crossover.uniform(first, second, rng)

    def _mutated(self, genomes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        space, probability = self.space, self.mutation
        if isinstance(space, Real):
            return mutation.polynomial(genomes, space.lower, space.upper, rng, probability=probability)
        if isinstance(space, Integer):
            return mutation.integer_step(genomes, space.lower, space.upper, rng, probability=probability)
        if isinstance(space, Permutation):
            return mutation.inversion(genomes, rng, probability=probability)
        return mutation.bit_flip(genomes, rng, probability=probability)

    def tell(self, candidates: Candidates, results: Results) -> None:
        found = results.arrays
        offspring = Population(
            genome=found.get("genome", candidates.rows["genome"]),
            objective=found["objective"],
            violation=found["violation"],
        )
        pool = offspring
        if self.population is not None:
            # Offspring first: among equals the young win, so that a plateau is crossed rather than sat on.
            pool = offspring.joined(self.population.take(slice(0, self.elitism)))
        self.population = pool.take(pool.ranked()[: self.size])
        self.told += 1

    @property
    def best(self) -> Best | None:
        if self.population is None or not np.isfinite(self.population["objective"][0]):
            return None
        top = self.population
        return Best(float(top["objective"][0]), float(top["violation"][0]), {"genome": top["genome"][0]})

    def summary(self) -> dict[str, float]:
        if self.population is None:
            return {}
        usable = self.population["objective"][np.isfinite(self.population["objective"])]
        sign = -1.0 if self.problem.maximize else 1.0
        return {"mean": sign * float(usable.mean())} if len(usable) else {}

    def state(self) -> dict[str, Any]:
        population = None if self.population is None else dict(self.population)
        return {"asked": self.asked, "told": self.told, "population": population}

    def load_state(self, state: Mapping[str, Any]) -> None:
        try:
            fields = state["population"]
            self.asked, self.told = int(state["asked"]), int(state["told"])
            self.population = None if fields is None else Population(**fields)
            if self.population is not None:
                genomes = self.population["genome"]
                if genomes.shape[1:] != (self.space.size,) or genomes.dtype != self.space.dtype:
                    raise CheckpointError(
                        f"optimizer.state.population.genome: expected {self.space.size} genes of {self.space.dtype}, "
                        f"found shape {genomes.shape} of {genomes.dtype}"
                    )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"optimizer.state: expected the state of a ga, found {error}") from error


def _check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise SettingsError(f"optimizer.{name}: expected a whole number, {limits}, found {value!r}")


def _check_share(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise SettingsError(f"optimizer.{name}: expected a number from 0 to 1, found {value!r}")
