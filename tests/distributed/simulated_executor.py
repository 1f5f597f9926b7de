"""An executor made of a clock and dice: it keeps to the loop that `evo.distributed.decisions` prescribes, no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evo.distributed.decisions import Action, Chunk, Decision
from evo.distributed.failures import DETERMINISTIC, ENDS_WORKER, FailureType
from evo.distributed.fault_tolerance import FaultToleranceManager


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Simulation:
    """Evaluates one batch; every chunk takes one second.

    Parameters
    ----------
    poison
        What each poisonous row does to a chunk that holds it.
    names_the_row
        Whether the worker published the row that it was on.
    fault
        ``fault(step, slot)``: what happens to the slot's worker in this second, by no fault of its chunk.
    """

    def __init__(
        self,
        manager: FaultToleranceManager,
        clock: Clock,
        *,
        size: int,
        block: int,
        chunk: int,
        poison: Mapping[int, FailureType],
        names_the_row: bool,
        fault: Callable[[int, str], FailureType | None] = lambda step, slot: None,
    ) -> None:
        self.manager, self.clock = manager, clock
        self.size, self.block = size, block
        self.poison, self.names_the_row, self.fault = poison, names_the_row, fault
        self.queue = [Chunk(0, tuple(range(at, min(at + chunk, size)))) for at in range(0, size, chunk)]
        self.running: dict[str, Chunk] = {}
        self.filled: dict[int, str] = {}
        self.gave_up = ""
        self.steps = 0

    def run(self, limit: int = 5000) -> None:
        manager = self.manager
        manager.batch_started(0, self.size, self.block)
        while len(self.filled) < self.size and not self.gave_up:
            self.steps += 1
            assert self.steps < limit, (self.queue, self.running, manager.snapshot())
            self._dispatch()
            self.clock.now += 1.0
            for slot, chunk in sorted(self.running.items()):
                self._end(slot, chunk)
            for slot in manager.due_restarts():
                manager.worker_starting(slot)
                manager.worker_started(slot)
            self.gave_up = self.gave_up or manager.hopeless
        manager.batch_finished(0)

    def _dispatch(self) -> None:
        for chunk in list(self.queue):
            idle = [w.id for w in self.manager.registry.alive() if w.id not in self.running]
            slot = self.manager.place(chunk, idle)
            if slot is not None:
                self.queue.remove(chunk)
                self.running[slot] = chunk
                self.manager.chunk_started(chunk, slot)

    def _end(self, slot: str, chunk: Chunk) -> None:
        del self.running[slot]
        manager, guilty = self.manager, [row for row in chunk.active if row in self.poison]
        fault = self.fault(self.steps, slot)
        if guilty or fault:
            kind = self.poison[guilty[0]] if guilty else fault
            assert kind is not None
            suspects = guilty[:1] if guilty and self.names_the_row else []
            decision = manager.chunk_failed(
                chunk, kind, slot=slot, error="broken", suspects=suspects, worker_ended=kind in ENDS_WORKER
            )
        else:
            if not chunk.probe:
                for row in chunk.active:
                    assert row not in self.filled, f"row {row} has a result already: {self.filled[row]}"
                    self.filled[row] = "result"
            decision = manager.chunk_delivered(chunk, slot, seconds=1.0)
        self._follow(decision)

    def _follow(self, decision: Decision) -> None:
        if decision.action is Action.GIVE_UP:
            self.gave_up = decision.reason
        for failure in decision.quarantined:
            assert failure.row not in self.filled
            self.filled[failure.row] = "quarantined"
        self.queue = [*decision.parts, *self.queue]

    @property
    def quarantined(self) -> set[int]:
        return {row for row, what in self.filled.items() if what == "quarantined"}


def manager_with(
    slots: int, nodes: int = 1, clock: Clock | None = None, **settings: Any
) -> tuple[FaultToleranceManager, Clock, list[tuple[str, dict[str, Any]]]]:
    """A manager whose slots s0, s1, … sit on nodes n0, n1, … in turn, its clock, and what it tells."""
    clock = clock or Clock()
    told: list[tuple[str, dict[str, Any]]] = []
    manager = FaultToleranceManager(settings, clock=clock, listener=lambda kind, fields: told.append((kind, fields)))
    for index in range(slots):
        manager.slot_added(f"s{index}", f"n{index % nodes}")
        manager.worker_started(f"s{index}", pid=index)
    return manager, clock, told


CONDEMNING = sorted({FailureType.WORKER_CRASH, FailureType.TASK_TIMEOUT, FailureType.OUT_OF_MEMORY, *DETERMINISTIC})
