"""The front doors in Python: `minimize` and `maximize` turn a call into settings and a problem, and run them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from evo import registry
from evo.callbacks import Callback
from evo.errors import ProblemError, SettingsError, UsageError
from evo.events import Observer
from evo.problem import FunctionProblem, Problem
from evo.result import Result
from evo.run import AfterGeneration, run
from evo.settings import settings_from_mapping
from evo.spaces import Space
from evo.stopping import Stop
from evo.suggestion import suggestion


class Options(TypedDict, total=False):
    """What `minimize` and `maximize` take beside the problem; the sections are laid out as in a problem.yaml."""

    optimizer: str | Mapping[str, Any] | None
    """A name, or ``{"type": name, …its parameters}``; None: the problem's default."""
    stop: Stop | None
    """None: the problem's default budget."""
    start: Any
    """Points to start from, each as `Result.x`: one, or a list or array of some; an optimizer with a population draws
    the others. Short for the optimizer's own ``start``."""
    seed: int
    workers: int | str
    """0 (the default): in this process, which protects from exceptions but not from hangs and crashes; n: so many Ray
    workers; "auto": every core."""
    output: str | Path | None
    """The run's folder; None: nothing is written, and nothing can be resumed."""
    overwrite: bool
    """Replace a run that `output` holds."""
    vectorized: bool
    """The function takes a batch, ``f(X) -> (batch,)``."""
    noisy: bool
    """The function takes a second argument, the individual's own numpy Generator."""
    objectives: int | Sequence[str]
    """How many objectives the function gives, all minimised (maximised by `maximize`); or for each what is better,
    such as ``("min", "max")``. Default: one."""
    reference: Sequence[float]
    """With several objectives: see `Problem.reference`."""
    cluster: str | Mapping[str, Any] | None
    """An existing Ray cluster's address."""
    checkpoint: Mapping[str, Any] | None
    fault_tolerance: Mapping[str, Any] | None
    wait_for_workers: bool
    """Start only when the workers are there."""
    callback: AfterGeneration | None
    """Called with the engine after every generation; True ends the run."""
    callbacks: Sequence[Callback]
    """Hooks into the run, such as a `History` or a `HallOfFame`: see `Callback`."""
    observers: Sequence[Observer]
    """Each is called with every event, a dict."""


def minimize(problem: Problem | Callable[..., Any], space: Space | None = None, **options: Unpack[Options]) -> Result:
    """Minimise a problem.

    Parameters
    ----------
    problem
        A `Problem`, or a function of one point, ``f(x) -> number`` (of a batch with ``vectorized=True``).
    space
        Where a function is searched; a `Problem` has its own.
    options
        optimizer, stop, start, seed, workers, output, overwrite, vectorized, noisy, objectives, reference, cluster,
        checkpoint, fault_tolerance, wait_for_workers, callback, callbacks, observers: see `Options`.

    Raises
    ------
    UsageError
        A mistake in the call.
    RunFailedError
        The run cannot go on; what was saved can be resumed.
    """
    return _optimize(problem, space, options, maximize=False)


def maximize(problem: Problem | Callable[..., Any], space: Space | None = None, **options: Unpack[Options]) -> Result:
    """Maximise a function, or a problem whose class says ``maximize = True``; otherwise as `minimize`."""
    return _optimize(problem, space, options, maximize=True)


def _optimize(
    problem: Problem | Callable[..., Any], space: Space | None, options: Options, *, maximize: bool
) -> Result:
    for name in options:
        if name not in Options.__annotations__:
            hint = suggestion(name, Options.__annotations__)
            raise UsageError(
                f"{name}: unknown option{hint or ', expected one of ' + ', '.join(Options.__annotations__)}"
            )
    problem = _problem(problem, space, options, maximize)
    stop, output = options.get("stop"), options.get("output")
    if stop is not None and not isinstance(stop, Stop):
        raise SettingsError(f"stop: expected an evo.Stop, found {stop!r}")
    if output is not None and (not isinstance(output, (str, os.PathLike)) or not str(output).strip()):
        raise UsageError(f"output: expected a folder's name, found {output!r}")
    given: dict[str, Any] = {
        "problem": {"type": registry.problem_label(problem)},
        "workers": 0,
        **{name: value for name, value in options.items() if name in _SETTINGS and value is not None},
    }
    if (start := options.get("start")) is not None:
        chosen = given.get("optimizer", {})
        given["optimizer"] = {**({"type": chosen} if isinstance(chosen, str) else chosen), "start": start}
    if stop is not None:
        given["stop"] = stop.to_mapping()
    settings = settings_from_mapping(given, "")
    if settings.workers == 0 and settings.fault_tolerance.evaluation_timeout != "auto":
        warnings.warn(
            "fault_tolerance.evaluation_timeout has no effect with workers=0: an evaluation in this process cannot be "
            "broken off; give workers=1 or more",
            stacklevel=3,
        )
    return run(
        settings,
        problem,
        output=None if output is None else Path(output),
        overwrite=options.get("overwrite", False),
        wait_for_workers=options.get("wait_for_workers", False),
        callback=options.get("callback"),
        callbacks=options.get("callbacks", ()),
        observers=options.get("observers", ()),
    )


_SETTINGS = ("optimizer", "seed", "workers", "cluster", "checkpoint", "fault_tolerance")


def _problem(given: Problem | Callable[..., Any], space: Space | None, options: Options, maximize: bool) -> Problem:
    vectorized, noisy = options.get("vectorized", False), options.get("noisy", False)
    if isinstance(given, Problem):
        if space is not None or vectorized or noisy or "objectives" in options or "reference" in options:
            raise UsageError("problem: a Problem has its own space, block, noise and objectives; give them there")
        if maximize and not given.maximize:
            raise UsageError(f"problem: {type(given).__name__} is minimised; set maximize = True in its class")
        return given
    if isinstance(given, type) or not callable(given):
        hint = f"; did you mean {given.__name__}()?" if isinstance(given, type) else ""
        raise ProblemError(f"problem: expected a Problem or a function, found {given!r}{hint}")
    if space is None:
        raise UsageError("space: a function needs one, such as evo.Real(-5, 5, shape=8)")
    directions = directions_of(options.get("objectives", 1), maximize=maximize)
    return FunctionProblem(
        given,
        space,
        vectorized=vectorized,
        noisy=noisy,
        maximize=maximize and not directions,
        directions=directions,
        reference=options.get("reference"),
    )


def directions_of(objectives: Any, *, maximize: bool) -> tuple[str, ...]:
    """`Problem.directions` of what a call says of the objectives."""
    if isinstance(objectives, int) and not isinstance(objectives, bool) and objectives >= 1:
        return () if objectives == 1 else ("max" if maximize else "min",) * objectives
    named = isinstance(objectives, (list, tuple)) and len(objectives) > 1
    if not named or any(direction not in ("min", "max") for direction in objectives):
        raise UsageError(f'objectives: expected their number, or "min" or "max" for each, found {objectives!r}')
    if maximize:
        raise UsageError("objectives: maximize makes all larger; name what is better of each in minimize")
    return tuple(objectives)
