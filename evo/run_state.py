"""A run as a checkpoint's tree, and a run's parts made of such a tree again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo import checkpoints, registry, versions
from evo.engine import Engine, Progress
from evo.errors import CheckpointError, ProblemError
from evo.optimizers.base import Candidates, Optimizer
from evo.problem import FunctionProblem, Problem
from evo.settings import Settings, settings_from_mapping
from evo.spaces import space_from_spec
from evo.stopping import Stop, StopReason

KIND = "run"


@dataclass(slots=True)
class Parts:
    """What a run is made of, whether new or resumed."""

    settings: Settings
    """Complete: every default is written out."""
    stop: Stop
    problem: Problem
    spec: dict[str, Any] | None
    """What a checkpoint keeps of the problem; None: it cannot be built again from data."""
    optimizer: Optimizer
    progress: Progress
    pending: list[Candidates]
    versions: dict[str, str]
    """The surroundings that the state comes from."""


def new_parts(settings: Settings, problem: Problem) -> Parts:
    """The parts of a new run. Raises `UsageError` where settings and problem do not fit."""
    problem = registry.checked(problem)
    stop = Stop.from_mapping(settings.stop.model_dump()) or problem.default_stop()
    chosen = settings.optimizer
    optimizer = registry.build_optimizer(chosen.type, chosen.parameters, problem, settings.seed)
    resolved = _resolved(settings, optimizer, stop)
    return Parts(resolved, stop, problem, registry.spec_of(problem), optimizer, Progress(), [], versions.fingerprint())


def _resolved(settings: Settings, optimizer: Optimizer, stop: Stop) -> Settings:
    mapping = settings.to_mapping()
    mapping["optimizer"] = {"type": optimizer.name, **optimizer.parameters()}
    mapping["stop"] = stop.to_mapping()
    return settings_from_mapping(mapping)


def to_tree(parts: Parts, engine: Engine, finished: StopReason | None) -> dict[str, Any]:
    """The run as it is now. What changes is copied; the problem's data never changes.

    Parameters
    ----------
    finished
        Why the run ended, where it did.
    """
    problem, optimizer = parts.problem, parts.optimizer
    moving = {
        "optimizer": {"type": optimizer.name, "parameters": optimizer.parameters(), "state": optimizer.state()},
        "pending": [{"rows": c.rows, "context": c.context} for c in engine.pending],
        "run": {**engine.progress.to_tree(), "seconds": engine.elapsed(), "finished": finished},
    }
    return {
        "kind": KIND,
        "versions": versions.fingerprint(),
        "settings": parts.settings.to_mapping(),
        "problem": {
            "label": registry.problem_label(problem),
            "spec": parts.spec,
            "space": problem.space.to_spec(),
            "maximize": problem.maximize,
            "function": problem.flags() if isinstance(problem, FunctionProblem) else None,
        },
        **checkpoints.snapshot(moving),
    }


def from_checkpoint(
    checkpoint: checkpoints.Checkpoint,
    *,
    problem: Problem | Callable[..., Any] | None,
    stop: Stop | None,
    changes: Mapping[str, Any],
) -> Parts:
    """The parts of a run that goes on.

    Parameters
    ----------
    problem
        None: as the checkpoint has it.
    stop
        New totals for the limits that it names.
    changes
        Settings that no result depends on (`workers`, `cluster`), laid out as in the file.

    Raises
    ------
    CheckpointError
        The checkpoint is not one of a run, or not of this problem.
    """
    path = checkpoint.path
    try:
        kind, saved, chosen = checkpoint["kind"], checkpoint["problem"], checkpoint["optimizer"]
        mapping, progress, pending = {**checkpoint["settings"], **changes}, checkpoint["run"], checkpoint["pending"]
    except KeyError as error:
        raise CheckpointError(f"{path}: expected a checkpoint of a run, found no field {error}") from None
    if kind != KIND:
        raise CheckpointError(f'{path}: expected a checkpoint of a run, found one of "{kind}"')
    settings = settings_from_mapping(mapping, f"{path}: settings")
    limits = Stop.from_mapping(settings.stop.model_dump()).replaced_by(stop)
    found = _problem_of(saved, problem, path)
    optimizer = registry.build_optimizer(chosen["type"], chosen["parameters"], found, settings.seed)
    try:
        optimizer.load_state(chosen["state"])
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Parts(
        _resolved(settings, optimizer, limits),
        limits,
        found,
        saved["spec"],
        optimizer,
        Progress.from_tree(progress),
        [Candidates(dict(c["rows"]), dict(c["context"])) for c in pending],
        dict(checkpoint["versions"]),
    )


def _problem_of(saved: Mapping[str, Any], given: Problem | Callable[..., Any] | None, path: Path | None) -> Problem:
    """The problem of a checkpoint: built again from its data, or the one given, if it is the same."""
    label, spec = saved["label"], saved["spec"]
    if given is None:
        if spec is None:
            raise CheckpointError(
                f'{path}: the problem "{label}" cannot be imported again (it was defined in a script, or is a '
                f"closure): give it, evo.resume(path, problem=…)"
            )
        try:
            return registry.problem_from_spec(spec)
        except ProblemError as error:
            raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(given, Problem):
        if saved["function"] is None:
            raise CheckpointError(f'{path}: a checkpoint of "{label}": expected that Problem, found a function')
        given = FunctionProblem(given, space_from_spec(saved["space"]), **saved["function"])
    given = registry.checked(given)
    if (mine := registry.problem_label(given)) != label:
        raise CheckpointError(f'{path}: a checkpoint of another problem: expected "{label}", found "{mine}"')
    ours = registry.spec_of(given)
    if spec is not None and ours is not None:
        if checkpoints.digest(ours) != checkpoints.digest(spec):
            raise CheckpointError(f'{path}: a checkpoint of another problem: "{label}" with other data')
    elif checkpoints.digest(given.space.to_spec()) != checkpoints.digest(saved["space"]):
        raise CheckpointError(f'{path}: a checkpoint of another problem: "{label}" with another space')
    return given
