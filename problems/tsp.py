"""The travelling salesman: the shortest closed tour through all cities, from a TSPLIB file or generated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from evo.errors import ProblemError
from evo.problem import Problem
from evo.rng import Purpose, stream
from evo.spaces import Permutation

from . import tsplib
from .multi_objective import at_least

LAYOUTS = ("random", "circle")


class TSP(Problem):
    """A tour's length, minimised. A genome is the order in which the cities are visited, counted from 0.

    Parameters
    ----------
    instance
        A TSPLIB file's path; its optimum is known for many names (`tsplib.OPTIMA`). None: cities are generated.
    cities
        How many are generated, >= 3.
    seed
        Of the generated cities.
    layout
        ``random``: uniform in the unit square. ``circle``: on a circle of radius 1/2, in random order, whose shortest
        tour is known.
    two_opt
        Every tour is made 2-optimal before it is evaluated (a memetic algorithm).

    Raises
    ------
    ProblemError
        A parameter is not what it may be.
    InstanceError
        The file is no symmetric TSPLIB instance.
    """

    builtin_name = "tsp"

    def __init__(
        self,
        instance: str | Path | None = None,
        *,
        cities: int = 100,
        seed: int = 1,
        layout: str = "random",
        two_opt: bool = False,
    ) -> None:
        if layout not in LAYOUTS:
            raise ProblemError(f"problem.layout: expected one of {', '.join(LAYOUTS)}, found {layout!r}")
        if not isinstance(two_opt, bool):
            raise ProblemError(f"problem.two_opt: expected true or false, found {two_opt!r}")
        if instance is None:
            name, distances, optimum = _generated(at_least("cities", cities, 3), at_least("seed", seed, 0), layout)
        elif isinstance(instance, (str, Path)):
            name, distances = tsplib.read(instance)
            optimum = tsplib.OPTIMA.get(name)
        else:
            raise ProblemError(f"problem.instance: expected the path of a TSPLIB file, found {instance!r}")
        self._take(name, distances, optimum, two_opt)

    def _take(self, name: str, distances: np.ndarray, optimum: float | None, two_opt: bool) -> None:
        self.name = name
        self.distances = np.ascontiguousarray(distances)
        self.space = Permutation(len(distances))
        self.best_known = None if optimum is None else float(optimum)
        self.two_opt = two_opt
        if two_opt:
            self.improve = self._two_opt

    @classmethod
    def from_settings(cls, parameters: Mapping[str, Any], folder: Path) -> Self:
        known = ("instance", "cities", "seed", "layout", "two_opt")
        for key in parameters:
            if key not in known:
                from evo.suggestion import suggestion

                raise ProblemError(f"problem.{key}: unknown key, expected {', '.join(known)}{suggestion(key, known)}")
        given = dict(parameters)
        if isinstance(given.get("instance"), str):
            given["instance"] = folder / given["instance"]
        return cls(**given)

    def to_spec(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "distances": self.distances,
            "optimum": self.best_known,
            "two_opt": self.two_opt,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        problem = cls.__new__(cls)
        problem._take(spec["name"], spec["distances"], spec["optimum"], spec["two_opt"])
        return problem

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.distances[x, np.roll(x, -1, axis=1)].sum(axis=1))

    def _two_opt(self, x: np.ndarray) -> np.ndarray:
        from .kernels_two_opt import two_opt

        two_opt(x, self.distances)
        return x

    def describe(self) -> str:
        return f"{self.name}: {self.space.size} cities"


def _generated(cities: int, seed: int, layout: str) -> tuple[str, np.ndarray, float | None]:
    rng = stream(seed, 0, Purpose.SAMPLING)
    optimum = None
    if layout == "circle":
        angle = 2.0 * np.pi * rng.permutation(cities) / cities
        places = 0.5 * np.column_stack((np.cos(angle), np.sin(angle)))
        optimum = cities * math.sin(math.pi / cities)
    else:
        places = rng.random((cities, 2))
    distances = np.hypot(*(column[:, None] - column[None, :] for column in places.T))
    return f"{layout}-{cities}-{seed}", distances, optimum
