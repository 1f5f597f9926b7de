"""Names to classes: the built-in problems and optimizers, and the user's own by ``module:Class``."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evo.errors import EvoError, ProblemError, SettingsError
from evo.importing import import_name, importable_name
from evo.optimizers import BUILTIN as OPTIMIZERS
from evo.optimizers.base import Optimizer
from evo.problem import FunctionProblem, Problem
from evo.suggestion import suggestion

PROBLEMS = {
    "cvrp": ("evo.problems.cvrp.problem:CVRP", "capacitated vehicle routing, from a VRPLIB file (`instance`)"),
    "sphere": (
        "evo.problems.continuous:Sphere",
        "sum of squares, unimodal (`dimensions`, `shift`, `rotation`); optimum 0",
    ),
    "ellipsoid": ("evo.problems.continuous:Ellipsoid", "unimodal, of condition 10^6 (as for sphere); optimum 0"),
    "rosenbrock": ("evo.problems.continuous:Rosenbrock", "a curved valley (as for sphere); optimum 0"),
    "rastrigin": ("evo.problems.continuous:Rastrigin", "many local optima (as for sphere); optimum 0"),
    "ackley": ("evo.problems.continuous:Ackley", "a funnel with many dents (as for sphere); optimum 0"),
    "griewank": ("evo.problems.continuous:Griewank", "a bowl with many dents (as for sphere); optimum 0"),
    "levy": ("evo.problems.continuous:Levy", "waves on a bowl (as for sphere); optimum 0"),
    "onemax": ("evo.problems.combinatorial:OneMax", "count the ones, maximised (`bits`); optimum = bits"),
    "knapsack": (
        "evo.problems.combinatorial:Knapsack",
        "items of the most value within a weight (`items`, `seed`); optimum by dynamic programming",
    ),
    "tsp": (
        "evo.problems.tsp:TSP",
        "the shortest tour, of a TSPLIB file (`instance`) or of generated `cities` (`seed`, `layout`); `two_opt`",
    ),
    "welded-beam": ("evo.problems.engineering:WeldedBeam", "the cheapest beam, seven constraints; optimum 1.724852"),
    "pressure-vessel": (
        "evo.problems.engineering:PressureVessel",
        "the cheapest vessel, two whole numbers, four constraints; optimum 6059.7143",
    ),
    "spring": ("evo.problems.engineering:Spring", "the lightest spring, four constraints; optimum 0.0126652"),
    "zdt1": ("evo.problems.multi_objective_zdt:ZDT1", "two objectives, 30 variables (`dimensions`); a convex front"),
    "zdt2": ("evo.problems.multi_objective_zdt:ZDT2", "two objectives, 30 variables (`dimensions`); a concave front"),
    "zdt3": (
        "evo.problems.multi_objective_zdt:ZDT3",
        "two objectives, 30 variables (`dimensions`); a front in five parts",
    ),
    "zdt4": ("evo.problems.multi_objective_zdt:ZDT4", "two objectives, 10 variables (`dimensions`); many local fronts"),
    "zdt5": ("evo.problems.multi_objective_zdt:ZDT5", "two objectives, 80 bits (`words`); deceptive"),
    "zdt6": ("evo.problems.multi_objective_zdt:ZDT6", "two objectives, 10 variables (`dimensions`); hit unevenly"),
    "dtlz1": (
        "evo.problems.multi_objective_dtlz:DTLZ1",
        "three `objectives` or more; a plane, many local fronts (`dimensions`)",
    ),
    "dtlz2": ("evo.problems.multi_objective_dtlz:DTLZ2", "three `objectives` or more; a sphere (`dimensions`)"),
    "dtlz3": (
        "evo.problems.multi_objective_dtlz:DTLZ3",
        "three `objectives` or more; a sphere, many local fronts (`dimensions`)",
    ),
    "dtlz4": (
        "evo.problems.multi_objective_dtlz:DTLZ4",
        "three `objectives` or more; a sphere, hit unevenly (`dimensions`)",
    ),
    "dtlz5": ("evo.problems.multi_objective_dtlz:DTLZ5", "three `objectives` or more; an arc (`dimensions`)"),
    "dtlz6": (
        "evo.problems.multi_objective_dtlz:DTLZ6",
        "three `objectives` or more; an arc, hard to come near to (`dimensions`)",
    ),
    "dtlz7": (
        "evo.problems.multi_objective_dtlz:DTLZ7",
        "three `objectives` or more; a front in parts (`dimensions`)",
    ),
}
"""Name in `problem.type` -> (``module:Class``, one line)."""


def builtin_problems() -> dict[str, str]:
    """The built-in problems, name -> one line."""
    return {name: line for name, (_, line) in PROBLEMS.items()}


def problem_class(name: str) -> type[Problem]:
    """The class that `problem.type` names. Raises `ProblemError`."""
    if name in PROBLEMS:
        cls = import_name(PROBLEMS[name][0], "problem.type")
    elif ":" in name:
        cls = import_name(name, "problem.type")
    else:
        known = ", ".join(PROBLEMS)
        hint = suggestion(name, PROBLEMS)
        raise ProblemError(f'problem.type: expected one of {known} or "module:Class", found "{name}"{hint}')
    if not (isinstance(cls, type) and issubclass(cls, Problem)):
        found = f"the class {cls.__name__}" if isinstance(cls, type) else type(cls).__name__
        raise ProblemError(f'problem.type: expected a subclass of evo.Problem, "{name}" is {found}')
    return cls


def build_problem(name: str, parameters: Mapping[str, Any], folder: Path) -> Problem:
    """The problem that a problem.yaml describes; relative paths in it are relative to `folder`."""
    cls = problem_class(name)
    _check_keys(
        cls.from_settings if "from_settings" in vars(cls) else cls, parameters, "problem", {"parameters", "folder"}
    )
    try:
        problem = cls.from_settings(parameters, folder)
    except EvoError:
        raise
    except Exception as error:  # the user's own constructor
        raise ProblemError(f"problem: building {name} raised {type(error).__name__}: {error}") from error
    return checked(problem)


def checked(problem: Problem) -> Problem:
    """`problem`, if it has what every problem needs. Raises `ProblemError`."""
    from evo.spaces import Space

    if not isinstance(problem, Problem):
        raise ProblemError(f"problem: expected a Problem or a function, found {type(problem).__name__}")
    name = type(problem).__name__
    if not isinstance(getattr(problem, "space", None), Space):
        raise ProblemError(
            f"problem: {name}.space: expected a space such as evo.Real(-5, 5, shape=8), found "
            f"{getattr(problem, 'space', None)!r}"
        )
    if type(problem).evaluate is Problem.evaluate:
        raise ProblemError(f"problem: {name} has no method evaluate")
    _check_objectives(problem)
    tolerance = problem.equality_tolerance
    right = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and math.isfinite(tolerance)
    if not right or tolerance < 0:
        raise ProblemError(f"problem: {name}.equality_tolerance: expected a number, 0 or more, found {tolerance!r}")
    block = problem.block
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise ProblemError(f"problem: {name}.block: expected a positive whole number, found {block!r}")
    return problem


def _check_objectives(problem: Problem) -> None:
    name, directions, reference = type(problem).__name__, problem.directions, problem.reference
    if isinstance(directions, str) or any(direction not in ("min", "max") for direction in directions):
        raise ProblemError(
            f'problem: {name}.directions: expected "min" or "max" for each objective, found {directions!r}'
        )
    if len(directions) == 1 or (len(directions) and problem.maximize):
        raise ProblemError(
            f"problem: {name}.directions: expected two or more, and maximize for one objective alone, found "
            f"{directions!r} and maximize = {problem.maximize}"
        )
    if reference is None:
        return
    try:
        numbers = np.asarray(reference, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if len(directions) == 0 or numbers.shape != (len(directions),) or not np.isfinite(numbers).all():
        expected = f"{len(directions)} finite numbers" if len(directions) else "none with one objective"
        raise ProblemError(f"problem: {name}.reference: expected {expected}, found {reference!r}")


def optimizer_class(name: str, problem: Problem) -> type[Optimizer]:
    """The class that `optimizer.type` names for this problem. Raises `SettingsError`."""
    known = {**OPTIMIZERS, **problem.optimizers}
    named = name if ":" in name else known.get(name)
    if named is None:
        raise SettingsError(
            f'optimizer.type: expected one of {", ".join(known)} or "module:Class", found "{name}"'
            f"{suggestion(name, known)}"
        )
    if _of_python(named):
        raise SettingsError(f'optimizer.type: expected a class of yours, found "{named}" of Python\'s own library')
    cls = import_name(named, "optimizer.type")
    if not (isinstance(cls, type) and issubclass(cls, Optimizer)):
        raise SettingsError(f'optimizer.type: expected a subclass of evo.optimizers.base.Optimizer, found "{name}"')
    return cls


def _of_python(named: str) -> bool:
    """Whether ``module:name`` is of Python's own library, from which a file may have nothing called."""
    return named.partition(":")[0].partition(".")[0] in sys.stdlib_module_names - {"__main__"}


def build_optimizer(name: str | None, parameters: Mapping[str, Any], problem: Problem, seed: int) -> Optimizer:
    """The optimizer that the settings describe; without a name the problem's default, which with several objectives
    is ``nsga2`` where it names none."""
    default = problem.default_optimizer
    if len(problem.directions) and default == Problem.default_optimizer:
        default = "nsga2"
    cls = optimizer_class(name or default, problem)
    _check_keys(cls, parameters, "optimizer", {"problem", "seed"})
    build: Callable[..., Optimizer] = cls
    optimizer = build(problem, seed, **parameters)
    if name is not None and ":" in name:
        optimizer.name = name  # by which a checkpoint finds it again
    return optimizer


def _check_keys(call: Any, parameters: Mapping[str, Any], field: str, own: set[str]) -> None:
    """Refuse a keyword that `call` does not take; its values are for the call itself to check."""
    if not isinstance(call, type):
        return  # the class reads its settings by itself
    accepted = [p for p in inspect.signature(call).parameters.values() if p.name not in own]
    if any(p.kind is p.VAR_KEYWORD for p in accepted):
        return
    names = [p.name for p in accepted if p.kind is not p.VAR_POSITIONAL]
    for key in parameters:
        if key not in names:
            expected = ", ".join(names) or "no parameters"
            raise SettingsError(f"{field}.{key}: unknown key, expected {expected}{suggestion(key, names)}")
    for p in accepted:
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL and p.name not in parameters:
            raise SettingsError(f"{field}.{p.name}: expected a value, found none")


def spec_of(problem: Problem) -> dict[str, Any] | None:
    """What a checkpoint keeps of a problem: its type and its data. None: it cannot be built again from data."""
    data = problem.to_spec()
    if data is None:
        return None
    if problem.builtin_name is not None:
        return {"type": problem.builtin_name, "data": data}
    if isinstance(problem, FunctionProblem):
        return {"type": "function", "data": data}
    return {"type": importable_name(type(problem)), "data": data}


def problem_from_spec(spec: Mapping[str, Any]) -> Problem:
    """The inverse of `spec_of`. Raises `ProblemError` where the user's class cannot be imported.

    A checkpoint names what is imported, never from where: that is for the caller's path alone. What it may name is a
    subclass of `Problem`, or a function; none of Python's own library, so that a file cannot have those called.
    """
    name = spec["type"]
    named = spec["data"]["function"] if name == "function" else name
    if _of_python(named):
        raise ProblemError(f'problem: expected a class or function of yours, found "{named}" of Python\'s own library')
    cls = FunctionProblem if name == "function" else problem_class(name)
    return checked(cls.from_spec(spec["data"]))


def problem_label(problem: Problem) -> str:
    """The problem's name for people: ``cvrp``, ``module:Class``, or a function's name."""
    if problem.builtin_name is not None:
        return problem.builtin_name
    if isinstance(problem, FunctionProblem):
        return str(getattr(problem.function, "__qualname__", "function"))
    return f"{type(problem).__module__}:{type(problem).__qualname__}"
