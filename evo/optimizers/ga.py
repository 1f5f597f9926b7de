"""Genetic algorithms for every space, generational and steady-state: selection, crossover, mutation, survival."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.categorical import Categorical
from evo.mixed import Mixed
from evo.operators import selection
from evo.optimizers import checks
from evo.optimizers.base import Best
from evo.optimizers.first_population import FirstPopulation
from evo.optimizers.generational import Generational, Told, array_of
from evo.optimizers.variation import Variation
from evo.population import Population
from evo.problem import signs
from evo.rng import Purpose, stream
from evo.spaces import Binary, Integer, Permutation, Real

if TYPE_CHECKING:
    from evo.problem import Problem

SELECTIONS = ("tournament", "roulette", "rank", "sus", "truncation")
SURVIVALS = ("generational", "steady-state")


class GeneticAlgorithm(Generational):
    """Holland's scheme as used today (Eiben and Smith 2015, DOI 10.1007/978-3-662-44874-8, chapter 5).

    Real: SBX and polynomial mutation. Integer: uniform crossover, reset or creep. Binary: uniform crossover, bit flips.
    Permutation: order crossover and inversion. Categorical: uniform crossover, reset. Mixed: each field by its space's.
    Constraints by feasibility rules (Deb 2000).

    Parameters
    ----------
    population
        Individuals, >= 2.
    elitism
        Best individuals that survive unchanged, 0 <= elitism < population; without a meaning in a steady state.
    tournament
        Individuals a tournament is held among, >= 1.
    crossover
        Probability that a pair of parents is crossed, in [0, 1].
    mutation
        Probability per gene (per individual for permutations), in [0, 1]; None: 1 / genes (0.5 for permutations).
    selection
        How parents are chosen: ``tournament``; ``roulette``, in proportion to fitness; ``rank``, by linear ranking;
        ``sus``, stochastic universal sampling by linear ranking; ``truncation``, from the best half.
    crossover_operator
        For reals ``sbx``, ``sbx-bounded``, ``blend``, ``arithmetic``; for all but permutations ``uniform``,
        ``one-point``, ``two-point``; for permutations ``order``, ``pmx``, ``cycle``, ``erx``; or ``module:function``,
        see `evo.operators.named`. None: the space's default, above.
    mutation_operator
        For reals ``polynomial``, ``gaussian``; for integers ``integer-step``; for bits ``bit-flip``; for permutations
        ``inversion``, ``swap``, ``insertion``, ``scramble``; for categories ``reset``; or ``module:function``. None:
        the space's default.
    survival
        ``generational``: the offspring replace all but the elite. ``steady-state``: the best of parents and offspring
        together survive (Whitley 1989, "The GENITOR algorithm and selection pressure", ICGA 3, 116-121).
    sampling
        How the first population is drawn: ``uniform``, ``latin-hypercube`` or ``sobol``, see `evo.sampling`.
    start
        Points of the first population, at most `population`, each as `Result.x`; the others are drawn.
    offspring
        Children per generation, >= 1; None: as many as `population`. 1 or 2 in a steady state is GENITOR's; as many as
        there are workers keeps those busy. A generational algorithm needs at least `population` - `elitism`.
    """

    name = "ga"
    spaces = (Real, Integer, Binary, Permutation, Categorical, Mixed)

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
        selection: str = "tournament",
        crossover_operator: str | None = None,
        mutation_operator: str | None = None,
        survival: str = "generational",
        offspring: int | None = None,
        sampling: str = "uniform",
        start: Any = None,
    ) -> None:
        super().__init__(problem, seed)
        self.size = checks.whole("population", population, 2)
        self.elitism = checks.whole("elitism", elitism, 0, population - 1)
        self.tournament = checks.whole("tournament", tournament, 1)
        self.variation = Variation(self.space, crossover, mutation, crossover_operator, mutation_operator)
        self.selection = checks.choice("selection", selection, SELECTIONS)
        self.steady = checks.choice("survival", survival, SURVIVALS) == "steady-state"
        self.keeps_best = self.steady or elitism > 0
        least = 1 if self.steady else population - elitism
        self.offspring = population if offspring is None else checks.whole("offspring", offspring, least)
        self.first = FirstPopulation(self.space, sampling, start)
        self.first.check_size(self.size)
        self.population: Population | None = None
        """Sorted from best to worst."""

    def parameters(self) -> dict[str, Any]:
        return {
            "population": self.size,
            "elitism": self.elitism,
            "tournament": self.tournament,
            **self.variation.parameters(),
            "selection": self.selection,
            "survival": "steady-state" if self.steady else "generational",
            "offspring": self.offspring,
            **self.first.parameters(),
        }

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        count = self.size if self.population is None else self.offspring
        count = count if remaining is None else min(count, remaining)
        if self.population is None:
            return {"genome": self.first.genomes(count, stream(self.seed, self.asked, Purpose.SAMPLING))}
        return {"genome": self._children(self.population, count)}

    def _children(self, parents: Population, count: int) -> np.ndarray:
        pairs = (count + 1) // 2
        rng = stream(self.seed, self.asked, Purpose.SELECTION)
        chosen = self._parents(parents, 2 * pairs, rng)
        crossed = rng.random(pairs) < self.variation.crossover
        return self.variation.children(parents["genome"][chosen], crossed, count, self.seed, self.asked)

    def _parents(self, parents: Population, count: int, rng: np.random.Generator) -> np.ndarray:
        if self.selection == "tournament":
            return selection.tournament(parents.size, count, rng, size=self.tournament)
        if self.selection == "truncation":
            return selection.truncation(parents.size, count, rng)
        if self.selection == "roulette":
            return selection.roulette(selection.proportional(parents["objective"], parents["violation"]), count, rng)
        chances = selection.linear_ranking(parents.size)
        spin = selection.stochastic_universal if self.selection == "sus" else selection.roulette
        return spin(chances, count, rng)

    def _tell(self, told: Told) -> None:
        pool = Population(genome=told.genome, objective=told.objective, violation=told.violation)
        if self.population is not None:
            survivors = self.population if self.steady else self.population.take(slice(0, self.elitism))
            # Offspring first: among equals the young win, so that a plateau is crossed rather than sat on.
            pool = pool.joined(survivors)
        self.population = pool.take(pool.ranked()[: self.size])

    def summary(self) -> dict[str, float]:
        if self.population is None:
            return {}
        usable = self.population["objective"][np.isfinite(self.population["objective"])]
        (sign,) = signs(self.problem)
        return {"mean": sign * float(usable.mean())} if len(usable) else {}

    @property
    def best(self) -> Best | None:
        if not self.keeps_best:
            return self.record
        if self.population is None or not np.isfinite(self.population["objective"][0]):
            return None
        top = self.population
        return Best(float(top["objective"][0]), float(top["violation"][0]), {"genome": top["genome"][0]})

    def _state(self) -> dict[str, Any]:
        return {"population": None if self.population is None else dict(self.population)}

    def _load(self, state: Mapping[str, Any]) -> None:
        fields = state["population"]
        if fields is None:
            self.population = None
            return
        genome = array_of(fields, "genome", (None, self.space.size), self.space.dtype)
        numbers = {name: array_of(fields, name, (len(genome),)) for name in ("objective", "violation")}
        self.population = Population(genome=genome, **numbers)
