"""`auto`: the optimizer that the space, its dimensions and the budget ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evo.categorical import Categorical
from evo.mixed import Mixed
from evo.optimizers.base import Front
from evo.optimizers.first_population import given_points
from evo.optimizers.generational import Generational, Told
from evo.spaces import Binary, Integer, Permutation, Real, Space

if TYPE_CHECKING:
    from evo.problem import Problem

CHOICES = ("ga", "l-shade", "cma-es", "sep-cma-es", "nsga2")
MANY_DIMENSIONS = 300
"""From here on a full covariance matrix costs more than it teaches in any usual budget."""
SHORT = 20
"""Evaluations per dimension below which a population that is to shrink has no time to."""


def choice(space: Space, remaining: int | None, objectives: int = 1, starts: int = 0) -> str:
    """The name of the optimizer for a space and a budget of evaluations (None: not limited).

    Several objectives: ``nsga2``. One: permutations, bits, categories and mixed spaces ``ga``; whole numbers
    ``l-shade`` where the budget is known and no very short one, else ``cma-es``; reals ``cma-es``, the one that solves
    most of COCO's bbob; ``sep-cma-es`` in many dimensions. CMA-ES starts from
    one point: with several `starts` it is ``l-shade``.
    """
    if objectives > 1:
        return "nsga2"
    if isinstance(space, (Permutation, Binary, Categorical, Mixed)):
        return "ga"
    if starts > 1:
        return "l-shade"
    if isinstance(space, Integer) and remaining is not None and remaining >= SHORT * space.size:
        return "l-shade"
    return "sep-cma-es" if space.size >= MANY_DIMENSIONS else "cma-es"


class Auto(Generational):
    """Chooses when it is first asked, for then it is told the budget; the choice stays when a run is extended.

    See `choice` for the rules.

    Parameters
    ----------
    start
        Points to begin with, each as `Result.x`; the others are drawn.
    """

    name = "auto"
    spaces = (Real, Integer, Binary, Permutation, Categorical, Mixed)
    objectives = "any"

    def __init__(self, problem: Problem, seed: int, *, start: Any = None) -> None:
        super().__init__(problem, seed)
        given, self.start = given_points(self.space, start)
        self._starts = len(given)
        self.chosen: str | None = None
        self.inner: Generational | None = None

    def parameters(self) -> dict[str, Any]:
        return {"start": self.start}

    def _choose(self, name: str) -> Generational:
        from evo.registry import build_optimizer

        if name not in CHOICES:
            raise ValueError(f"{name}, which auto does not choose")
        inner = build_optimizer(name, self.parameters(), self.problem, self.seed)
        assert isinstance(inner, Generational)
        self.chosen, self.inner = name, inner
        return inner

    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        inner = self.inner or self._choose(choice(self.space, remaining, self.objective_count, self._starts))
        inner.asked = self.asked
        return inner._ask(remaining)

    def _tell(self, told: Told) -> None:
        assert self.inner is not None
        self.inner.told = self.told
        self.inner._tell(told)

    @property
    def front(self) -> Front | None:
        return None if self.inner is None else self.inner.front

    def summary(self) -> dict[str, float]:
        return {} if self.inner is None else self.inner.summary()

    def _state(self) -> dict[str, Any]:
        return {"chosen": self.chosen, "inner": None if self.inner is None else self.inner._state()}

    def _load(self, state: Mapping[str, Any]) -> None:
        self.chosen, self.inner = None, None
        if state["chosen"] is not None:
            self._choose(str(state["chosen"]))._load(state["inner"])
