"""What the user optimises: a `Problem` has a space and says how good a batch of points of it is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from evo.errors import ProblemError
from evo.events import plain
from evo.importing import import_name, importable_name
from evo.space_specs import space_from_spec
from evo.spaces import Space

if TYPE_CHECKING:
    from evo.optimizers.base import Best, Front
    from evo.stopping import Stop


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Objectives together with constraint violations.

    Parameters
    ----------
    objectives
        ``(batch,)``, or ``(batch, k)`` for several objectives, in the order of `Problem.directions`.
    violations
        ``(batch, m)`` or ``(batch,)``: ``g(x) <= 0`` holds; positive values are violations. None: no constraints.
    equalities
        ``(batch, p)`` or ``(batch,)``: ``h(x) = 0`` holds, within `Problem.equality_tolerance`; what is beyond that is
        a violation. None: no such constraints.
    """

    objectives: Any
    violations: Any = None
    equalities: Any = None


class Problem:
    """Base class of problems. A subclass sets `space` and writes `evaluate`; the rest has defaults.

    An instance is built as ``cls(**parameters)``. Parameters of plain data (numbers, strings, lists, arrays) are kept,
    so that a checkpoint can name the class and build it again.
    """

    space: Space
    noisy: bool = False
    """True: `evaluate(x, rng)` is called for one individual at a time with that individual's own generator."""
    maximize: bool = False
    """True: larger objectives are better. For several objectives, see `directions`."""
    directions: Sequence[str] = ()
    """Of several objectives, in order, what is better: "min" (smaller) or "max" (larger), such as ``("min", "max")``.
    Empty: there is one objective."""
    reference: Sequence[float] | None = None
    """With several objectives: the point that the hypervolume is measured from, worse than all that is of interest in
    each objective. Without it the hypervolume is not told, and no run can stop by it (`Stop.stall`, `Stop.target`)."""
    equality_tolerance: float = 1e-4
    """How far from 0 the `Evaluation.equalities` may be."""
    block: int = 32
    """Rows per call of `evaluate` (the last call of a generation may have fewer). 1 spreads dear evaluations best."""
    best_known: float | None = None
    """The best objective known, for the gap on the screen."""

    default_optimizer: str = "ga"
    optimizers: ClassVar[Mapping[str, str]] = {}
    """Optimizers of this problem alone: name -> ``module:Class``."""
    builtin_name: ClassVar[str | None] = None
    """The name in `problem.type` of a problem that comes with evo."""
    solution_file: ClassVar[str] = "solution.json"

    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        problem = super().__new__(cls)
        try:
            bound = inspect.signature(cls.__init__).bind(problem, *args, **kwargs)
            problem._arguments = dict(list(bound.arguments.items())[1:])
        except (TypeError, ValueError):  # __init__ itself will tell what is wrong
            problem._arguments = {}
        return problem

    def __reduce_ex__(self, protocol: Any) -> Any:
        # object.__reduce_ex__ would call __new__ through copyreg with no arguments kept; state carries `_arguments`.
        # It comes apart from the object, which may hold its own bound methods.
        return (_rebuild, (type(self),), self.__dict__.copy())

    def evaluate(self, x: np.ndarray) -> Any:
        """Objectives of a batch.

        Parameters
        ----------
        x
            ``(batch, *space.shape)``, the caller's own copy; in a `Mixed` space a dict of such arrays by field.

        Returns
        -------
        ``(batch,)`` numbers, ``(batch, k)`` for k objectives, or an `Evaluation`.
        """
        raise NotImplementedError

    improve: Callable[[np.ndarray], Any] | None = None
    """Optional, ``improve(x) -> x'``: better genomes of the same shape, evaluated and kept in place of x (memetic)."""

    def default_stop(self) -> Stop:
        """The budget of a run that names none."""
        from evo.stopping import Stop

        return Stop(generations=500)

    def solution(self, best: Best) -> Any:
        """What the best individual means to the user; by default its genome with the space's shape."""
        return self.space.point(best.arrays["genome"])

    def write_solution(self, path: Path, best: Best) -> None:
        """Write `solution_file`. Raises `OSError`, or `SolutionError` where the solution does not hold."""
        sign = -1.0 if self.maximize else 1.0
        content = {"x": self.solution(best), "objective": sign * best.objective, "feasible": best.feasible}
        path.write_text(json.dumps(plain(content)) + "\n", encoding="utf-8")

    def write_front(self, path: Path, front: Front) -> None:
        """Write `solution_file` where there are several objectives: all points. Raises `OSError`."""
        x = self.space.shaped(front.arrays["genome"])
        content = {"x": x, "objective": front.objective * np.array(signs(self)), "feasible": front.feasible}
        path.write_text(json.dumps(plain(content)) + "\n", encoding="utf-8")

    @classmethod
    def from_settings(cls, parameters: Mapping[str, Any], folder: Path) -> Self:
        """Build from a problem.yaml's keys; `folder` is what its relative paths are relative to."""
        return cls(**parameters)

    def to_spec(self) -> dict[str, Any] | None:
        """What a checkpoint keeps of the problem: plain values and arrays. None: it cannot be built again from data."""
        name = importable_name(type(self))
        if name is None or not is_plain(self._arguments):
            return None
        return {"parameters": dict(self._arguments)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The inverse of `to_spec`."""
        return cls(**spec["parameters"])

    def describe(self) -> str:
        """One line for the screen."""
        return f"{type(self).__name__}, {self.space!r}"


def signs(problem: Problem) -> tuple[float, ...]:
    """For each objective what turns it into one to be minimised, and back: 1.0, or -1.0 where larger is better."""
    if len(problem.directions) == 0:
        return (-1.0,) if problem.maximize else (1.0,)
    return tuple(-1.0 if direction == "max" else 1.0 for direction in problem.directions)


def _rebuild(cls: type[Problem]) -> Problem:
    return object.__new__(cls)


class FunctionProblem(Problem):
    """A plain function as a problem: element-wise, ``f(x) -> number``, or vectorised, ``f(X) -> (batch,)``.

    With several `directions` it gives a sequence of k numbers, or ``(batch, k)``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        space: Space,
        *,
        vectorized: bool = False,
        noisy: bool = False,
        maximize: bool = False,
        directions: Sequence[str] = (),
        reference: Sequence[float] | None = None,
    ) -> None:
        if not callable(function):
            raise ProblemError(f"problem: expected a Problem or a function, found {function!r}")
        if not isinstance(space, Space):
            raise ProblemError(f"space: expected a space such as evo.Real(-5, 5, shape=8), found {space!r}")
        self.function = function
        self.space = space
        self.vectorized = vectorized
        self.noisy = noisy
        self.maximize = maximize
        self.directions = directions
        self.reference = reference
        self.block = Problem.block if vectorized and not noisy else 1

    def evaluate(self, x: Any, *rng: np.random.Generator) -> Any:
        if self.vectorized:
            return self.function(x, *rng)
        one = {name: field[0] for name, field in x.items()} if isinstance(x, dict) else x[0]  # block = 1: one row
        result = self.function(one, *rng)
        if isinstance(result, Evaluation):
            constraints = (result.violations, result.equalities)
            return Evaluation(
                np.asarray(result.objectives)[None],
                *(None if values is None else np.atleast_1d(values)[None] for values in constraints),
            )
        return np.asarray(result)[None]

    def flags(self) -> dict[str, Any]:
        """How the function is called: the keywords of `FunctionProblem`."""
        flags: dict[str, Any] = {"vectorized": self.vectorized, "noisy": self.noisy, "maximize": self.maximize}
        if len(self.directions):
            flags["directions"] = list(self.directions)
        if self.reference is not None:
            flags["reference"] = [float(value) for value in self.reference]
        return flags

    def to_spec(self) -> dict[str, Any] | None:
        name = importable_name(self.function)
        return None if name is None else {"function": name, "space": self.space.to_spec(), **self.flags()}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        flags = {name: spec[name] for name in ("vectorized", "noisy", "maximize")}
        flags |= {name: spec[name] for name in ("directions", "reference") if name in spec}
        return cls(import_name(spec["function"], "problem"), space_from_spec(spec["space"]), **flags)

    def describe(self) -> str:
        return f"{getattr(self.function, '__name__', 'function')}, {self.space!r}"


def is_plain(value: Any) -> bool:
    """Whether a checkpoint can hold `value`: None, bool, number, str, array, or lists and dicts (str keys) of those."""
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return all(is_plain(v) for v in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return value is None or isinstance(value, (bool, int, float, str, np.bool_, np.integer, np.floating))
