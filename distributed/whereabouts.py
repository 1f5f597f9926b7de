"""`Whereabouts`: which rows a worker is at, or was at when it was lost, and whether it takes too long over them."""

from __future__ import annotations

from . import out_of_memory
from .beacon import Position
from .failures import FailureType
from .fault_tolerance import FaultToleranceManager
from .nodes import Nodes
from .schedule import Call, Schedule
from .slots import Slot

UNMEASURED_IDLE_SECONDS = 60.0
"""A worker that has used no processor time for so long is taken to hang, while nothing is known of a chunk's cost."""


class Whereabouts:
    """See the module. Times are seconds of the manager's clock.

    Parameters
    ----------
    nodes
        Whose monitors are asked about workers on other machines.
    """

    def __init__(self, manager: FaultToleranceManager, schedule: Schedule, nodes: Nodes) -> None:
        self._manager = manager
        self._config = manager.config
        self._schedule = schedule
        self._nodes = nodes
        self._kills = out_of_memory.kills()

    def too_late(self, slot: Slot, call: Call, now: float, *, overdue: bool) -> str:
        """Why the slot's worker must be taken to hang in its call; empty while it may go on.

        `overdue`: the call is beyond its deadline. That says nothing against a worker whose rows are known to take
        long, yet each no longer than the user allows.
        """
        timeout = self._config.evaluation_timeout
        if timeout is not None and call.since is not None and now - call.since > timeout:
            place = self.position(slot, call, now)
            if place is not None and self.overruns(place) and slot.beacon is None:  # some seconds old: look again
                place = self.last_words(slot, call, FailureType.TASK_TIMEOUT, now)[0]
            if place is not None:
                return f"beyond evaluation_timeout = {timeout:g} s" if self.overruns(place) else ""
        if overdue:
            return "beyond its deadline"
        if timeout is None and (idle := self._idle_unmeasured(slot, call, now)):
            return f"no processor time used for {idle:.0f} s"
        return ""

    def overruns(self, place: Position) -> bool:
        """Whether the rows that a worker is at take longer than `evaluation_timeout` allows.

        Of rows that are evaluated together one may use it up: the others are expected to take what rows took so far.
        """
        config, rows = self._config, place.count
        if config.evaluation_timeout is None:
            return False
        limit, expected = config.evaluation_timeout * rows, self._schedule.cost.expected(rows)
        if rows > 1 and expected is not None:
            measured = max(config.deadline_floor, config.deadline_factor * expected)
            limit = min(limit, measured + config.evaluation_timeout)
        return place.seconds > limit

    def position(self, slot: Slot, call: Call, now: float) -> Position | None:
        """The rows that the slot's worker is at, if that is known and they are this call's."""
        if slot.beacon is not None:
            return _of(call, slot.beacon.read())
        return _of(call, self._nodes.position(slot.node, slot.id, now))

    def last_words(self, slot: Slot, call: Call, kind: FailureType, now: float) -> tuple[Position | None, bool]:
        """Which rows of its call the worker is known to have been at, and whether it was ended for want of memory.

        `kind` is what became of it. May wait 0.3 s for the monitor of another machine.
        """
        place, starved = self.position(slot, call, now), False
        if kind in (FailureType.NODE_LOST, FailureType.HEAD_LOST):
            return place, False
        if slot.beacon is not None:
            kills, self._kills = self._kills, out_of_memory.kills()
            starved = self._kills > kills
        elif slot.watched is not None:
            found, starved = self._nodes.last_words(slot.node, slot.id, slot.watched, now)
            place = _of(call, found)
        return place, starved

    def _idle_unmeasured(self, slot: Slot, call: Call, now: float) -> float:
        """Seconds for which the worker has done nothing, where that is too long and no cost is known; else 0."""
        if self._schedule.cost.seconds_per_row is not None or call.since is None:
            return 0.0
        idle = min(now - call.since, self._nodes.idle_seconds(slot.node, slot.id))
        patience = self._manager.deadline(call.chunk, 0.0) / self._config.deadline_floor
        return idle if idle > patience * UNMEASURED_IDLE_SECONDS else 0.0


def _of(call: Call, place: Position | None) -> Position | None:
    return place if place is not None and place.call == call.number and place.count > 0 else None
