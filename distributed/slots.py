"""`Slots`: the life of the workers. A slot is a seat on a node for one actor after another.

Ray's own restarts are off: it would not say which worker failed. When a seat is taken again is the
`FaultToleranceManager`'s business.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from evo.errors import ExecutorError

from . import ray_worker, shipping
from .resources import ONE_CORE, Resources


@dataclass(eq=False, slots=True)
class Slot:
    """A seat for one worker. Times are seconds of the caller's clock."""

    id: str
    node: str
    actor: Any = None
    starting: Any = None
    """The reference that is fulfilled when the actor is ready; None once it is."""
    started: float = 0.0
    process: psutil.Process | None = None
    """The worker's process where it runs on this machine."""

    @property
    def ready(self) -> bool:
        """Whether it can be given calls."""
        return self.actor is not None and self.starting is None


class Slots:
    """Makes, watches and ends the actors of a number of slots.

    Parameters
    ----------
    ray
        The module, connected.
    payload
        The pickled evaluator, put into Ray's store once.
    count
        How many slots; None: as many as the cluster has room for.
    resources
        What each worker takes.
    shared
        Handed to every evaluator's `share`, put into Ray's store once: its arrays are mapped, not copied, and
        read-only. None: nothing.
    tolerant
        False: a chunk ends at its first failure.
    """

    def __init__(
        self,
        ray: Any,
        payload: bytes,
        count: int | None,
        resources: Resources = ONE_CORE,
        shared: Any = None,
        *,
        tolerant: bool = True,
    ) -> None:
        self._ray = ray
        self._payload = ray.put(payload)
        with shipping.by_value(shipping.user_modules() if shared is not None else [], ray.cloudpickle):
            self._shared = None if shared is None else ray.put(shared)
        self._resources = resources
        self._tolerant = tolerant
        self._home = ray_worker.home()
        self._actors = ray.remote(ray_worker.RayWorker)
        self._pinned = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        seats = _seats({n["NodeID"]: resources.room(n["Resources"]) for n in ray.nodes() if n["Alive"]}, count)
        if not seats:
            raise ExecutorError(f"no node of the Ray cluster has room for a worker ({resources})")
        self.by_id = {slot.id: slot for slot in (Slot(f"worker-{i}", node) for i, node in enumerate(seats))}

    def start(self, slot: Slot, now: float) -> None:
        """Make the slot's actor; its `starting` reference tells when it is ready."""
        with shipping.by_value([ray_worker], self._ray.cloudpickle):
            slot.actor = self._actors.options(
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy=self._pinned(slot.node, soft=False),
                **self._resources.options(),
            ).remote(self._home)
        slot.starting = slot.actor.start.remote(self._payload, self._shared, self._tolerant)
        slot.started = now

    def is_ready(self, slot: Slot) -> dict[str, str]:
        """The slot's `starting` reference is fulfilled: what it is made of, by name and version.

        Raises
        ------
        RayError
            The worker is gone.
        ExecutorError
            The evaluator cannot be loaded there, and so nowhere.
        """
        try:
            place = self._ray.get(slot.starting)
        except self._ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            raise ExecutorError(f"a worker cannot start: {type(cause).__name__}: {cause}") from error
        slot.starting = None
        slot.process = _local(place["pid"], place["born"])
        return dict(place["versions"])

    def end(self, slot: Slot) -> None:
        """The slot's actor is gone or must go: end it for certain."""
        if slot.actor is None:
            return
        with suppress(Exception):  # a dead actor's handle, a lost connection: nothing may stop the one that cleans up
            self._ray.kill(slot.actor, no_restart=True)
        if slot.process is not None:
            with suppress(psutil.Error):
                slot.process.kill()  # a stopped process does not hear Ray
        slot.actor = slot.starting = slot.process = None

    def alive(self) -> int:
        """How many are ready."""
        return sum(slot.ready for slot in self.by_id.values())

    def close(self) -> None:
        """End all."""
        for slot in self.by_id.values():
            self.end(slot)


def _seats(room: dict[str, int], count: int | None) -> list[str]:
    """The node of each seat: all the room there is, or `count` seats, always on the node with most room left."""
    left = {node: number for node, number in sorted(room.items()) if number >= 1}
    total = sum(left.values()) if count is None else count
    seats = []
    for _ in range(total if left else 0):
        node = max(left, key=left.__getitem__)
        left[node] -= 1
        seats.append(node)
    return seats


def _local(pid: int, born: float) -> psutil.Process | None:
    """The process of that number if it is the one born then: a worker elsewhere may have any number."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - born) < 0.05 else None
    except psutil.Error:
        return None
