"""The loop: ask, evaluate, tell, in the order asked; and what the loop has to remember between two parts of a run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evo.distributed.executor import Batch, Executor, Interrupted, Outcome
from evo.errors import CheckpointError, RunFailedError
from evo.events import EventBus
from evo.indicators import hypervolume
from evo.interrupt import Interrupt
from evo.optimizers.base import Best, Candidates, Front, Optimizer, Results
from evo.stopping import TOLERANCE_WINDOW, Stop, StopReason

MAX_QUARANTINED_SHARE = 0.9
"""A run in which more of the individuals than this cannot be evaluated is broken, not unlucky."""
QUARANTINE_DETAILS = 1000
"""So many quarantined individuals are remembered with their errors; all are counted."""
METRICS_SECONDS = 10.0
"""A `generation` event carries the executor's metrics when so long has passed since the last one that did."""
PLAN_GENERATIONS = 3
"""A run that is limited by time measures its speed over so many generations …"""
PLAN_LATEST = 0.25
"""… as soon as all workers are there, at the latest after this share of its time."""
EVENT_SECONDS = 0.1
"""`generation` events come no closer together than this, so that a fast loop is not spent on telling of itself."""


_NEWER = ("hypervolume", "f_anchor", "f_since", "x_anchor", "x_since")
"""Fields of `Progress` that the first checkpoints do not have."""


@dataclass(slots=True)
class Progress:
    """How far a run is. All is pure down to the quarantine list; seconds, places and retries are accounting."""

    generation: int = 0
    """Generations committed."""
    evaluations: int = 0
    stall: int = 0
    """Generations since the best improved."""
    best: Best | None = None
    """None with several objectives: the optimizer has a front."""
    hypervolume: float | None = None
    """With several objectives and a reference point: the largest hypervolume of a feasible front so far."""
    f_anchor: float | None = None
    """With `Stop.f_tolerance`: the best objective when it last got better by more than that, minimised …"""
    f_since: int = 0
    """… and the generation of that."""
    x_anchor: np.ndarray | None = None
    """With `Stop.x_tolerance`: the best point when it last moved by more than that …"""
    x_since: int = 0
    """… and the generation of that."""
    quarantined: int = 0
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    """Seconds of optimisation over all parts of the run."""
    evaluated_by: dict[str, int] = field(default_factory=dict)
    retries: int = 0

    def to_tree(self) -> dict[str, Any]:
        """Plain data and arrays, for a checkpoint."""
        best = self.best
        return {
            "generation": self.generation,
            "evaluations": self.evaluations,
            "stall": self.stall,
            "best": None
            if best is None
            else {"objective": best.objective, "violation": best.violation, "arrays": dict(best.arrays)},
            "hypervolume": self.hypervolume,
            "f_anchor": self.f_anchor,
            "f_since": self.f_since,
            "x_anchor": self.x_anchor,
            "x_since": self.x_since,
            "quarantined": self.quarantined,
            "quarantine": [dict(entry) for entry in self.quarantine],
            "seconds": self.seconds,
            "evaluated_by": dict(self.evaluated_by),
            "retries": self.retries,
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Progress:
        """The inverse of `to_tree`. Raises `CheckpointError`."""
        try:
            fields = {name: tree[name] for name in cls.__slots__ if name in tree or name not in _NEWER}
            best = fields["best"]
            fields["best"] = None if best is None else Best(best["objective"], best["violation"], best["arrays"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"run: expected the progress of a run, found no usable {error}") from error


class Engine:
    """One run's loop over an optimizer and an executor.

    The state after generation g is a pure function of problem, settings, seed and g; `progress`, the optimizer's state
    and `pending` are all that a checkpoint needs.

    Parameters
    ----------
    checkpoint
        Called after every generation; decides by itself whether a save is due.
    callback
        Called after every generation with the engine; True stops the run.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        executor: Executor,
        stop: Stop,
        *,
        events: EventBus | None = None,
        progress: Progress | None = None,
        pending: list[Candidates] | None = None,
        signs: tuple[float, ...] = (1.0,),
        reference: Sequence[float] | None = None,
        best_known: float | None = None,
        interrupt: Interrupt | None = None,
        checkpoint: Callable[[], None] = lambda: None,
        callback: Callable[[Engine], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.optimizer = optimizer
        self.executor = executor
        self.stop = stop
        self.events = events or EventBus()
        self.progress = progress or Progress()
        self.pending: deque[Candidates] = deque(pending or [])
        self.best_known = best_known
        self._signs = signs
        self._reference = None if reference is None else np.multiply(reference, signs)
        self._interrupt = interrupt or Interrupt()
        self.checkpoint = checkpoint
        self.poll: Callable[[], None] = lambda: None
        """Called again and again while a generation is evaluated; the state is then that of the last whole one."""
        self.consistent = True
        """False while a generation is being taken in: what is in memory then is no generation's state."""
        self.point_of: Callable[[np.ndarray], Any] = lambda genome: genome
        """A genome as the user's code sees it."""
        self.planned: Callable[[], None] = lambda: None
        """Called when the optimizer was told how many generations the run is to have."""
        self._pace_from: tuple[int, float] | None = None
        self.hooks: Callable[[bool], bool] = lambda improved: False
        """Called after every generation, before it is saved: whether it has a new best. True ends the run."""
        self.latest: tuple[Candidates, Results] | None = None
        """The generation told last."""
        self._callback = callback
        self._clock = clock
        self._submitted = 0
        self._before = self.progress.seconds
        self._started: float | None = None
        self._last_event = -np.inf
        self._last_metrics = self._clock()
        self._last_event_evaluations = self.progress.evaluations
        self._cut: StopReason | None = None

    # What is told to the outside, in the user's sense ------------------------------------------------------------

    def user_objective(self) -> float | np.ndarray | None:
        """The best objective so far as the user counts it; with k > 1 objectives those of the front, (m, k)."""
        if len(self._signs) > 1:
            front = self.front
            return None if front is None else front.objective * np.array(self._signs)
        best = self.progress.best
        return None if best is None else self._signs[0] * best.objective

    @property
    def front(self) -> Front | None:
        """With several objectives: the optimizer's front after the last whole generation."""
        return self.optimizer.front

    def hypervolume(self) -> float | None:
        """Of the front as it is now; None where nothing is feasible or no reference point is known."""
        front = None if self._reference is None else self.front
        if front is None or self._reference is None or not front.feasible:
            return None
        return hypervolume(front.objective, self._reference)

    def standing(self) -> dict[str, Any]:
        """How good what was found is, as events tell it: the best objective, or the front in short."""
        if len(self._signs) > 1:
            front = self.front
            return {
                "front": 0 if front is None else len(front),
                "hypervolume": self.hypervolume(),
                "feasible": front is not None and front.feasible,
            }
        best = self.progress.best
        return {
            "objective": self.user_objective(),
            "feasible": best is not None and best.feasible,
            "gap": self.gap(),
        }

    def gap(self) -> float | None:
        """Per cent above the best known objective (below it, where larger is better); None where none is known."""
        best, sign = self.progress.best, self._signs[0]
        if best is None or not self.best_known:
            return None
        return 100.0 * sign * (sign * best.objective - self.best_known) / abs(self.best_known)

    def elapsed(self) -> float:
        """Seconds of optimisation over all parts of the run."""
        return self._before if self._started is None else self._before + self._clock() - self._started

    # The loop ---------------------------------------------------------------------------------------------------

    def run(self) -> StopReason:
        """Go on until a limit holds.

        Raises
        ------
        RunFailedError
            Where the evaluations cannot go on. `progress` and the optimizer are those of the last whole generation.
        """
        self._started = self._clock()
        try:
            while True:
                reason = self.reason()
                # Asked before it is known whether to go on: the state after a generation is then the same whether the
                # run stops there, is interrupted in the next one, or goes on.
                self._ask()
                if reason is not None:
                    return reason
                self._submit()
                try:
                    outcome = self.executor.collect(self._should_stop)
                except Interrupted:
                    return self._cut or "interrupted"
                self.consistent = False
                improved = self._commit(outcome)
                self.consistent = True
                self._plan()
                ended = self.hooks(improved)
                self.checkpoint()
                if (self._callback is not None and self._callback(self)) or ended:
                    self._ask()
                    return "callback"
        finally:
            self.progress.seconds = self.elapsed()
            self._started = None
            self._before = self.progress.seconds
            self._emit_generation(force=True)

    def reason(self) -> StopReason | None:
        """The limit that holds now, if any."""
        stop, progress = self.stop, self.progress
        if self._interrupt.requested:
            return "interrupted"
        if self._target_reached():
            return "target"
        if stop.generations is not None and progress.generation >= stop.generations:
            return "generations"
        if stop.evaluations is not None and progress.evaluations >= stop.evaluations:
            return "evaluations"
        if stop.stall is not None and progress.stall >= stop.stall:
            return "stall"
        if self._is_settled():
            return "tolerance"
        if self._time_is_up():
            return "time"
        return None

    def _target_reached(self) -> bool:
        progress, target = self.progress, self.stop.target
        if target is None:
            return False
        if len(self._signs) > 1:
            return progress.hypervolume is not None and progress.hypervolume >= target
        best = progress.best
        return best is not None and best.feasible and best.objective <= self._signs[0] * target

    def _is_settled(self) -> bool:
        """Whether the best has stood still, within a tolerance, for the whole window."""
        stop, progress = self.stop, self.progress
        window = stop.window or TOLERANCE_WINDOW
        return (
            stop.f_tolerance is not None
            and progress.f_anchor is not None
            and progress.generation - progress.f_since >= window
        ) or (
            stop.x_tolerance is not None
            and progress.x_anchor is not None
            and progress.generation - progress.x_since >= window
        )

    def _time_is_up(self) -> bool:
        # The first generation is always finished: a run that was given any time at all has something to show.
        return self.stop.time is not None and self.progress.generation > 0 and self.elapsed() >= self.stop.time

    def _should_stop(self) -> bool:
        self.poll()
        if self._interrupt.requested:
            self._cut = "interrupted"
        elif self._time_is_up():
            self._cut = "time"
        return self._cut is not None

    def _ask(self) -> None:
        """Ask up to `lookahead` generations ahead, by a rule that no limit but that of the evaluations touches."""
        stop, progress = self.stop, self.progress
        self.consistent = False
        while len(self.pending) <= self.optimizer.lookahead:
            remaining = None
            if stop.evaluations is not None:
                remaining = stop.evaluations - progress.evaluations - sum(len(c) for c in self.pending)
                if remaining <= 0:
                    break
            candidates = self.optimizer.ask(remaining)
            candidates.rows["row"] = np.arange(len(candidates))
            self.pending.append(candidates)
        self.consistent = True

    def _submit(self) -> None:
        """Hand over what was asked for, as far as the run is to go."""
        stop, progress = self.stop, self.progress
        while self._submitted < len(self.pending):
            generation = progress.generation + self._submitted
            if stop.generations is not None and generation >= stop.generations:
                break
            candidates = self.pending[self._submitted]
            self.executor.submit(Batch(generation, candidates.rows, candidates.context))
            self._submitted += 1

    def _commit(self, outcome: Outcome) -> bool:
        """Take a generation in; whether it has a new best."""
        progress = self.progress
        if outcome.failures:
            self._quarantine(outcome, len(self.pending[0]))
        candidates = self.pending.popleft()
        self._submitted -= 1
        quarantined = np.zeros(len(candidates), dtype=np.bool_)
        for failure in outcome.failures:
            quarantined[failure.row] = True
        results = Results(outcome.arrays, quarantined)
        self.optimizer.tell(candidates, results)
        self.latest = candidates, results
        progress.generation += 1
        progress.evaluations += len(candidates)
        progress.retries += outcome.retries
        for where, count in outcome.evaluated_by.items():
            progress.evaluated_by[where] = progress.evaluated_by.get(where, 0) + count
        progress.stall += 1
        improved = self._take_best() if len(self._signs) == 1 else self._take_hypervolume()
        if improved:
            progress.stall = 0
        self._move_anchors()
        if self.events:
            self.events.generation = progress.generation
            if improved:
                self.events.emit("improved", **self.standing())
            self._emit_generation(force=False)
        return improved

    def _plan(self) -> None:
        """Tell the optimizer, once, how many generations there will be where only a time says when to stop."""
        limit = self.stop.time
        if limit is None or self.stop.generations is not None or not self.optimizer.wants_horizon:
            return
        generation, now = self.progress.generation, self.elapsed()
        if self._pace_from is None or (not self.executor.settled() and now < PLAN_LATEST * limit):
            self._pace_from = (generation, now)
        since, then = self._pace_from
        if generation - since < PLAN_GENERATIONS:
            return
        pace = max((now - then) / (generation - since), 1e-9)
        total = generation + max(int((limit - now) / pace), 1)
        self.optimizer.plan(total)
        self.planned()
        self.events.emit("planned", generations=total)

    def _take_best(self) -> bool:
        """Whether the optimizer has found a better one."""
        best = self.optimizer.best
        if best is None or not best.better_than(self.progress.best):
            return False
        self.progress.best = Best(best.objective, best.violation, {k: v.copy() for k, v in best.arrays.items()})
        return True

    def _move_anchors(self) -> None:
        """Note where the best was when it last changed by more than a tolerance; the first feasible one counts."""
        stop, progress, best = self.stop, self.progress, self.progress.best
        value = None if progress.hypervolume is None else -progress.hypervolume
        if len(self._signs) == 1:
            value = best.objective if best is not None and best.feasible else None
        if value is None:
            return
        if stop.f_tolerance is not None and (progress.f_anchor is None or progress.f_anchor - value > stop.f_tolerance):
            progress.f_anchor, progress.f_since = value, progress.generation
        if stop.x_tolerance is not None and best is not None:
            point = np.asarray(self.point_of(best.arrays["genome"]), dtype=np.float64)
            if progress.x_anchor is None or np.abs(point - progress.x_anchor).max() > stop.x_tolerance:
                progress.x_anchor, progress.x_since = point, progress.generation

    def _take_hypervolume(self) -> bool:
        """Whether the front covers more than any before; never where no reference point is known."""
        volume = self.hypervolume()
        if volume is None or (self.progress.hypervolume is not None and volume <= self.progress.hypervolume):
            return False
        self.progress.hypervolume = volume
        return True

    def _quarantine(self, outcome: Outcome, count: int) -> None:
        """Remember the rows that were given up; refuse a generation that shows the whole run to be broken."""
        progress = self.progress
        for failure in outcome.failures:
            self.events.emit(
                "quarantined",
                row=failure.row,
                kind=failure.kind,
                error=failure.error,
                traceback=failure.traceback,
            )
        failed, everything = progress.quarantined + len(outcome.failures), progress.evaluations + count
        if failed > MAX_QUARANTINED_SHARE * everything:
            first = outcome.failures[0]
            raise RunFailedError(
                f"{failed} of {everything} evaluations failed; the first of generation {progress.generation}, "
                f"row {first.row}: {first.error}"
            )
        progress.quarantined = failed
        for failure in outcome.failures[: QUARANTINE_DETAILS - len(progress.quarantine)]:
            progress.quarantine.append(
                {"generation": progress.generation, "row": failure.row, "kind": failure.kind, "error": failure.error}
            )

    def _emit_generation(self, force: bool) -> None:
        if not self.events:
            return
        now, progress = self._clock(), self.progress
        if not force and now - self._last_event < EVENT_SECONDS:
            return
        done = progress.evaluations - self._last_event_evaluations
        rate = done / (now - self._last_event) if np.isfinite(self._last_event) and now > self._last_event else None
        self._last_event, self._last_event_evaluations = now, progress.evaluations
        self.events.generation = progress.generation
        more: dict[str, Any] = {}
        if now - self._last_metrics >= METRICS_SECONDS:
            self._last_metrics = now
            report = self.executor.report()
            more = {"metrics": report["metrics"]} if report else {}
        self.events.emit(
            "generation",
            evaluations=progress.evaluations,
            **self.standing(),
            seconds=round(self.elapsed(), 3),
            evaluations_per_second=rate,
            workers=self.executor.workers_alive(),
            stall=progress.stall,
            summary=self.optimizer.summary(),
            **more,
        )
