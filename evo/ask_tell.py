"""`AskTell`: an optimizer for people who own their loop, with the state that a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evo import checkpoints, registry
from evo.api import directions_of
from evo.errors import CheckpointError, UsageError
from evo.optimizers.base import Candidates, Results
from evo.optimizers.generational import Generational
from evo.problem import Problem, signs
from evo.result import ParetoFront
from evo.space_specs import space_from_spec
from evo.spaces import Space

KIND = "ask-tell"
_EXPECTED = "expected the state of an ask-tell loop"


class _Asked(Problem):
    """What an optimizer has to know of a problem that its caller evaluates."""

    def __init__(self, space: Space, maximize: bool, directions: tuple[str, ...]) -> None:
        self.space, self.maximize, self.directions = space, maximize, directions

    def evaluate(self, x: np.ndarray) -> Any:
        raise UsageError("evaluate: expected the caller to evaluate what was asked")


class AskTell:
    """Ask for points, evaluate them in any way you like, tell how good they are, and so on.

    The optimizer is the one that `minimize` uses: the same points for the same seed and results, whether the loop was
    broken off and loaded again or not.

    Parameters
    ----------
    space
        Where to search.
    optimizer
        A name, or ``{"type": name, …its parameters}``. None: ``ga``, or ``nsga2`` for several objectives.
    seed
        0 <= seed < 2**63.
    objectives
        How many objectives are told, all minimised, or "min" or "max" for each, such as ``["max"]``.

    Raises
    ------
    SettingsError, UsageError
        A parameter is not what it may be.
    """

    def __init__(
        self,
        space: Space,
        *,
        optimizer: str | Mapping[str, Any] | None = None,
        seed: int = 1,
        objectives: int | Sequence[str] = 1,
    ) -> None:
        if not isinstance(space, Space):
            raise UsageError(f"space: expected a space such as evo.Real(-5, 5, shape=8), found {space!r}")
        chosen: dict[str, Any] = {"type": optimizer} if isinstance(optimizer, str) else dict(optimizer or {})
        self.space = space
        single = list(objectives) if isinstance(objectives, (list, tuple)) else None
        self._maximize = single == ["max"]
        directions = () if single in (["min"], ["max"]) else directions_of(objectives, maximize=False)
        self._problem = _Asked(space, self._maximize, directions)
        self._signs = np.array(signs(self._problem))
        name = chosen.pop("type", None)
        built = registry.build_optimizer(name, chosen, registry.checked(self._problem), _checked_seed(seed))
        assert isinstance(built, Generational)  # all that know a space without a problem of its own
        self._optimizer = built
        self._asked: Candidates | None = None
        self._evaluations = 0

    @property
    def generation(self) -> int:
        """Generations told."""
        return self._optimizer.told

    @property
    def evaluations(self) -> int:
        """Points told."""
        return self._evaluations

    def ask(self, remaining: int | None = None) -> Any:
        """The next points, ``(n, *space.shape)``; of a `Mixed` space a dict of such arrays by field.

        Asked again before they were told, they are the same.

        Parameters
        ----------
        remaining
            At most so many; None: as many as the optimizer likes.
        """
        if self._asked is None:
            self._asked = self._optimizer.ask(remaining)
        return self.space.shaped(self._asked.rows["genome"].copy())

    def tell(self, objectives: Any, violations: Any = None) -> None:
        """Say how good the points that were asked are, in their order.

        Parameters
        ----------
        objectives
            ``(n,)``, or ``(n, k)`` for k objectives. NaN: this one could not be evaluated.
        violations
            ``(n,)`` or ``(n, m)``, met where they are not above 0. None: no constraints.

        Raises
        ------
        UsageError
            Nothing was asked, or the numbers have another shape.
        """
        if self._asked is None:
            raise UsageError("tell: expected points to be asked first, found none")
        count = len(self._asked)
        objective = np.asarray(objectives, dtype=np.float64)
        shape = (count,) if len(self._signs) == 1 else (count, len(self._signs))
        if objective.shape != shape:
            raise UsageError(f"tell: objectives: expected an array of shape {shape}, found {objective.shape}")
        violation = np.zeros(count)
        if violations is not None:
            each = np.asarray(violations, dtype=np.float64)
            if each.ndim not in (1, 2) or len(each) != count:
                raise UsageError(f"tell: violations: expected an array of shape ({count}, m), found {each.shape}")
            violation = np.maximum(each.reshape(count, -1), 0.0).sum(axis=1)  # NaN stays
        results = Results({"objective": objective * self._signs, "violation": violation}, np.zeros(count, np.bool_))
        asked, self._asked = self._asked, None
        self._optimizer.tell(asked, results)
        self._evaluations += count

    @property
    def x(self) -> Any:
        """The best point told, None before the first; with several objectives the front's."""
        best, front = self._optimizer.best, self._optimizer.front
        if front is not None:
            return self.space.shaped(front.arrays["genome"].copy())
        return None if best is None else self.space.point(best.arrays["genome"].copy())

    @property
    def objective(self) -> float | None:
        """The best point's; None before the first, and with several objectives (see `front`)."""
        best = self._optimizer.best
        return None if best is None else float(self._signs[0] * best.objective)

    @property
    def feasible(self) -> bool:
        """Whether what was found meets all constraints."""
        found = self._optimizer.best or self._optimizer.front
        return found is not None and found.feasible

    @property
    def front(self) -> ParetoFront | None:
        """With several objectives: the points that no other one beats in everything."""
        front = self._optimizer.front
        return None if front is None else ParetoFront(self.x, front.objective * self._signs)

    def state(self) -> dict[str, Any]:
        """All that the future depends on, points asked and not yet told among it: plain data and arrays of its own.

        `evo.checkpoints.save` takes it as it is.
        """
        asked = self._asked
        tree = {
            "kind": KIND,
            "space": self.space.to_spec(),
            "objectives": self._directions(),
            "seed": self._optimizer.seed,
            "evaluations": self._evaluations,
            "optimizer": {
                "type": self._optimizer.name,
                "parameters": self._optimizer.parameters(),
                "state": self._optimizer.state(),
            },
            "asked": None if asked is None else {"rows": asked.rows, "context": asked.context},
        }
        return dict(checkpoints.snapshot(tree))

    def _directions(self) -> list[str]:
        return list(self._problem.directions) or ["max" if self._maximize else "min"]

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AskTell:
        """The loop that `state` was taken from, to go on exactly as it would have.

        Raises
        ------
        CheckpointError
            It is no such state.
        """
        if state.get("kind") != KIND:
            raise CheckpointError(f'{_EXPECTED}, found one of "{state.get("kind")}"')
        try:
            chosen = state["optimizer"]
            loop = cls(
                space_from_spec(state["space"]),
                optimizer={"type": chosen["type"], **chosen["parameters"]},
                seed=int(state["seed"]),
                objectives=list(state["objectives"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{_EXPECTED}, found one without a usable {error}") from error
        loop.load_state(state)
        return loop

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a loop that was built alike.

        Raises
        ------
        CheckpointError
            It is no such state; this loop is then unusable.
        """
        try:
            kind, name = state["kind"], state["optimizer"]["type"]
            if kind != KIND or name != self._optimizer.name:
                raise CheckpointError(f"{_EXPECTED} with {self._optimizer.name}, found {name}")
            self._optimizer.load_state(state["optimizer"]["state"])
            asked = state["asked"]
            self._asked = None if asked is None else Candidates(dict(asked["rows"]), dict(asked["context"]))
            self._evaluations = int(state["evaluations"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{_EXPECTED}, found one without a usable {error}") from error


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise UsageError(f"seed: expected a whole number from 0 to 2**63 - 1, found {seed!r}")
    return seed
