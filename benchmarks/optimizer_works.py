"""One optimizer at one work, in a process of its own: python benchmarks/optimizer_works.py WORK WHO SEED

It prints one line of JSON: the CPU seconds of the optimisation alone (no imports, no compilation), the evaluations and
the objective reached. Every library gets the objective in the form that is fastest for it: of a whole batch where it
takes one, else of one individual. Settings not named here are the library's defaults.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Measured = tuple[float, int, float]
"""CPU seconds, evaluations, objective."""

BITS, ONES_POPULATION, ONES_GENERATIONS = 100, 300, 200
RASTRIGIN_DIMENSIONS, RASTRIGIN_BUDGET = 30, 100_000
ROSENBROCK_DIMENSIONS, ROSENBROCK_TARGET, ROSENBROCK_BUDGET = 40, 1e-8, 200_000
CITIES, TOUR_BUDGET, TOUR_POPULATION = 100, 50_000, 50


def rastrigin(x: np.ndarray) -> Any:
    """Of one point or, along the last axis, a batch."""
    return (x * x - 10.0 * np.cos(2.0 * np.pi * x) + 10.0).sum(axis=-1)


def rosenbrock(x: np.ndarray) -> Any:
    """Of one point or, along the last axis, a batch."""
    return (100.0 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1.0 - x[..., :-1]) ** 2).sum(axis=-1)


CITY = np.random.default_rng(7).random((CITIES, 2))
DISTANCE = np.sqrt(((CITY[:, None] - CITY[None]) ** 2).sum(axis=2))


def tour_length(x: np.ndarray) -> Any:
    """Of one tour or a batch, over uniform cities in the unit square."""
    return DISTANCE[x, np.roll(x, -1, axis=-1)].sum(axis=-1)


def timed(run: Callable[[], tuple[int, float]]) -> Measured:
    """The CPU time that `run` takes, beside what it returns."""
    begin = time.process_time()
    evaluations, objective = run()
    return time.process_time() - begin, evaluations, objective


# evo -----------------------------------------------------------------------------------------------------------------


def evo_run(
    function: Callable[..., Any], space: Any, optimizer: Any, seed: int, maximize: bool, **stop: Any
) -> Measured:
    """A run without workers; a short one before it loads the modules."""
    import evo
    from evo.problem import FunctionProblem

    problem = FunctionProblem(function, space, vectorized=True, maximize=maximize)
    problem.block = 1024  # one call for a generation: it is evaluated in this process
    evo.minimize(problem, optimizer=optimizer, seed=seed, stop=evo.Stop(generations=2))

    def run() -> tuple[int, float]:
        result = evo.minimize(problem, optimizer=optimizer, seed=seed, stop=evo.Stop(**stop))
        assert result.objective is not None
        return result.evaluations, result.objective

    return timed(run)


def evo_onemax(seed: int) -> Measured:
    import evo

    optimizer = {"type": "ga", "population": ONES_POPULATION}
    return evo_run(lambda x: x.sum(axis=1), evo.Binary(BITS), optimizer, seed, True, generations=ONES_GENERATIONS)


def evo_rastrigin(seed: int) -> Measured:
    import evo

    space = evo.Real(-5.12, 5.12, shape=RASTRIGIN_DIMENSIONS)
    return evo_run(rastrigin, space, "l-shade", seed, False, evaluations=RASTRIGIN_BUDGET)


def evo_rosenbrock(seed: int) -> Measured:
    import evo

    space = evo.Real(-5.0, 10.0, shape=ROSENBROCK_DIMENSIONS)
    stop = {"evaluations": ROSENBROCK_BUDGET, "target": ROSENBROCK_TARGET}
    return evo_run(rosenbrock, space, "cma-es", seed, False, **stop)


def evo_tour(seed: int) -> Measured:
    import evo

    optimizer = {
        "type": "ga",
        "population": TOUR_POPULATION,
        "survival": "steady-state",
        "tournament": 2,
        "crossover": 0.3,
        "mutation": 0.9,
        "crossover_operator": "order",
        "mutation_operator": "inversion",
    }
    return evo_run(tour_length, evo.Permutation(CITIES), optimizer, seed, False, evaluations=TOUR_BUDGET)


# The others ----------------------------------------------------------------------------------------------------------


def pymoo_onemax(seed: int) -> Measured:
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.ux import UX
    from pymoo.operators.mutation.bitflip import BitflipMutation
    from pymoo.operators.sampling.rnd import BinaryRandomSampling
    from pymoo.optimize import minimize

    class OneMax(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=BITS, n_obj=1, xl=0, xu=1, vtype=bool)

        def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = -x.sum(axis=1, keepdims=True)

    algorithm = GA(
        pop_size=ONES_POPULATION,
        sampling=BinaryRandomSampling(),
        crossover=UX(),
        mutation=BitflipMutation(),
        eliminate_duplicates=False,
    )

    def run() -> tuple[int, float]:
        found = minimize(OneMax(), algorithm, ("n_gen", ONES_GENERATIONS), seed=seed)
        return found.algorithm.evaluator.n_eval, -float(found.F[0])

    return timed(run)


def deap_onemax(seed: int) -> Measured:
    import random

    from deap import algorithms, base, creator, tools

    random.seed(seed)
    creator.create("Fitness", base.Fitness, weights=(1.0,))
    creator.create("Individual", list, fitness=creator.Fitness)
    toolbox = base.Toolbox()
    toolbox.register("bit", random.randint, 0, 1)
    toolbox.register("individual", tools.initRepeat, creator.Individual, toolbox.bit, BITS)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", lambda individual: (sum(individual),))
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1.0 / BITS)
    toolbox.register("select", tools.selTournament, tournsize=3)

    def run() -> tuple[int, float]:
        population = toolbox.population(ONES_POPULATION)
        population, log = algorithms.eaSimple(population, toolbox, 0.9, 1.0, ONES_GENERATIONS, verbose=False)
        return sum(log.select("nevals")), max(individual.fitness.values[0] for individual in population)

    return timed(run)


def pygmo_onemax(seed: int) -> Measured:
    import pygmo

    class OneMax:
        def fitness(self, x: np.ndarray) -> list[float]:
            return [-float(x.sum())]

        def get_bounds(self) -> tuple[list[float], list[float]]:
            return [0.0] * BITS, [1.0] * BITS

        def get_nix(self) -> int:
            return BITS

    def run() -> tuple[int, float]:
        population = pygmo.population(pygmo.problem(OneMax()), ONES_POPULATION, seed=seed)
        genetic = pygmo.sga(gen=ONES_GENERATIONS, m=1.0 / BITS, mutation="uniform", crossover="single", seed=seed)
        population = pygmo.algorithm(genetic).evolve(population)
        return population.problem.get_fevals(), -float(population.champion_f[0])

    return timed(run)


def scipy_rastrigin(seed: int) -> Measured:
    from scipy.optimize import differential_evolution

    bounds = [(-5.12, 5.12)] * RASTRIGIN_DIMENSIONS
    start = np.random.default_rng(seed).uniform(-5.12, 5.12, (100, RASTRIGIN_DIMENSIONS))

    def run() -> tuple[int, float]:
        found = differential_evolution(
            lambda x: rastrigin(x.T),
            bounds,
            init=start,
            maxiter=RASTRIGIN_BUDGET // 100 - 1,
            tol=0,
            atol=0,
            polish=False,
            vectorized=True,
            updating="deferred",
            rng=seed,
        )
        return found.nfev * (100 if found.nfev < 10_000 else 1), float(found.fun)

    return timed(run)


def pygmo_rastrigin(seed: int) -> Measured:
    import pygmo

    class Rastrigin:
        def fitness(self, x: np.ndarray) -> list[float]:
            return [float(rastrigin(x))]

        def get_bounds(self) -> tuple[list[float], list[float]]:
            return [-5.12] * RASTRIGIN_DIMENSIONS, [5.12] * RASTRIGIN_DIMENSIONS

    def run() -> tuple[int, float]:
        population = pygmo.population(pygmo.problem(Rastrigin()), 100, seed=seed)
        sade = pygmo.sade(gen=RASTRIGIN_BUDGET // 100 - 1, ftol=0, xtol=0, seed=seed)
        population = pygmo.algorithm(sade).evolve(population)
        return population.problem.get_fevals(), float(population.champion_f[0])

    return timed(run)


def pymoo_rastrigin(seed: int) -> Measured:
    from pymoo.algorithms.soo.nonconvex.de import DE
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize

    class Rastrigin(Problem):
        def __init__(self) -> None:
            super().__init__(n_var=RASTRIGIN_DIMENSIONS, n_obj=1, xl=-5.12, xu=5.12)

        def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = rastrigin(x)[:, None]

    def run() -> tuple[int, float]:
        found = minimize(Rastrigin(), DE(pop_size=100), ("n_eval", RASTRIGIN_BUDGET), seed=seed)
        return found.algorithm.evaluator.n_eval, float(found.F[0])

    return timed(run)


def cmaes_rosenbrock(seed: int) -> Measured:
    import cmaes

    n = ROSENBROCK_DIMENSIONS
    mean = np.random.default_rng(seed).uniform(-5.0, 10.0, n)

    def run() -> tuple[int, float]:
        strategy = cmaes.CMA(mean, 4.5, bounds=np.tile([-5.0, 10.0], (n, 1)), seed=seed)
        evaluations, best = 0, np.inf
        while best > ROSENBROCK_TARGET and evaluations < ROSENBROCK_BUDGET:
            points = [strategy.ask() for _ in range(strategy.population_size)]
            values = rosenbrock(np.array(points))
            strategy.tell(list(zip(points, values.tolist(), strict=True)))
            evaluations, best = evaluations + len(points), min(best, float(values.min()))
        return evaluations, best

    return timed(run)


def cma_rosenbrock(seed: int) -> Measured:
    import cma

    mean = np.random.default_rng(seed).uniform(-5.0, 10.0, ROSENBROCK_DIMENSIONS)
    options = {"bounds": [-5, 10], "verbose": -9, "ftarget": ROSENBROCK_TARGET, "seed": seed + 1}

    def run() -> tuple[int, float]:
        strategy = cma.CMAEvolutionStrategy(mean, 4.5, options | {"maxfevals": ROSENBROCK_BUDGET})
        while not strategy.stop():
            points = strategy.ask()
            strategy.tell(points, rosenbrock(np.array(points)).tolist())
        return strategy.result.evaluations, float(strategy.result.fbest)

    return timed(run)


def pygmo_rosenbrock(seed: int) -> Measured:
    import pygmo

    class Rosenbrock:
        def fitness(self, x: np.ndarray) -> list[float]:
            return [float(rosenbrock(x))]

        def get_bounds(self) -> tuple[list[float], list[float]]:
            return [-5.0] * ROSENBROCK_DIMENSIONS, [10.0] * ROSENBROCK_DIMENSIONS

    def run() -> tuple[int, float]:
        # The library stops by no target: so many generations as evo's run of this work needs.
        population = pygmo.population(pygmo.problem(Rosenbrock()), 15, seed=seed)
        strategy = pygmo.cmaes(gen=4200, sigma0=0.3, force_bounds=False, ftol=0, xtol=0, seed=seed)
        population = pygmo.algorithm(strategy).evolve(population)
        return population.problem.get_fevals(), float(population.champion_f[0])

    return timed(run)


def deap_tour(seed: int) -> Measured:
    import random

    from deap import algorithms, base, creator, tools

    random.seed(seed)
    creator.create("Fitness", base.Fitness, weights=(-1.0,))
    creator.create("Individual", list, fitness=creator.Fitness)
    toolbox = base.Toolbox()
    toolbox.register("genes", random.sample, range(CITIES), CITIES)
    toolbox.register("individual", tools.initIterate, creator.Individual, toolbox.genes)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    distance = DISTANCE.tolist()

    def length(tour: list[int]) -> tuple[float]:
        return (sum(distance[a][b] for a, b in zip(tour, tour[1:] + tour[:1], strict=True)),)

    toolbox.register("evaluate", length)
    toolbox.register("mate", tools.cxOrdered)
    toolbox.register("mutate", tools.mutInversion)
    toolbox.register("select", tools.selTournament, tournsize=3)
    size, generations = TOUR_POPULATION, TOUR_BUDGET // TOUR_POPULATION - 1

    def run() -> tuple[int, float]:
        population, log = algorithms.eaMuPlusLambda(
            toolbox.population(size), toolbox, size, size, 0.3, 0.7, generations, verbose=False
        )
        best = min(individual.fitness.values[0] for individual in population)
        return sum(log.select("nevals")), best

    return timed(run)


WORKS: dict[str, dict[str, Callable[[int], Measured]]] = {
    "onemax": {"evo ga": evo_onemax, "pymoo": pymoo_onemax, "deap": deap_onemax, "pygmo sga": pygmo_onemax},
    "rastrigin": {
        "evo l-shade": evo_rastrigin,
        "scipy": scipy_rastrigin,
        "pygmo sade": pygmo_rastrigin,
        "pymoo": pymoo_rastrigin,
    },
    "rosenbrock": {
        "evo cma-es": evo_rosenbrock,
        "cmaes": cmaes_rosenbrock,
        "cma": cma_rosenbrock,
        "pygmo cmaes": pygmo_rosenbrock,
    },
    "tour": {"evo ga": evo_tour, "deap": deap_tour},
}


if __name__ == "__main__":
    seconds, evaluations, objective = WORKS[sys.argv[1]][sys.argv[2]](int(sys.argv[3]))
    print(json.dumps({"seconds": seconds, "evaluations": evaluations, "objective": objective}))
