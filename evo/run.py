"""A run from settings to result: build the parts, let the engine loop, save, and say what came of it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evo import checkpoints, registry, versions
from evo.callbacks import Callback, Callbacks
from evo.checkpoints.journal import Journal, read_journal
from evo.checkpoints.remote import is_url
from evo.distributed.fault_tolerance_config import FaultToleranceConfig
from evo.engine import Engine
from evo.errors import CheckpointError, RunFailedError, UsageError
from evo.events import EventBus, EventLog, Observer
from evo.fingerprint import code_files
from evo.interrupt import Interrupt
from evo.journaling import JournalingExecutor, to_come
from evo.problem import Problem, signs
from evo.result import ParetoFront, Result
from evo.run_folder import RunFolder, checkpoint_of
from evo.run_state import Parts, from_checkpoint, identity, new_parts, take_plan, to_tree
from evo.run_view import RunView
from evo.saving import Saver
from evo.settings import Settings
from evo.stopping import Stop, StopReason
from evo.walltime import stop_time

if TYPE_CHECKING:
    from evo.distributed.executor import Executor

AfterGeneration = Callable[[Engine], Any]


def run(
    settings: Settings,
    problem: Problem,
    *,
    output: Path | None,
    overwrite: bool = False,
    wait_for_workers: bool = False,
    fault_tolerance: Mapping[str, Any] | None = None,
    callback: AfterGeneration | None = None,
    callbacks: Sequence[Callback] = (),
    observers: Sequence[Observer] = (),
    interrupt: Interrupt | None = None,
) -> Result:
    """Start a run.

    Parameters
    ----------
    output
        The run's folder; None: nothing is written.
    fault_tolerance
        What the command line says: for this part of the run it wins over the environment, which wins over the settings.
    callback
        Called with the engine after every generation; True ends the run.
    callbacks
        Hooks: see `Callback`.
    observers
        Each is called with every event.

    Raises
    ------
    UsageError
        Settings, problem and folder do not fit.
    RunFailedError
        The run cannot go on; what was saved can be resumed.
    """
    parts = new_parts(settings, problem, Callbacks(callbacks))
    tolerance = _tolerance(parts.settings, fault_tolerance)
    folder = None if output is None else RunFolder.create(output, overwrite=overwrite)
    with folder or contextlib.nullcontext():
        return _Session(
            parts, folder, None, observers, interrupt or Interrupt(), callback, wait_for_workers, tolerance
        ).run()


def resume(
    path: str | Path,
    *,
    problem: Problem | Callable[..., Any] | None = None,
    stop: Stop | None = None,
    workers: int | str | None = None,
    cluster: str | Mapping[str, Any] | None = None,
    walltime: float | None = None,
    generation: int | None = None,
    reseed: int | None = None,
    output: str | Path | None = None,
    accept_changed_problem: bool = False,
    wait_for_workers: bool = False,
    fault_tolerance: Mapping[str, Any] | None = None,
    callback: AfterGeneration | None = None,
    callbacks: Sequence[Callback] = (),
    observers: Sequence[Observer] = (),
    interrupt: Interrupt | None = None,
) -> Result:
    """Go on with a run, to exactly the result that it would have had.

    Parameters
    ----------
    path
        A run's folder (its newest good checkpoint), or one checkpoint file; that file alone is enough. Or an fsspec URL
        of either, such as ``s3://bucket/runs/1``.
    problem
        Where the checkpoint cannot name it: a class of ``__main__``, a closure.
    stop
        New totals, counted from the start of the run, for the limits that it names.
    workers, cluster
        As in `minimize`; None: as the run had it.
    walltime
        When the batch system ends this process, in seconds from its start; None: as the run had it, or SLURM tells.
    generation
        Of a folder, the checkpoint of this generation instead of the newest: a branch, which needs `output`.
    reseed
        A seed to go on with from here: from now on the run is another one, on purpose. None: the run's own.
    output
        A new run's folder to go on in; None: the folder that the checkpoint lies in, if it lies in one.
    accept_changed_problem
        Go on although the problem's data or code are not what they were when the checkpoint was saved. What was
        evaluated then is kept as it is.
    fault_tolerance
        As in `run`: it wins over what the run had.
    callback, callbacks, observers
        As in `minimize`; one of `callbacks` goes on from its state in the checkpoint.

    Raises
    ------
    CheckpointError
        No usable checkpoint, or one of another problem.
    UsageError
        Options that do not go together.
    """
    if generation is not None and output is None:
        raise UsageError(
            "output: expected a new folder, found none: an older generation (--from) starts a branch, which must "
            "not take the place of the newer checkpoints"
        )
    with contextlib.ExitStack() as stack:
        source = None if is_url(path) else RunFolder.of(Path(path))
        folder = source if output is None else None
        if folder is not None:
            stack.enter_context(folder)
            folder.lock()  # before reading: what is read is then the newest, and stays it
        tell = _teller(observers)
        if generation is not None:
            path = checkpoint_of(Path(path) if source is None else source.checkpoints, generation)
        checkpoint = checkpoints.load(path, warn=tell)
        given = {"workers": workers, "cluster": cluster, "seed": reseed}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if walltime is not None:
            changes["checkpoint"] = {**checkpoint.get("settings", {}).get("checkpoint", {}), "walltime": walltime}
        parts = from_checkpoint(
            checkpoint,
            problem=problem,
            stop=stop,
            changes=changes,
            accept_changed_problem=accept_changed_problem,
            callbacks=Callbacks(callbacks),
        )
        if output is not None:
            folder = stack.enter_context(RunFolder.create(Path(output)))
        elif folder is not None:
            # What an older checkpoint's future will be is what it was: the newer ones are made again, bit for bit.
            checkpoints.CheckpointStore(folder.checkpoints).discard_after(parts.progress.generation)
        records = [] if source is None or folder is None else read_journal(source.checkpoints, tell)
        kept = to_come(records, parts.progress.generation)
        return _Session(
            parts,
            folder,
            checkpoint.name,
            observers,
            interrupt or Interrupt(),
            callback,
            wait_for_workers,
            _tolerance(parts.settings, fault_tolerance),
            kept,
            branched=output is not None,
        ).run()


def _tolerance(settings: Settings, command_line: Mapping[str, Any] | None) -> FaultToleranceConfig:
    """Command line before environment before file. Raises `SettingsError`."""
    file = settings.fault_tolerance.model_dump(exclude_none=True)
    return FaultToleranceConfig.resolve(file=file, command_line=command_line)


def _teller(observers: Sequence[Observer]) -> Callable[[str], None]:
    """Who is told of damaged checkpoints: the observers, or Python's warnings where there are none."""
    if not observers:
        return lambda message: warnings.warn(message, stacklevel=4)
    bus = EventBus(observers)
    return lambda message: bus.emit("alert", message=message)


@dataclass(slots=True)
class _Session:
    """One part of a run, from its start or a checkpoint until a limit holds. Nothing here touches the result."""

    parts: Parts
    folder: RunFolder | None
    resumed_from: str | None
    observers: Sequence[Observer]
    interrupt: Interrupt
    callback: AfterGeneration | None
    wait_for_workers: bool
    tolerance: FaultToleranceConfig
    kept: Sequence[Mapping[str, Any]] = ()
    """What the journal holds of the generations to come."""
    branched: bool = False
    """Whether the run goes on in another folder than it comes from."""

    def run(self) -> Result:
        """Loop, save, write the result."""
        parts, folder = self.parts, self.folder
        with contextlib.ExitStack() as stack:
            if folder is not None:
                stack.enter_context(self.interrupt.at(stop_time(parts.settings.checkpoint), "walltime"))
            events, log = EventBus(self._observers()), None
            if folder is not None:
                folder.write_settings(parts.settings.to_yaml())
                log = stack.enter_context(contextlib.closing(self._event_log(folder)))
                events = EventBus([log, *self._observers()])
            events.generation = parts.progress.generation
            executor = self._executor()
            stack.callback(executor.close)
            journal = None
            if folder is not None and parts.settings.checkpoint.journal is not False:
                executor = journal = self._journaling(executor, folder, events)
                stack.callback(executor.close)
            engine = Engine(
                parts.optimizer,
                executor,
                parts.stop,
                events=events,
                progress=parts.progress,
                pending=parts.pending,
                signs=signs(parts.problem),
                reference=parts.problem.reference,
                best_known=parts.problem.best_known,
                interrupt=self.interrupt,
                callback=self.callback,
            )
            engine.point_of = parts.problem.space.point
            view = RunView(engine, parts.problem)
            if parts.callbacks:
                engine.hooks = lambda improved: parts.callbacks.after_generation(view, improved)
            engine.planned = lambda: self._take_plan(events)
            self._announce(engine, events)
            saver = None
            if folder is not None and log is not None:
                saver = engine.checkpoint = self._saver(folder, engine, events, log, journal)
                engine.poll = saver.poll
                stack.callback(saver.close)
            reason: StopReason = "failed"
            error: RunFailedError | None = None
            parts.callbacks.start(view)
            try:
                reason = self._loop(engine, executor, events, saver)
            except RunFailedError as failure:
                error = failure
            except KeyboardInterrupt:
                if saver is not None and engine.consistent:
                    saver.save_now()
                raise
            return self._finish(engine, events, saver, reason, error)

    def _observers(self) -> Sequence[Observer]:
        return [*self.observers, self.parts.callbacks] if self.parts.callbacks else self.observers

    def _loop(self, engine: Engine, executor: Executor, events: EventBus, saver: Saver | None) -> StopReason:
        if engine.reason() is not None:  # finished before: nothing to start workers for
            if len(engine.pending) <= self.parts.optimizer.lookahead:
                self.parts.optimizer.warm_up()
            return engine.run()
        is_new = self.resumed_from is None or self.branched
        if saver is not None and is_new and not saver.save_now():
            raise RunFailedError(f"the first checkpoint cannot be saved, nothing was evaluated yet: {saver.trouble}")
        notice = self.parts.optimizer.notice()
        if notice is not None:
            events.emit("alert", message=notice)
        self.parts.optimizer.warm_up()

        def hear(kind: str, fields: dict[str, Any]) -> None:
            if kind == "executor" and fields.get("state") == "head_lost" and saver is not None and engine.consistent:
                saver.save_now()  # first of all: Ray may end this process, and nobody can catch that
            events.emit(kind, **fields)

        executor.start(self.parts.optimizer.evaluator(), hear)
        return engine.run()

    def _take_plan(self, events: EventBus) -> None:
        """What was planned becomes part of the settings: with them the run can be had again."""
        take_plan(self.parts)
        if self.folder is not None:
            try:
                self.folder.write_settings(self.parts.settings.to_yaml())
            except UsageError as error:
                events.emit("alert", message=f"{error}; the run goes on")

    def _event_log(self, folder: RunFolder) -> EventLog:
        told = EventBus(self.observers)
        try:
            return EventLog(folder.events, lambda message: told.emit("alert", message=message))
        except OSError as error:
            raise UsageError(f"{folder.events}: cannot be written: {error.strerror or error}") from error

    def _executor(self) -> Executor:
        from evo.distributed import make_executor

        settings = self.parts.settings
        return make_executor(
            settings.workers,
            None if settings.cluster is None else settings.cluster.address,
            builtin=self.parts.problem.builtin_name is not None,
            wait=self.wait_for_workers,
            config=self.tolerance,
        )

    def _journaling(self, executor: Executor, folder: RunFolder, events: EventBus) -> JournalingExecutor:
        def warn(message: str) -> None:
            events.emit("alert", message=message)

        return JournalingExecutor(
            executor,
            Journal(folder.checkpoints, self.parts.progress.generation, warn=warn),
            kept=self.kept,
            identity=identity(self.parts),
            always=self.parts.settings.checkpoint.journal is True,
            copy=self.branched,
            warn=warn,
        )

    def _saver(
        self, folder: RunFolder, engine: Engine, events: EventBus, log: EventLog, journal: JournalingExecutor | None
    ) -> Saver:
        plan = self.parts.settings.checkpoint

        def mend() -> None:
            if folder.mend(self.parts.settings.to_yaml()):
                log.reopen()
                events.emit("alert", message=f"{folder.path}: parts of the folder were gone and have been made again")

        store = checkpoints.CheckpointStore(
            folder.checkpoints,
            plan.keep,
            every=plan.every,
            compress=plan.compression == "zstd",
            warn=lambda message: events.emit("alert", message=message),
        )
        return Saver(
            store,
            lambda finished: (engine.progress.generation, to_tree(self.parts, engine, finished)),
            events,
            interval=plan.interval,
            seconds=plan.seconds,
            generation=lambda: engine.progress.generation,
            prepare=mend,
            newest=None if self.branched or self.resumed_from is None else Path(self.resumed_from),
            interrupt=self.interrupt,
            journal=journal,
            copies=None if plan.directory is None else self._copies(plan.directory, events),
        )

    def _copies(self, url: str, events: EventBus) -> checkpoints.RemoteCopies:
        plan = self.parts.settings.checkpoint
        return checkpoints.RemoteCopies(
            url,
            plan.keep,
            every=plan.every,
            on_copied=lambda generation, url: events.emit("copied", generation=generation, path=url),
            on_error=lambda message: events.emit("alert", message=f"{message}; the run goes on"),
        )

    def _announce(self, engine: Engine, events: EventBus) -> None:
        parts = self.parts
        about = {
            "problem": registry.problem_label(parts.problem),
            "description": parts.problem.describe(),
            "optimizer": parts.optimizer.name,
            "seed": parts.settings.seed,
            "stop": parts.stop.to_mapping(),
            "workers": parts.settings.workers,
            "output": None if self.folder is None else str(self.folder.path),
            "best_known": parts.problem.best_known,
            "maximize": parts.problem.maximize,
            "directions": list(parts.problem.directions),
        }
        if self.resumed_from is None:
            events.emit("started", **about, settings=parts.settings.to_mapping())
            return
        kept = sum(len(record["rows"]) for record in self.kept)
        so_far = {**engine.standing(), "seconds": round(engine.elapsed(), 3)}
        code = code_files(parts.problem)
        events.emit("resumed", **about, **so_far, code=code, kept=kept, **{"from": self.resumed_from})
        if parts.changed:
            what = ", ".join(parts.changed)
            events.emit(
                "alert", message=f"the problem is not what it was ({what}); older objectives are kept as they are"
            )
        changed = versions.differences(parts.versions, versions.fingerprint())
        if changed:
            events.emit("alert", message=f"the result may differ from an uninterrupted run's: {'; '.join(changed)}")

    def _finish(
        self, engine: Engine, events: EventBus, saver: Saver | None, reason: StopReason, error: RunFailedError | None
    ) -> Result:
        """Save what there is, write the solution and the result, and tell."""
        progress, problem, folder = engine.progress, self.parts.problem, self.folder
        if reason == "interrupted":
            events.emit("interrupted", seconds=round(progress.seconds, 3), cause=self.interrupt.cause)
        if saver is not None:
            saver.save_last(None if reason in ("interrupted", "failed") else reason)
            saver.close()
        result = self._result(engine, reason)
        content = {**result.to_mapping(), **engine.executor.report()}
        if error is not None:
            content["error"] = str(error)
        if folder is not None:
            try:
                folder.mend(self.parts.settings.to_yaml())
                front = engine.front
                if progress.best is not None:
                    problem.write_solution(folder.path / problem.solution_file, progress.best)
                elif front is not None:
                    problem.write_front(folder.path / problem.solution_file, front)
                folder.write_result(content)
            except (OSError, CheckpointError) as failure:
                why = failure.strerror if isinstance(failure, OSError) else failure
                saved = "" if saver is None else f"; {saver.what_is_saved()}"
                error = error or RunFailedError(f"{folder.path}: the result cannot be written: {why}{saved}")
                content["error"] = str(error)
        events.emit("finished", **content, output=None if folder is None else str(folder.path))
        self.parts.callbacks.end(RunView(engine, problem), result)
        if error is not None:
            raise error
        return result

    def _result(self, engine: Engine, reason: StopReason) -> Result:
        parts, progress = self.parts, engine.progress
        best, found, front = progress.best, engine.front, None
        genome = None if best is None else best.arrays.get("genome")
        x = None if genome is None else parts.problem.space.point(genome)
        objective: Any = engine.user_objective()
        if found is not None:
            x = parts.problem.space.shaped(found.arrays["genome"])
            front, objective = ParetoFront(x, np.asarray(objective)), objective.tolist()
        return Result(
            x=x,
            objective=objective,
            feasible=bool(engine.standing()["feasible"]),
            solution=x if best is None else parts.problem.solution(best),
            generations=progress.generation,
            evaluations=progress.evaluations,
            evaluations_by=dict(progress.evaluated_by),
            seconds=progress.seconds,
            stop_reason=reason,
            seed=parts.settings.seed,
            quarantined=progress.quarantined,
            retries=progress.retries,
            digest=checkpoints.digest(parts.optimizer.state()),
            front=front,
            hypervolume=engine.hypervolume(),
            output=None if self.folder is None else self.folder.path,
        )
