"""The `Optimizer` contract: ask for candidates, be told their results, and be a pure function of both.

An optimizer holds no generator, reads no clock and no global state. Whatever the future of a run depends on is in
`state()`, as arrays and plain scalars; `load_state` on a freshly built optimizer continues bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from evo.distributed.executor import Evaluator


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one generation wants evaluated: arrays with one row each, and what all rows share."""

    rows: dict[str, np.ndarray]
    context: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))


@dataclass(frozen=True, slots=True)
class Results:
    """The evaluator's arrays for the candidates, row by row, and which rows were quarantined, (n,) bool."""

    arrays: dict[str, np.ndarray]
    quarantined: np.ndarray


@dataclass(frozen=True, slots=True)
class Best:
    """The best individual so far. Internally everything is minimised; `objective` is in that sense."""

    objective: float
    violation: float
    """Total constraint violation, 0 where feasible."""
    arrays: dict[str, np.ndarray]
    """The individual, one row without its first axis: what `Problem.solution` reads."""

    @property
    def feasible(self) -> bool:
        return self.violation <= 0.0

    def better_than(self, other: Best | None) -> bool:
        """Feasibility first (Deb 2000, DOI 10.1016/S0045-7825(99)00389-8), then the objective; ties are not better."""
        if other is None:
            return True
        return (self.violation, self.objective) < (other.violation, other.objective)


@dataclass(frozen=True, slots=True)
class Front:
    """With several objectives: the individuals that no other one dominates, m of them. All objectives are minimised."""

    objective: np.ndarray
    """(m, k)."""
    violation: np.ndarray
    """(m,) total constraint violations: all 0, or all alike where nothing is feasible."""
    arrays: dict[str, np.ndarray]
    """The individuals, m rows each."""

    def __len__(self) -> int:
        return len(self.violation)

    @property
    def feasible(self) -> bool:
        return len(self) > 0 and bool((self.violation <= 0.0).all())


class Optimizer(ABC):
    """Base class. A subclass is built as ``cls(problem, seed, **parameters)`` and checks its parameters there.

    `ask` is called for generation 0, 1, 2, … in order, `tell` likewise; with ``lookahead = k`` generation g may be
    asked before the results of g-1 … g-k were told, never earlier.
    """

    name: str
    lookahead: int = 0

    @abstractmethod
    def evaluator(self) -> Evaluator:
        """What the workers run."""

    def notice(self) -> str | None:
        """A line to show before a long preparation, such as kernels being compiled; None where there is none."""
        return None

    def warm_up(self) -> None:  # noqa: B027 - a hook that most optimizers have no use for
        """Compile or load what `ask` and `tell` need; called once, before the run's clock starts."""

    planned_parameters: ClassVar[tuple[str, ...]] = ()
    """Names of the parameters that `plan` sets."""

    @property
    def wants_horizon(self) -> bool:
        """Whether a schedule waits to be told how many generations the run is to have."""
        return False

    def plan(self, generations: int) -> None:  # noqa: B027 - a hook that most optimizers have no use for
        """Take the number of generations that the run is to have in all; called at most once, while `wants_horizon`.

        Where the run is limited by time it is an estimate, made between two generations. What it changes is part of
        `parameters()` and of `state()`: the run is then a pure function of these.
        """

    @abstractmethod
    def ask(self, remaining: int | None) -> Candidates:
        """The next generation's candidates, at least one, at most `remaining` (evaluations left; None: no limit).

        The column ``row`` is added by the engine. `context` must name whatever the evaluator needs, seed and
        generation included.
        """

    @abstractmethod
    def tell(self, candidates: Candidates, results: Results) -> None:
        """Take the results of the oldest generation not yet told."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything the future depends on: nested dicts of arrays, numbers, strings, None.

        Arrays may be the live ones: the caller copies what it keeps.
        """

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`. Raises `CheckpointError` where it does not fit; the object is then unusable."""

    @property
    @abstractmethod
    def best(self) -> Best | None:
        """The best individual told so far; None before the first usable one, and with several objectives."""

    @property
    def front(self) -> Front | None:
        """With several objectives: the front of what is kept; None before the first usable one, and with one."""
        return None

    def parameters(self) -> dict[str, Any]:
        """The parameters with their defaults resolved, for `settings.yaml`; ``cls(problem, seed, **p)`` rebuilds it."""
        return {}

    def summary(self) -> dict[str, float]:
        """A few numbers of interest for progress and events (feasible share, penalty, diversity, …)."""
        return {}
