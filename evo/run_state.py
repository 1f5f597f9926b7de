"""A run as a checkpoint's tree, and a run's parts made of such a tree again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evo import checkpoints, registry, versions
from evo.callbacks import Callbacks
from evo.engine import Engine, Progress
from evo.errors import CheckpointError, ProblemError, SettingsError, UsageError
from evo.fingerprint import differences, fingerprint
from evo.optimizers.base import Candidates, Optimizer
from evo.problem import FunctionProblem, Problem, signs
from evo.settings import Settings, settings_from_mapping
from evo.space_specs import space_from_spec
from evo.spaces import Integer, Real
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
    fingerprint: dict[str, str]
    """Hashes of the problem's parts: see `evo.fingerprint`."""
    optimizer: Optimizer
    progress: Progress
    pending: list[Candidates]
    versions: dict[str, str]
    """The surroundings that the state comes from."""
    changed: list[str] = field(default_factory=list)
    """The parts of the problem that are not as they were, and that the user accepts so."""
    callbacks: Callbacks = field(default_factory=lambda: Callbacks(()))
    fixed: dict[str, Any] | None = None
    """What is the same in all checkpoints of this part of the run, once it was needed."""


def new_parts(settings: Settings, problem: Problem, callbacks: Callbacks | None = None) -> Parts:
    """The parts of a new run. Raises `UsageError` where settings and problem do not fit."""
    problem = registry.checked(problem)
    stop = Stop.from_mapping(settings.stop.model_dump()) or problem.default_stop()
    chosen = settings.optimizer
    optimizer = registry.build_optimizer(chosen.type, chosen.parameters, problem, settings.seed)
    _check_stop(stop, problem)
    if stop.generations is not None and optimizer.wants_horizon:
        optimizer.plan(stop.generations)
    resolved = _resolved(settings, optimizer, stop)
    return Parts(
        resolved,
        stop,
        problem,
        registry.spec_of(problem),
        fingerprint(problem),
        optimizer,
        Progress(),
        [],
        versions.fingerprint(),
        callbacks=callbacks or Callbacks(()),
    )


def _check_stop(stop: Stop, problem: Problem) -> None:
    """Refuse limits that the problem gives no meaning to."""
    if stop.x_tolerance is not None and (
        len(signs(problem)) > 1 or problem.optimizers or not isinstance(problem.space, (Real, Integer))
    ):
        raise SettingsError("stop.x_tolerance: expected one objective on a space Real or Integer, found others")
    for name in ("target", "stall", "f_tolerance"):
        if getattr(stop, name) is not None and len(signs(problem)) > 1 and problem.reference is None:
            raise SettingsError(
                f"stop.{name}: with several objectives it is told by the hypervolume, which needs a reference point: "
                f"expected Problem.reference (reference=…), found none"
            )


def _resolved(settings: Settings, optimizer: Optimizer, stop: Stop) -> Settings:
    mapping = settings.to_mapping()
    mapping["optimizer"] = {"type": optimizer.name, **optimizer.parameters()}
    mapping["stop"] = stop.to_mapping()
    return settings_from_mapping(mapping)


def take_plan(parts: Parts) -> None:
    """Bring the settings up to date with what the optimizer has planned."""
    parts.settings = _resolved(parts.settings, parts.optimizer, parts.stop)
    parts.fixed = None


def to_tree(parts: Parts, engine: Engine, finished: StopReason | None) -> dict[str, Any]:
    """The run as it is now. What changes is copied; the problem's data never changes.

    Parameters
    ----------
    finished
        Why the run ended, where it did.
    """
    problem, optimizer = parts.problem, parts.optimizer
    front = engine.front
    moving = {
        "optimizer": {"type": optimizer.name, "parameters": optimizer.parameters(), "state": optimizer.state()},
        "pending": [{"rows": c.rows, "context": c.context} for c in engine.pending],
        "run": {
            **engine.progress.to_tree(),
            "front": None if front is None else {"objective": front.objective, "violation": front.violation},
            "seconds": engine.elapsed(),
            "finished": finished,
        },
    }
    if parts.callbacks:
        moving["callbacks"] = parts.callbacks.states()
    if parts.fixed is None:
        parts.fixed = {
            "kind": KIND,
            "versions": versions.fingerprint(),
            "settings": parts.settings.to_mapping(),
            "problem": {
                "label": registry.problem_label(problem),
                "spec": parts.spec,
                "fingerprint": parts.fingerprint,
                "space": problem.space.to_spec(),
                "maximize": problem.maximize,
                "directions": list(problem.directions),
                "function": problem.flags() if isinstance(problem, FunctionProblem) else None,
            },
        }
    return {**parts.fixed, **checkpoints.snapshot(moving)}


def identity(parts: Parts) -> str:
    """What all evaluations of the run depend on, beside their candidates, as a short hash."""
    problem, optimizer = parts.problem, parts.optimizer
    # A plan reaches an evaluation through its candidates.
    fixed = {name: v for name, v in optimizer.parameters().items() if name not in optimizer.planned_parameters}
    return checkpoints.digest(
        [parts.fingerprint, problem.space.to_spec(), versions.fingerprint(), optimizer.name, fixed]
    )


def from_checkpoint(
    checkpoint: checkpoints.Checkpoint,
    *,
    problem: Problem | Callable[..., Any] | None,
    stop: Stop | None,
    changes: Mapping[str, Any],
    accept_changed_problem: bool = False,
    callbacks: Callbacks | None = None,
) -> Parts:
    """The parts of a run that goes on.

    Parameters
    ----------
    problem
        None: as the checkpoint has it.
    stop
        New totals for the limits that it names.
    changes
        Settings that no result depends on (`workers`, `cluster`), and a new seed where one is wanted; laid out as in
        the file.
    accept_changed_problem
        Go on although the problem's data or code are not what they were; its space must be.

    Raises
    ------
    CheckpointError
        The checkpoint is not one of a run, or not of this problem.
    UsageError
        The new total of generations is less than what is done.
    """
    path = checkpoint.name
    try:
        kind, saved, chosen = checkpoint["kind"], checkpoint["problem"], checkpoint["optimizer"]
        mapping, progress, pending = {**checkpoint["settings"], **changes}, checkpoint["run"], checkpoint["pending"]
    except KeyError as error:
        raise CheckpointError(f"{path}: expected a checkpoint of a run, found no field {error}") from None
    if kind != KIND:
        raise CheckpointError(f'{path}: expected a checkpoint of a run, found one of "{kind}"')
    settings = settings_from_mapping(mapping, f"{path}: settings")
    limits = Stop.from_mapping(settings.stop.model_dump()).replaced_by(stop)
    if stop is not None and stop.generations is not None and stop.generations < progress["generation"]:
        raise UsageError(
            f"generations: {stop.generations} is not above the {progress['generation']} already done: a total counts "
            f"from the start of the run"
        )
    callbacks = callbacks or Callbacks(())
    callbacks.load_states(checkpoint.get("callbacks", ()))
    found, now, changed = _problem_of(saved, problem, path, accept_changed_problem)
    _check_stop(limits, found)
    optimizer = registry.build_optimizer(chosen["type"], chosen["parameters"], found, settings.seed)
    try:
        optimizer.load_state(chosen["state"])
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Parts(
        _resolved(settings, optimizer, limits),
        limits,
        found,
        registry.spec_of(found) if changed else saved["spec"],
        now,
        optimizer,
        Progress.from_tree(progress),
        [Candidates(dict(c["rows"]), dict(c["context"])) for c in pending],
        dict(checkpoint["versions"]),
        changed,
        callbacks,
    )


def _problem_of(
    saved: Mapping[str, Any], given: Problem | Callable[..., Any] | None, path: str, accept: bool
) -> tuple[Problem, dict[str, str], list[str]]:
    """The problem of a checkpoint, built again from its data or given; its fingerprint; and what has changed of it."""
    problem = _built_again(saved, path) if given is None else _given(saved, given, path)
    now = fingerprint(problem)
    changed = differences(saved.get("fingerprint") or {}, now)
    same_space = checkpoints.digest(problem.space.to_spec()) == checkpoints.digest(saved["space"])
    label, mine = saved["label"], registry.problem_label(problem)
    if label != mine and not (accept and same_space):
        raise CheckpointError(f'{path}: a checkpoint of another problem: expected "{label}", found "{mine}"')
    if not same_space:
        raise CheckpointError(f'{path}: a checkpoint of another problem: "{label}" with another space')
    if label != mine:
        changed.insert(0, "name")
    if changed and not accept:
        raise CheckpointError(
            f'{path}: the problem "{label}" is not what it was, changed: {", ".join(changed)}; if its objective still '
            f"means the same, go on with --accept-changed-problem (accept_changed_problem=True)"
        )
    return problem, now, changed


def _built_again(saved: Mapping[str, Any], path: str) -> Problem:
    spec = saved["spec"]
    if spec is None:
        raise CheckpointError(
            f'{path}: the problem "{saved["label"]}" cannot be imported again (it was defined in a script, or is a '
            f"closure): give it, evo.resume(path, problem=…)"
        )
    try:
        return registry.problem_from_spec(spec)
    except ProblemError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _given(saved: Mapping[str, Any], given: Problem | Callable[..., Any], path: str) -> Problem:
    if isinstance(given, Problem):
        return registry.checked(given)
    if saved["function"] is None:
        raise CheckpointError(f'{path}: a checkpoint of "{saved["label"]}": expected that Problem, found a function')
    return FunctionProblem(given, space_from_spec(saved["space"]), **saved["function"])
