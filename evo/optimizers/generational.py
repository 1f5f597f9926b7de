"""What optimizers that go generation by generation on any `Problem` have in common: counting, checking, the record."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from evo.errors import CheckpointError, SettingsError, UsageError
from evo.evaluation import ProblemEvaluator
from evo.optimizers.base import Best, Candidates, Optimizer, Results
from evo.problem import signs
from evo.spaces import Space

if TYPE_CHECKING:
    from evo.distributed.executor import Evaluator
    from evo.problem import Problem


@dataclass(frozen=True, slots=True)
class Told:
    """A generation's results, checked: what cannot be used (quarantined, NaN) has objective and violation inf."""

    rows: Mapping[str, np.ndarray]
    """The candidates' columns."""
    genome: np.ndarray
    """(n, size): the candidates' own, or what `Problem.improve` made of them."""
    objective: np.ndarray
    """(n,), or (n, k) for k > 1 objectives; minimised."""
    violation: np.ndarray
    """(n,), 0 where feasible."""

    def __len__(self) -> int:
        return len(self.objective)

    def ranked(self) -> np.ndarray:
        """Rows from best to worst: violation first (Deb 2000), then the one objective; equals keep their order."""
        if not self.violation.any():
            return np.argsort(self.objective, kind="stable")
        return np.lexsort((self.objective, self.violation))

    def first(self) -> int:
        """The best row."""
        if not self.violation.any():
            return int(self.objective.argmin())
        return int(self.ranked()[0])

    def usable(self) -> np.ndarray:
        """Which rows have a result, (n,) bool."""
        return np.asarray(np.isfinite(self.violation))


class Generational(Optimizer):
    """Base of the optimizers that ask for generation g + 1 when g was told.

    A subclass names its `spaces`, and writes `_ask` (the columns of the next generation, ``genome`` among them),
    `_tell`, `_state` and `_load`. It may rely on: calls alternate, results have the right shapes, no NaN reaches it.
    """

    spaces: ClassVar[tuple[type[Space], ...]]
    """What it can search."""
    objectives: ClassVar[Literal["one", "several", "any"]] = "one"
    """How many objectives it can search with."""
    keeps_best = False
    """True: `_state` always holds the best individual, so that no record of it is needed beside."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.space = problem.space
        if not isinstance(self.space, self.spaces):
            known = ", ".join(space.__name__ for space in self.spaces)
            found = type(self.space).__name__
            raise SettingsError(f"optimizer.type: {self.name} does not know the space {found}, only {known}")
        self.objective_count = len(signs(problem))
        if self.objectives != "any" and (self.objective_count == 1) != (self.objectives == "one"):
            known, other = ("one objective", "nsga2") if self.objectives == "one" else ("several objectives", "auto")
            raise SettingsError(
                f"optimizer.type: {self.name} is for {known}, the problem has {self.objective_count}; one that is not: "
                f"{other}"
            )
        self.seed = seed
        self.asked = 0
        self.told = 0
        self.record: Best | None = None

    @abstractmethod
    def _ask(self, remaining: int | None) -> dict[str, np.ndarray]:
        """The columns of generation `asked`, at most `remaining` rows."""

    @abstractmethod
    def _tell(self, told: Told) -> None:
        """Learn from generation `told`, which may have fewer rows than are usual where the budget ended."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """What `Optimizer.state` holds beside the counters and the record."""

    @abstractmethod
    def _load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `_state`; KeyError, TypeError and ValueError mean that the state does not fit."""

    def evaluator(self) -> Evaluator:
        return ProblemEvaluator(self.problem)

    def ask(self, remaining: int | None) -> Candidates:
        """The next generation's candidates.

        Raises
        ------
        UsageError
            The generation before was not told, or nothing remains.
        """
        if self.asked != self.told:
            raise UsageError(f"ask: expected generation {self.told} to be told first, found it asked and not told")
        if remaining is not None and remaining < 1:
            raise UsageError(f"ask: expected at least 1 remaining evaluation, found {remaining!r}")
        rows = self._ask(remaining)
        context = {"seed": self.seed, "generation": self.asked}
        self.asked += 1
        return Candidates(rows, context)

    def tell(self, candidates: Candidates, results: Results) -> None:
        """Take a generation's results.

        Raises
        ------
        UsageError
            Nothing was asked, these are not the candidates that were, or a result has the wrong shape.
        """
        if self.asked == self.told:
            raise UsageError("tell: expected the results of candidates that were asked, found none asked")
        generation = candidates.context.get("generation")
        if generation != self.told:
            raise UsageError(f"tell: expected the candidates of generation {self.told}, found those of {generation}")
        told = self._checked(candidates, results)
        if self.objective_count == 1:
            self._keep_record(told)
        self._tell(told)
        self.told += 1

    def _keep_record(self, told: Told) -> None:
        first = told.first()
        leader = Best(float(told.objective[first]), float(told.violation[first]), {"genome": told.genome[first]})
        if leader.objective < np.inf and leader.better_than(self.record):
            self.record = Best(leader.objective, leader.violation, {"genome": told.genome[first].copy()})

    def _checked(self, candidates: Candidates, results: Results) -> Told:
        count, arrays = len(candidates), results.arrays
        if "objective" not in arrays:
            raise UsageError(f"tell: expected results with objective, found {', '.join(arrays) or 'none'}")
        objective = np.asarray(arrays["objective"], dtype=np.float64)
        violation = np.asarray(arrays.get("violation", np.zeros(count)), dtype=np.float64)
        quarantined = np.asarray(results.quarantined)
        shape = (count,) if self.objective_count == 1 else (count, self.objective_count)
        for name, array, expected in (
            ("objective", objective, shape),
            ("violation", violation, (count,)),
            ("quarantined", quarantined, (count,)),
        ):
            if array.shape != expected:
                raise UsageError(f"tell: {name}: expected an array of shape {expected}, found {array.shape}")
        genome = arrays.get("genome", candidates.rows["genome"])
        if genome.shape != candidates.rows["genome"].shape:
            raise UsageError(
                f"tell: genome: expected an array of shape {candidates.rows['genome'].shape}, found {genome.shape}"
            )
        finite = np.isfinite(objective)
        unusable = ~(finite if finite.ndim == 1 else finite.all(axis=1)) | ~np.isfinite(violation) | quarantined
        if unusable.any():
            objective, violation = objective.copy(), np.where(unusable, np.inf, violation)
            objective[unusable] = np.inf
        return Told(candidates.rows, genome, objective, violation)

    @property
    def best(self) -> Best | None:
        return self.record

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"asked": self.asked, "told": self.told}
        if not self.keeps_best:
            record = self.record
            state["best"] = None
            if record is not None:
                state["best"] = {"objective": record.objective, "violation": record.violation, **record.arrays}
        return {**state, **self._state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        try:
            self.asked, self.told = int(state["asked"]), int(state["told"])
            best = None if self.keeps_best else state["best"]
            self.record = None
            if best is not None:
                genome = array_of(best, "genome", (self.space.size,), self.space.dtype)
                self.record = Best(float(best["objective"]), float(best["violation"]), {"genome": genome})
            self._load(state)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(f"optimizer.state: expected the state of a {self.name}, found {error!r}") from error


def array_of(state: Mapping[str, Any], name: str, shape: tuple[int | None, ...], dtype: Any = np.float64) -> np.ndarray:
    """A copy of an array of a state.

    Parameters
    ----------
    shape
        None stands for any length.

    Raises
    ------
    CheckpointError
        It has another shape or element type.
    """
    array = np.asarray(state[name])
    fits = len(array.shape) == len(shape) and all(s in (None, n) for s, n in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != dtype:
        expected = f"shape ({', '.join('any' if s is None else str(s) for s in shape)}) of {np.dtype(dtype)}"
        raise CheckpointError(f"optimizer.state.{name}: expected {expected}, found {array.shape} of {array.dtype}")
    return array.copy()
