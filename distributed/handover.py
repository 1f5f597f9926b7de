"""`HandoverExecutor`: evaluates here until Ray's workers are ready and worth it, and here again should they be lost.

Where a batch is evaluated never shows in its outcome, so it may change between any two batches. Ray takes 4-10 s and
~490 MB to start: a run whose generations are cheap never starts it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from evo.errors import ExecutorError, ProblemError

from .executor import Batch, ChunkResult, Delivered, Evaluator, Interrupted, Listener, Outcome, ignore
from .in_process import InProcessExecutor
from .known import KnownRows
from .ray_executor import RayExecutor

WORTH_SECONDS = 0.05
"""A batch with less work than this is not sent to workers: a round trip costs a few milliseconds."""
_DEAR_BATCHES = 2
"""So many batches in a row must have been worth it: the first one may have compiled something."""
_LOOK_SECONDS = 0.05
"""How often to look whether the workers are ready: that costs a millisecond."""


class HandoverExecutor:
    """See the module.

    Parameters
    ----------
    ray
        Not yet started.
    wait
        True: `start` waits for the workers, and every batch goes to them. That they cannot be started is an error.
    eager
        True: Ray is started at once, and takes over as soon as it is ready, whatever a batch's work is.
    falls_back
        True: when Ray is lost, or cannot be started though nobody waits for it, go on in this process, at once, and
        in the workers again if the cluster returns; False: `ExecutorError` where it does not.
    tolerant
        False: the first failure here ends the run too.
    """

    def __init__(
        self,
        ray: RayExecutor,
        *,
        wait: bool = False,
        eager: bool = False,
        falls_back: bool = True,
        tolerant: bool = True,
    ) -> None:
        self.name = InProcessExecutor.name
        self._here = InProcessExecutor(tolerant=tolerant)
        self._ray = ray
        self._wait = wait
        self._eager = eager
        self._falls_back = falls_back
        self._state = "off"
        """Ray's: off, starting, used, lost."""
        self._dear = 0
        self._looked = 0.0
        self._under_way: deque[Batch] = deque()
        self._known: dict[int, KnownRows] = {}
        """What was delivered of the batches under way, by generation: it outlives the workers."""
        self._sent: set[int] = set()
        """Batches, by generation, of which the workers have the rest."""

    def start(self, evaluator: Evaluator, listener: Listener, delivered: Delivered = ignore) -> None:
        self._evaluator = evaluator
        self._listener = listener
        self._delivered = delivered
        self._here.start(evaluator, listener, self._from_here)
        if self._wait:
            self._ray.start(evaluator, listener, self._from_ray)
            self._take_over()
        elif self._eager:
            self._begin()

    def submit(self, batch: Batch) -> None:
        self._under_way.append(batch)
        self._known[batch.generation] = KnownRows(batch, self._evaluator)
        if self._state == "used":
            self._send(batch)

    def _send(self, batch: Batch) -> None:
        rest = self._known[batch.generation].rest()
        if rest is not None:
            self._sent.add(batch.generation)
            self._ray.submit(rest)

    def collect(self, should_stop: Callable[[], bool]) -> Outcome:
        try:
            outcome = self._collect(should_stop)
        except BaseException:
            self._forget()
            raise
        generation = self._under_way.popleft().generation
        del self._known[generation]
        self._sent.discard(generation)
        return outcome

    def _forget(self) -> None:
        self._under_way.clear()
        self._known.clear()
        self._sent.clear()

    def _collect(self, should_stop: Callable[[], bool]) -> Outcome:
        def enough() -> bool:
            return should_stop() or self._is_away()

        self._look()
        known = self._known[self._under_way[0].generation]
        while True:
            if self._state != "used":
                outcome = self._collect_here(known, should_stop)
                if outcome is not None:
                    return outcome
            try:
                if known.batch.generation in self._sent:
                    return known.joined(self._ray.collect(enough))
                return known.joined(None)
            except Interrupted:
                if should_stop() or not self._is_away():
                    raise
                self._step_back()
            except ExecutorError as error:
                self._lose(error)

    def _is_away(self) -> bool:
        return self._falls_back and self._ray.is_away()

    def _step_back(self) -> None:
        """The cluster's head is lost, and may return: its workers take over again as soon as they are ready."""
        self._state = "starting"
        self.name = self._here.name
        self._sent.clear()
        self._listener("executor", {"name": self._here.name, "state": "ready", "workers": 1})

    def _collect_here(self, known: KnownRows, should_stop: Callable[[], bool]) -> Outcome | None:
        """What is left of a batch, evaluated here; None: the workers became ready meanwhile, and have the rest."""

        def enough() -> bool:
            if should_stop():
                return True
            self._look()
            return self._state == "used"

        rest = known.rest()
        if rest is None:  # all of it had come when the workers were lost
            return known.joined(None)
        self._here.submit(rest)
        try:
            outcome = known.joined(self._here.collect(enough))
        except Interrupted:
            if self._state != "used" or should_stop():
                raise
            return None
        self._dear = self._dear + 1 if outcome.work_seconds > WORTH_SECONDS else 0
        return outcome

    def _from_ray(self, generation: int, rows: Sequence[int], result: ChunkResult) -> None:
        self._take(generation, rows, result, self._ray.name)

    def _from_here(self, generation: int, rows: Sequence[int], result: ChunkResult) -> None:
        self._take(generation, rows, result, self._here.name)

    def _take(self, generation: int, rows: Sequence[int], result: ChunkResult, where: str) -> None:
        known = self._known[generation]
        positions, found = known.outward(rows, result)
        known.add(positions, found, where)
        self._delivered(generation, positions, found)

    def workers_alive(self) -> int:
        return self._ray.workers_alive() if self._state == "used" else self._here.workers_alive()

    def settled(self) -> bool:
        if self._state == "off":  # whether the workers are worth their start is not known before
            return self._dear < _DEAR_BATCHES
        return self._ray.settled() if self._state == "used" else self._state != "starting"

    def report(self) -> dict[str, Any]:
        return self._ray.report()

    def close(self) -> None:
        self._forget()
        try:
            self._ray.close()
        finally:
            self._here.close()

    def _look(self) -> None:
        """Start Ray when it is worth it, and take over when it is ready."""
        if self._state == "off" and self._dear >= _DEAR_BATCHES:
            self._begin()
        if self._state != "starting":
            return
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        try:
            if self._ray.advance():
                self._take_over()
        except (ExecutorError, ProblemError) as error:
            self._lose(error)

    def _begin(self) -> None:
        self._state = "starting"
        self._looked = monotonic()
        try:
            self._ray.begin(self._evaluator, self._listener, self._from_ray)
        except (ExecutorError, ProblemError) as error:
            self._lose(error)

    def _take_over(self) -> None:
        self._state = "used"
        self.name = self._ray.name
        for batch in self._under_way:
            self._send(batch)

    def _lose(self, error: ExecutorError | ProblemError) -> None:
        """Ray is no more. Go on here, or raise."""
        self._state = "lost"
        self.name = self._here.name
        self._sent.clear()
        self._listener("executor", {"name": self._ray.name, "state": "lost", "workers": 0, "error": str(error)})
        self._ray.close()
        if not self._falls_back:
            raise error
        self._listener("executor", {"name": self._here.name, "state": "ready", "workers": 1})
