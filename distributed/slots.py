"""`Slots`: the life of the workers. A slot is a seat on a node for one actor after another.

Ray's own restarts are off: it would not say which worker failed. When a seat is taken again is the
`FaultToleranceManager`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import psutil

from evo.errors import ExecutorError

from . import ray_worker, shipping
from .beacon import BeaconReader, read_from
from .cluster_watch import views
from .node_monitor import Watched, local_process
from .resources import ONE_CORE, Resources


@dataclass(eq=False, slots=True)
class Slot:
    """A seat for one worker. Times are seconds of the caller's clock."""

    id: str
    node: str
    """Empty: no node has room for it now."""
    actor: Any = None
    starting: Any = None
    """The reference that is fulfilled when the actor is ready; None once it is."""
    started: float = 0.0
    name: str = ""
    """Of its beacon."""
    process: psutil.Process | None = None
    """The worker's process where it runs on this machine."""
    watched: Watched | None = None
    """What a monitor needs to know of it."""
    beacon: BeaconReader | None = None
    """Its beacon, where it shines on this machine."""

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
        self._count = count
        self.by_id: dict[str, Slot] = {}
        self.fill({node.id: node.resources for node in views(ray.nodes()).values()})
        if not any(slot.node for slot in self.by_id.values()):
            raise ExecutorError(f"no node of the Ray cluster has room for a worker ({resources})")

    def room(self, node: Mapping[str, float]) -> int:
        """How many workers fit on an empty node that has these of Ray's resources."""
        return self._resources.room(node)

    def fill(self, nodes: Mapping[str, Mapping[str, float]]) -> list[Slot]:
        """Give a seat on some nodes, by id with their resources, to every slot that has none; all there is room for
        where no number is wanted. Those that now have one."""
        room = {node: self.room(resources) for node, resources in nodes.items()}
        for slot in self.by_id.values():
            if slot.node in room:
                room[slot.node] -= 1
        vacant = [slot for slot in self.by_id.values() if not slot.node]
        wanted = None if self._count is None else self._count - len(self.by_id) + len(vacant)
        filled = []
        for node in _seats(room, wanted):
            if not vacant:
                vacant.append(Slot(f"worker-{len(self.by_id)}", ""))
                self.by_id[vacant[0].id] = vacant[0]
            slot = vacant.pop(0)
            slot.node = node
            filled.append(slot)
        return filled

    def on_node(self, node: str) -> list[Slot]:
        """The slots of a node."""
        return [slot for slot in self.by_id.values() if slot.node == node]

    def seated(self) -> int:
        """How many have a node."""
        return sum(bool(slot.node) for slot in self.by_id.values())

    def start(self, slot: Slot, now: float) -> None:
        """Make the slot's actor; its `starting` reference tells when it is ready."""
        with shipping.by_value([ray_worker], self._ray.cloudpickle):
            slot.actor = self._actors.options(
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy=self._pinned(slot.node, soft=False),
                **self._resources.options(),
            ).remote(self._home)
        slot.name = token_hex(8)
        slot.starting = slot.actor.start.remote(self._payload, self._shared, self._tolerant, slot.name)
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
        slot.watched = Watched(place["pid"], place["born"], slot.name)
        slot.process = local_process(place["pid"], place["born"])
        slot.beacon = None if slot.process is None else read_from(slot.name)
        return dict(place["versions"])

    def end(self, slot: Slot, *, by_ray: bool = True) -> None:
        """The slot's actor is gone or must go: end it, not `by_ray` where that would wait for a lost head."""
        if slot.actor is None:
            return
        if by_ray:
            with suppress(Exception):  # a dead actor's handle, a lost connection: nothing may stop who cleans up
                self._ray.kill(slot.actor, no_restart=True)
        if slot.process is not None:
            with suppress(psutil.Error):
                slot.process.kill()  # a stopped process does not hear Ray
        slot.actor = slot.starting = slot.process = slot.watched = slot.beacon = None

    def alive(self) -> int:
        """How many are ready."""
        return sum(slot.ready for slot in self.by_id.values())

    def close(self, *, by_ray: bool = True) -> None:
        """End all."""
        for slot in self.by_id.values():
            self.end(slot, by_ray=by_ray)


def _seats(room: dict[str, int], count: int | None) -> list[str]:
    """The node of each seat: all the room there is, or `count` seats at most, always on the node with most room."""
    left = {node: number for node, number in sorted(room.items()) if number >= 1}
    total = sum(left.values())
    seats = []
    for _ in range(total if count is None else min(count, total)):
        node = max(left, key=left.__getitem__)
        left[node] -= 1
        seats.append(node)
    return seats
