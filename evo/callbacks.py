"""`Callback`: hooks into a run, for people who watch it, record it, or end it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from evo.events import Event
    from evo.result import Result
    from evo.run_view import RunView


class Callback:
    """Base class: override the hooks that you need, and give instances as ``callbacks=[…]``.

    All hooks are called in the thread of the loop, between two generations. A hook that returns True ends the run after
    the present generation (`Result.stop_reason` is then ``callback``). An error that one raises ends the run, too.

    What a callback remembers and a resumed run should know belongs into `state`: it is saved in every checkpoint, and
    loaded where `evo.resume` is given a callback of the same `name`.
    """

    @property
    def name(self) -> str:
        """What a checkpoint calls it."""
        return type(self).__name__

    def on_start(self, run: RunView) -> None:
        """Before the first generation of this part of the run; `run.generation` is above 0 where it was resumed."""

    def on_generation(self, run: RunView) -> bool | None:
        """A generation is done."""

    def on_improvement(self, run: RunView) -> bool | None:
        """The generation just done has a new best, or with several objectives a larger hypervolume. Called before
        `on_generation`."""

    def on_checkpoint(self, run: RunView, path: Path) -> bool | None:
        """A checkpoint is safe on the disk, saved some time ago by another thread."""

    def on_failure(self, run: RunView, failure: Mapping[str, Any]) -> bool | None:
        """Something failed since the last generation: an event ``quarantined`` (an individual that was given up: `row`,
        `kind`, `error`), or ``failure`` (work that is tried again)."""

    def on_end(self, run: RunView, result: Result) -> None:
        """The run has ended, and its result is written."""

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps: numbers, strings, None, arrays, and dicts and lists of those."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`. KeyError, TypeError and ValueError mean that it does not fit."""


class Callbacks:
    """A run's callbacks together; as an observer it hears of checkpoints and failures, whichever thread tells."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise UsageError(f"callbacks: expected instances of evo.Callback, found {callback!r:.80}")
        self._callbacks = list(callbacks)
        self._waiting: list[Event] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def __call__(self, event: Event) -> None:
        if event["event"] in ("checkpoint", "quarantined", "failure"):
            with self._lock:
                self._waiting.append(event)

    def start(self, run: RunView) -> None:
        """Call all hooks for the start."""
        for callback in self._callbacks:
            callback.on_start(run)

    def after_generation(self, run: RunView, improved: bool) -> bool:
        """Call the hooks that are due after a generation; whether one of them ends the run."""
        wanted = self._tell_waiting(run)
        for callback in self._callbacks:
            if improved:
                wanted |= bool(callback.on_improvement(run))
            wanted |= bool(callback.on_generation(run))
        return wanted

    def end(self, run: RunView, result: Result) -> None:
        """Call all hooks for the end."""
        self._tell_waiting(run)
        for callback in self._callbacks:
            callback.on_end(run, result)

    def _tell_waiting(self, run: RunView) -> bool:
        with self._lock:
            events, self._waiting = self._waiting, []
        wanted = False
        for event in events:
            for callback in self._callbacks:
                if event["event"] == "checkpoint":
                    wanted |= bool(callback.on_checkpoint(run, Path(event["path"])))
                else:
                    wanted |= bool(callback.on_failure(run, event))
        return wanted

    def states(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps of them."""
        return [{"name": callback.name, "state": dict(callback.state())} for callback in self._callbacks]

    def load_states(self, saved: Sequence[Mapping[str, Any]]) -> None:
        """Each goes on from the first state not yet taken that has its name. Raises `CheckpointError`."""
        left = list(saved)
        for callback in self._callbacks:
            found = next((entry for entry in left if entry["name"] == callback.name), None)
            if found is None:
                continue
            left.remove(found)
            try:
                callback.load_state(found["state"])
            except (KeyError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"callbacks: expected the state of a {callback.name}, found one without a usable {error}"
                ) from error
