"""`Status`: the events so far, folded into what a display wants to know at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from evo.events import Event

from . import text

SHOWN_TROUBLES = 4
TROUBLE_SECONDS = 60.0
"""A trouble is shown for so long; `events.jsonl` keeps it."""


class Status:
    """Where the run stands.

    One thread updates it, others may read it meanwhile: every field is replaced as a whole, never changed in place.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.run: Mapping[str, Any] = {}
        """The fields of `started` or `resumed`."""
        self.generation = 0
        self.evaluations = 0
        self.objective: Any = None
        self.front: int | None = None
        """With several objectives, the points of the front."""
        self.hypervolume: float | None = None
        self.feasible = True
        self.gap: float | None = None
        self.best_generation: int | None = None
        self.evaluations_per_second: float | None = None
        self.workers: int | None = None
        self.checkpoint: tuple[int, float] | None = None
        """Generation of the last checkpoint, and when it was saved by this clock."""
        self._troubles: tuple[tuple[float, str], ...] = ()
        self.retries = 0
        self.quarantined = 0
        self.finished: Mapping[str, Any] | None = None
        self._ready = ""
        self._coming = ""
        self._seconds = 0.0
        self._seconds_at: float | None = None
        self._origin: tuple[int, int, float] | None = None
        """Generations, evaluations and seconds when this part of the run began: rates are those of this part."""

    def update(self, event: Event) -> None:
        """Take in one event; kinds that are not known say nothing."""
        kind = event["event"]
        if kind == "started":
            self.run = dict(event)
        elif kind == "resumed":
            self.run = dict(event)
            self.generation = int(event["generation"])
            self._seconds = float(event.get("seconds", 0.0))
            self._best(event)
        elif kind == "executor":
            if event.get("state") == "ready":
                self._ready, self._coming = text.executor(event), ""
                self.workers = int(event["workers"])
            else:
                self._coming = "" if event.get("state") == "lost" else text.executor(event)
        elif kind == "generation":
            self._take_generation(event)
        elif kind == "improved":
            self._best(event)
            self.best_generation = int(event["generation"])
            self.generation = max(self.generation, self.best_generation)
        elif kind == "checkpoint":
            self.checkpoint = (int(event["generation"]), self._clock())
        elif kind == "retry":
            self.retries += 1
        elif kind == "quarantined":
            self.quarantined += 1
        elif kind == "finished":
            self.finished = dict(event)
            self._seconds_at = None
        line = text.trouble(event)
        if line:
            self._troubles = (*self._troubles, (self._clock(), line))[-SHOWN_TROUBLES:]

    def _take_generation(self, event: Event) -> None:
        self.generation = int(event["generation"])
        self.evaluations = int(event.get("evaluations", self.evaluations))
        self._seconds, self._seconds_at = float(event.get("seconds", self._seconds)), self._clock()
        if self._origin is None:
            self._origin = (self.generation, self.evaluations, self._seconds)
        self._best(event)
        if event.get("evaluations_per_second"):  # 0 where the last event is told twice
            self.evaluations_per_second = float(event["evaluations_per_second"])
        if event.get("workers") is not None:
            self.workers = int(event["workers"])

    def _best(self, event: Event) -> None:
        self.objective = event.get("objective", self.objective)
        self.front = event.get("front", self.front)
        self.hypervolume = event.get("hypervolume", self.hypervolume)
        self.feasible = bool(event.get("feasible", self.feasible))
        self.gap = event.get("gap", self.gap)

    @property
    def anything(self) -> bool:
        """Whether there is a solution yet."""
        return self.objective is not None or bool(self.front)

    def best(self) -> tuple[str, str]:
        """What is shown of the best so far: a name, and its objective or the front in words."""
        if self.front is None:
            return "best", text.number(self.objective)
        words = text.plural(self.front, "point")
        if self.hypervolume is not None:
            words += f", hypervolume {text.number(self.hypervolume)}"
        return "front", words

    @property
    def troubles(self) -> list[str]:
        """The last few lines of trouble that are not old."""
        return [line for since, line in self._troubles if self._clock() - since < TROUBLE_SECONDS]

    @property
    def preparing(self) -> str:
        """What is awaited before the first evaluation, in words."""
        return self._coming or "preparing"

    @property
    def place(self) -> str:
        """Where evaluations are carried out, and where they soon may be, in words."""
        return ", ".join(words for words in (self._ready, self._coming) if words)

    @property
    def problem(self) -> str:
        """The problem in one line."""
        line = str(self.run.get("description") or self.run.get("problem") or "")
        return ", ".join([line, *(f"code from {file}" for file in self.run.get("code") or ())])

    @property
    def started(self) -> bool:
        """Whether anything was evaluated in this part of the run."""
        return self._origin is not None

    @property
    def stop(self) -> Mapping[str, Any]:
        """The limits of the run that are set."""
        return {name: limit for name, limit in (self.run.get("stop") or {}).items() if limit is not None}

    def elapsed(self) -> float:
        """Seconds of optimisation, up to this moment."""
        return self._seconds if self._seconds_at is None else self._seconds + self._clock() - self._seconds_at

    def part_done(self) -> float | None:
        """How much of the budget is used, 0 to 1, by the limit that is nearest; None where no limit tells."""
        used = {"time": self.elapsed(), "generations": self.generation, "evaluations": self.evaluations}
        parts = [used[name] / limit for name, limit in self.stop.items() if name in used]
        return min(1.0, max(parts)) if parts else None

    def time_left(self) -> float | None:
        """Seconds until the first of the limits on time, generations and evaluations; None where it cannot be told."""
        left = []
        stop, elapsed = self.stop, self.elapsed()
        if "time" in stop:
            left.append(stop["time"] - elapsed)
        if self._origin is not None:
            generation, evaluations, seconds = self._origin
            spent = self._seconds - seconds
            for name, done, before in (
                ("generations", self.generation, generation),
                ("evaluations", self.evaluations, evaluations),
            ):
                if name in stop and done > before and spent > 0:
                    per_unit = spent / (done - before)
                    left.append((stop[name] - done) * per_unit - (elapsed - self._seconds))
        return max(0.0, min(left)) if left else None

    def checkpoint_age(self) -> float | None:
        """Seconds since the last checkpoint."""
        return None if self.checkpoint is None else self._clock() - self.checkpoint[1]
