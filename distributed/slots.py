"""`Slots`: the life of the workers. A slot is a place for one actor after another; who dies is replaced.

Ray's own restarts are off: it would not say which worker failed. Restarts are counted in a row: a delivered chunk
resets the count, and a slot that exceeds it is given up.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from evo.errors import ExecutorError

from . import ray_worker, shipping

START_SECONDS = 300.0
"""A worker that is not ready by then is replaced: it may compile kernels first (23 s were seen), or wait for a core."""


@dataclass(eq=False, slots=True)
class Slot:
    """A place for one worker. Times are seconds of the caller's clock."""

    index: int
    actor: Any = None
    starting: Any = None
    """The reference that is fulfilled when the actor is ready; None once it is."""
    started: float = 0.0
    node: str = ""
    process: psutil.Process | None = None
    """The worker's process where it runs on this machine."""
    restarts: int = 0
    """In a row: since the last delivered chunk."""
    error: str = ""
    """Why it was lost last."""

    @property
    def ready(self) -> bool:
        return self.actor is not None and self.starting is None


class Slots:
    """Makes, watches and ends the actors of a fixed number of slots.

    Parameters
    ----------
    ray
        The module, connected.
    payload
        The pickled evaluator, put into Ray's store once.
    """

    def __init__(self, ray: Any, payload: bytes, count: int, max_restarts: int) -> None:
        self._ray = ray
        self._payload = ray.put(payload)
        self._max_restarts = max_restarts
        self._home = ray_worker.home()
        self._actors = ray.remote(ray_worker.RayWorker).options(
            num_cpus=1, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self.slots = [Slot(index) for index in range(count)]

    def start(self, slot: Slot, now: float) -> None:
        """Make the slot's actor; its `starting` reference tells when it is ready."""
        with shipping.by_value([ray_worker], self._ray.cloudpickle):
            slot.actor = self._actors.remote(self._home)
        slot.starting = slot.actor.start.remote(self._payload)
        slot.started = now

    def is_ready(self, slot: Slot) -> None:
        """The slot's `starting` reference is fulfilled. Raises what Ray raises where the worker is gone, and
        `ExecutorError` where the evaluator cannot be loaded there: then it can be loaded nowhere."""
        try:
            place = self._ray.get(slot.starting)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause if getattr(error, "cause", None) is not None else error
            raise ExecutorError(f"a worker cannot start: {type(cause).__name__}: {cause}") from error
        slot.starting = None
        slot.node = place["node"]
        slot.process = _local(place["pid"], place["born"])

    def lose(self, slot: Slot, error: str) -> None:
        """The slot's actor is gone or must go: end it for certain."""
        if slot.actor is not None:
            self._kill(slot)
        slot.actor = slot.starting = None
        slot.error = error

    def replace(self, slot: Slot, now: float) -> bool:
        """Start a lost slot's next actor. False: it was restarted too often in a row."""
        if slot.restarts >= self._max_restarts:
            return False
        slot.restarts += 1
        self.start(slot, now)
        return True

    def delivered(self, index: int) -> None:
        """A chunk came from this slot: it is well."""
        self.slots[index].restarts = 0

    def alive(self) -> int:
        return sum(slot.ready for slot in self.slots)

    def close(self) -> None:
        for slot in self.slots:
            self.lose(slot, slot.error)

    def _kill(self, slot: Slot) -> None:
        # A dead actor's handle, or a lost connection, must not stop the one that cleans up.
        with suppress(Exception):
            self._ray.kill(slot.actor, no_restart=True)
        if slot.process is not None:
            with suppress(psutil.Error):
                slot.process.kill()  # a stopped process does not hear Ray
            slot.process = None


def _local(pid: int, born: float) -> psutil.Process | None:
    """The process of that number if it is the one born then: a worker elsewhere may have any number."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - born) < 0.05 else None
    except psutil.Error:
        return None
