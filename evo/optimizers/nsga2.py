"""NSGA-II: several objectives by non-dominated sorting and crowding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.categorical import Categorical
from evo.dominance import pareto_ranks, survivors
from evo.mixed import Mixed
from evo.optimizers import checks
from evo.optimizers.base import Front
from evo.optimizers.first_population import FirstPopulation
from evo.optimizers.generational import Generational, Told, array_of
from evo.optimizers.variation import Variation
from evo.population import Population
from evo.rng import Purpose, stream
from evo.spaces import Binary, Integer, Permutation, Real

if TYPE_CHECKING:
    from evo.problem import Problem


KERNELS = "evo.kernels_survival"
CROWDINGS = ("updated", "once")


class NSGA2(Generational):
    """Deb, Pratap, Agarwal, Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II", DOI
    10.1109/4235.996017, with constrained domination (section VI).

    The best half of parents and offspring survives: front after front, and of the front that does not fit whole the
    least crowded. Exact copies come after all others, so that a front of few points does not fill the population.

    Parameters
    ----------
    population
        Individuals, >= 4.
    crowding
        How the front that does not fit whole is cut: ``updated`` leaves out the most crowded individual, measures its
        neighbours' distances anew, and so on (Kukkonen and Deb 2006, DOI 10.1109/CEC.2006.1688443), which spreads
        better; ``once`` measures once, as the original does.
    crossover
        Probability that a pair of parents is crossed, in [0, 1].
    mutation
        Probability per gene (per individual for permutations), in [0, 1]; None: 1 / genes (0.5 for permutations).
    crossover_operator, mutation_operator
        As for ``ga``: a name of `evo.operators.named` that is for the space, or ``module:function``. None: the space's
        default, for reals ``sbx-bounded`` and polynomial mutation, as in the paper's code.
    sampling, start
        As for ``ga``: how the first population is drawn, and points to begin with.
    """

    name = "nsga2"
    spaces = (Real, Integer, Binary, Permutation, Categorical, Mixed)
    objectives = "several"
    keeps_best = True

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        population: int = 100,
        crowding: str = "updated",
        crossover: float = 0.9,
        mutation: float | None = None,
        crossover_operator: str | None = None,
        mutation_operator: str | None = None,
        sampling: str = "uniform",
        start: Any = None,
    ) -> None:
        super().__init__(problem, seed)
        self.size = checks.whole("population", population, 4)
        self.crowding = checks.choice("crowding", crowding, CROWDINGS)
        if crossover_operator is None and isinstance(self.space, Real):
            crossover_operator = "sbx-bounded"
        self.variation = Variation(self.space, crossover, mutation, crossover_operator, mutation_operator)
        self.first = FirstPopulation(self.space, sampling, start)
        self.first.check_size(self.size)
        self.population: Population | None = None
        """Sorted by front, in a front from the least to the most crowded."""
        self.first_front = 0
        """So many individuals, the first ones, are on the first front."""

    def parameters(self) -> dict[str, Any]:
        return {
            "population": self.size,
            "crowding": self.crowding,
            **self.variation.parameters(),
            **self.first.parameters(),
        }

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        count = self.size if remaining is None else min(self.size, remaining)
        if self.population is None:
            return {"genome": self.first.genomes(count, stream(self.seed, self.asked, Purpose.SAMPLING))}
        pairs = (count + 1) // 2
        rng = stream(self.seed, self.asked, Purpose.SELECTION)
        parents = self.population["genome"][self._parents(self.population.size, 2 * pairs, rng)]
        crossed = rng.random(pairs) < self.variation.crossover
        return {"genome": self.variation.children(parents, crossed, count, self.seed, self.asked, new=True)}

    @staticmethod
    def _parents(ranked: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Rows that win `count` binary tournaments; everybody takes part as often as anybody else (their code's way).

        In a sorted population the crowded-comparison operator prefers the smaller row.
        """
        rounds = -(-2 * count // ranked)
        contestants = np.concatenate([rng.permutation(ranked) for _ in range(rounds)])[: 2 * count]
        return np.asarray(contestants.reshape(-1, 2).min(axis=1))

    def _tell(self, told: Told) -> None:
        pool = Population(genome=told.genome, objective=told.objective, violation=told.violation)
        if self.population is not None:
            pool = self.population.joined(pool)
        rank = pareto_ranks(pool["objective"], pool["violation"])
        order = survivors(pool["genome"], pool["objective"], rank, self.size, updated=self.crowding == "updated")
        self.population = pool.take(order)
        self.first_front = self._first_front(rank[order])

    def _first_front(self, rank: np.ndarray) -> int:
        assert self.population is not None
        return int(np.count_nonzero((rank == 0) & np.isfinite(self.population["violation"])))

    def notice(self) -> str | None:
        from evo import compilation

        return compilation.notice(KERNELS, "float64")

    def warm_up(self) -> None:
        from evo import compilation

        space = self.space
        two = space.sample(2, stream(self.seed, 0, Purpose.SAMPLING))
        survivors(two, np.zeros((2, self.objective_count)), np.zeros(2, dtype=np.int64), 1, updated=True)
        self.variation.children(two, np.zeros(1, dtype=np.bool_), 2, self.seed, 0, new=True)
        compilation.mark_cached(KERNELS, "float64")

    @property
    def front(self) -> Front | None:
        if self.population is None or self.first_front == 0:
            return None
        first = self.population.take(slice(0, self.first_front))
        return Front(first["objective"], first["violation"], {"genome": first["genome"]})

    @property
    def best(self) -> None:
        return None

    def summary(self) -> dict[str, float]:
        if self.population is None:
            return {}
        return {"feasible": float((self.population["violation"] <= 0.0).mean())}

    def _state(self) -> dict[str, Any]:
        return {"population": None if self.population is None else dict(self.population)}

    def _load(self, state: Mapping[str, Any]) -> None:
        fields = state["population"]
        self.population, self.first_front = None, 0
        if fields is None:
            return
        genome = array_of(fields, "genome", (None, self.space.size), self.space.dtype)
        objective = array_of(fields, "objective", (len(genome), self.objective_count))
        self.population = Population(
            genome=genome, objective=objective, violation=array_of(fields, "violation", (len(genome),))
        )
        rank = pareto_ranks(objective, self.population["violation"])
        survivors(genome, objective, rank, 1, updated=False)  # for the copies, which are not on the front
        self.first_front = self._first_front(rank)
