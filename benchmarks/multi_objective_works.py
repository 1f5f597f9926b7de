"""NSGA-II of one library at one work, in its own process: python benchmarks/multi_objective_works.py WORK WHO SEEDS

WORK is ``quality:NAME`` (a problem of evo's, by NSGA-II with population 100 for 250 generations) or
``speed:POPULATIONxGENERATIONS`` (ZDT1). For every seed it prints one line of JSON: the CPU seconds of the optimisation
alone, the evaluations, and the hypervolume of the final population. A library that takes a whole population at once
gets it so; settings not named here are its defaults.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

REFERENCES: dict[str, tuple[float, ...]] = {
    **{f"zdt{i}": (1.1, 1.1) for i in (1, 2, 3, 4, 6)},
    "zdt5": (34.1, 11.0),
    "dtlz1": (0.55,) * 3,
    **{f"dtlz{i}": (1.1,) * 3 for i in (2, 4, 5)},
    "dtlz3": (100.0,) * 3,
    "dtlz6": (11.0,) * 3,
    "dtlz7": (1.1, 1.1, 6.6),
}
"""As evo's problems have them, but for two whose front nobody comes near to in 25 000 evaluations."""
VARIABLES = {"dtlz1": 7, "dtlz7": 22, **{f"dtlz{i}": 12 for i in (2, 3, 4, 5, 6)}}
Run = Callable[[int], tuple[int, Any]]
"""Of a seed: the evaluations, and the objectives of the final population, (n, k)."""


def zdt1(x: np.ndarray) -> np.ndarray:
    """Of a batch, (batch, 30) -> (batch, 2)."""
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.column_stack((x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))))


def evo_quality(name: str) -> Run:
    from pathlib import Path

    import evo
    from evo.registry import build_problem

    def run(seed: int) -> tuple[int, Any]:
        problem = build_problem(name, {}, Path())
        # Two-point crossover for ZDT5's words, as pymoo is given, too; everything else has defaults.
        optimizer = {"type": "nsga2", **({"crossover_operator": "two-point"} if name == "zdt5" else {})}
        result = evo.minimize(problem, optimizer=optimizer, stop=evo.Stop(generations=250), seed=seed)
        assert result.front is not None
        return result.evaluations, result.front.objectives

    return run


def evo_speed(population: int, generations: int) -> Run:
    import evo
    from evo.problem import FunctionProblem

    problem = FunctionProblem(zdt1, evo.Real(0, 1, shape=30), vectorized=True, directions=("min", "min"))
    problem.block = population  # one call for a generation: it is evaluated in this process

    def run(seed: int) -> tuple[int, Any]:
        optimizer = {"type": "nsga2", "population": population}
        result = evo.minimize(problem, optimizer=optimizer, stop=evo.Stop(generations=generations), seed=seed)
        assert result.front is not None
        return result.evaluations, result.front.objectives

    return run


def pymoo_quality(name: str) -> Run:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.operators.crossover.pntx import TwoPointCrossover
    from pymoo.operators.mutation.bitflip import BitflipMutation
    from pymoo.operators.sampling.rnd import BinaryRandomSampling
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    more: dict[str, Any] = {}
    if name == "zdt5":
        problem = get_problem(name, normalize=False)
        more = {
            "sampling": BinaryRandomSampling(),
            "crossover": TwoPointCrossover(),
            "mutation": BitflipMutation(),
        }
    else:
        problem = get_problem(name, **({"n_var": VARIABLES[name], "n_obj": 3} if name in VARIABLES else {}))

    def run(seed: int) -> tuple[int, Any]:
        result = minimize(problem, NSGA2(pop_size=100, **more), ("n_gen", 250), seed=seed)
        return result.algorithm.evaluator.n_eval, result.pop.get("F")

    return run


def pymoo_speed(population: int, generations: int) -> Run:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize

    class Work(Problem):  # type: ignore[misc]  # pymoo has no types
        def __init__(self) -> None:
            super().__init__(n_var=30, n_obj=2, xl=0.0, xu=1.0)

        def _evaluate(self, x: np.ndarray, out: dict[str, Any], *_: Any, **__: Any) -> None:
            out["F"] = zdt1(x)

    def run(seed: int) -> tuple[int, Any]:
        result = minimize(Work(), NSGA2(pop_size=population), ("n_gen", generations), seed=seed)
        return result.algorithm.evaluator.n_eval, result.pop.get("F")

    return run


def pygmo_speed(population: int, generations: int) -> Run:
    import pygmo

    class Work:
        def fitness(self, x: np.ndarray) -> Any:
            return zdt1(x[None])[0]

        def batch_fitness(self, x: np.ndarray) -> Any:
            return zdt1(x.reshape(-1, 30)).ravel()

        def get_nobj(self) -> int:
            return 2

        def get_bounds(self) -> tuple[list[float], list[float]]:
            return [0.0] * 30, [1.0] * 30

    def run(seed: int) -> tuple[int, Any]:
        # The first population is made by pygmo one by one, then generations - 1 follow, for as many evaluations.
        algorithm = pygmo.nsga2(gen=generations - 1, seed=seed)
        algorithm.set_bfe(pygmo.bfe(pygmo.member_bfe()))
        start = pygmo.population(pygmo.problem(Work()), population, seed=seed, b=pygmo.bfe(pygmo.member_bfe()))
        evolved = pygmo.algorithm(algorithm).evolve(start)
        return population * generations, evolved.get_f()

    return run


def main() -> None:
    """Run, after one run that is not measured and loads the modules."""
    work, who, seeds = sys.argv[1:4]
    kind, _, detail = work.partition(":")
    makers: dict[tuple[str, str], Callable[..., Run]] = {
        ("quality", "evo"): evo_quality,
        ("quality", "pymoo"): pymoo_quality,
        ("speed", "evo"): evo_speed,
        ("speed", "pymoo"): pymoo_speed,
        ("speed", "pygmo"): pygmo_speed,
    }
    details: tuple[Any, ...] = (detail,) if kind == "quality" else tuple(int(part) for part in detail.split("x"))
    run = makers[kind, who](*details)
    if kind == "speed":
        makers[kind, who](details[0], 3)(1)
    import moocore

    reference = REFERENCES[detail if kind == "quality" else "zdt1"]
    for seed in map(int, seeds.split(",")):
        begin = time.process_time()
        evaluations, objectives = run(seed)
        seconds = time.process_time() - begin
        volume = moocore.hypervolume(np.asarray(objectives, dtype=np.float64), ref=reference)
        content = {"seed": seed, "seconds": seconds, "evaluations": int(evaluations), "hypervolume": float(volume)}
        print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
