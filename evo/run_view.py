"""`RunView`: a run as callbacks see it, between two generations; objectives are in the user's sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo.engine import Engine
from evo.errors import UsageError
from evo.problem import Problem, signs
from evo.result import ParetoFront


@dataclass(frozen=True, slots=True)
class Individuals:
    """Individuals of one generation that could be evaluated, n of them."""

    genome: np.ndarray
    """(n, space.size)."""
    objective: np.ndarray
    """(n,) or (n, k); minimised, as inside."""
    violation: np.ndarray
    """(n,), 0 where feasible."""


class RunView:
    """How far a run is, to be read. Whatever is changed here or in what it gives breaks the run's reproducibility."""

    def __init__(self, engine: Engine, problem: Problem) -> None:
        self._engine = engine
        self.problem = problem
        self.signs = np.array(signs(problem))
        """(k,): times an objective that is minimised inside, the user's, and the other way round."""

    @property
    def generation(self) -> int:
        """Generations done."""
        return self._engine.progress.generation

    @property
    def evaluations(self) -> int:
        return self._engine.progress.evaluations

    @property
    def seconds(self) -> float:
        """Of optimisation, over all parts of the run."""
        return self._engine.elapsed()

    @property
    def objective(self) -> float | np.ndarray | None:
        """The best so far; with several objectives the front's, (m, k). None before the first usable evaluation."""
        return self._engine.user_objective()

    @property
    def feasible(self) -> bool:
        return bool(self._engine.standing()["feasible"])

    @property
    def x(self) -> Any:
        """The best point so far; with several objectives the front's, (m, *shape). None where there is none."""
        best, front, space = self._engine.progress.best, self._engine.front, self.problem.space
        if front is not None:
            return space.shaped(front.arrays["genome"])
        return None if best is None or "genome" not in best.arrays else space.point(best.arrays["genome"])

    @property
    def front(self) -> ParetoFront | None:
        """With several objectives: the front as it is now."""
        front = self._engine.front
        return None if front is None else ParetoFront(self.x, front.objective * self.signs)

    @property
    def hypervolume(self) -> float | None:
        return self._engine.hypervolume()

    @property
    def summary(self) -> Mapping[str, float]:
        """What the optimizer tells of itself, such as ``sigma``."""
        return self._engine.optimizer.summary()

    @property
    def individuals(self) -> Individuals:
        """Those of the generation just done that could be evaluated.

        Raises
        ------
        UsageError
            The optimizer's individuals are no points of the problem's space (routes, for example).
        """
        latest = self._engine.latest
        if latest is None:
            raise UsageError("individuals: expected a generation that was evaluated, found none yet")
        candidates, results = latest
        if "genome" not in candidates.rows or "objective" not in results.arrays:
            name = self._engine.optimizer.name
            raise UsageError(f"individuals: expected an optimizer of points of a space, found {name}")
        genome = results.arrays.get("genome", candidates.rows["genome"])
        usable = ~np.asarray(results.quarantined)
        return Individuals(genome[usable], results.arrays["objective"][usable], results.arrays["violation"][usable])
