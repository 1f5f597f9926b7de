"""When a run saves: every so many generations or seconds; and what it tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evo.checkpoints import BackgroundWriter, CheckpointStore, RemoteCopies
from evo.events import EventBus
from evo.interrupt import Interrupt
from evo.journaling import JournalingExecutor
from evo.stopping import StopReason

LAST_TRIES = (0.5, 1.0)
"""Seconds between tries of the last save of a run, where it fails: there is no later one to make up for it."""
COPY_SECONDS = 30.0
"""How long the end of a run waits for its checkpoints to arrive elsewhere."""
MIN_SPACING = 0.2
"""Seconds between two saves: a loop of a thousand generations a second is not spent on its checkpoints."""


class Saver:
    """Saves through a background thread when a save is due.

    Parameters
    ----------
    take
        Gives the generation and a tree of the run that nobody changes any more; told why the run ended, if it did.
    interval, seconds
        A save is due after so many generations or seconds, whichever is first, but not within `MIN_SPACING` seconds,
        and at every generation that the store keeps for good; the seconds count in the middle of a long generation too,
        where there is anything new to save.
    generation
        Gives the number of generations that are done.
    prepare
        Called in the writer's thread before each save.
    newest
        What is saved already.
    interrupt
        May ask for a save at any moment.
    journal
        Told of every state that is taken, and of every one that is safe.
    copies
        Another home for what is safe.
    """

    def __init__(
        self,
        store: CheckpointStore,
        take: Callable[[StopReason | None], tuple[int, Mapping[str, Any]]],
        events: EventBus,
        *,
        interval: int,
        seconds: float,
        generation: Callable[[], int],
        prepare: Callable[[], object] = lambda: None,
        newest: Path | None = None,
        interrupt: Interrupt | None = None,
        journal: JournalingExecutor | None = None,
        copies: RemoteCopies | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._take = take
        self._events = events
        self._interval = interval
        self._seconds = seconds
        self._interrupt = interrupt or Interrupt()
        self._journal = journal
        self._copies = copies
        self._generation = generation
        self._clock = clock
        self._writer = BackgroundWriter(store, prepare=prepare, on_saved=self._saved, on_error=self._failed)
        self._generations = 0
        self._last = -float("inf")
        self.spent = 0.0
        """Seconds that the loop spent here."""
        self.newest = newest
        """The newest file that is safe on the disk."""
        self.trouble = ""
        """What went wrong the last time; empty while all is well."""

    def __call__(self) -> None:
        """Count one generation, and save if it is time."""
        self._generations += 1
        since = self._clock() - self._last
        due = since >= MIN_SPACING and (self._generations >= self._interval or since >= self._seconds)
        if due or self._is_lasting(self._generation()) or self._interrupt.take_save_request():
            self.hand_over()

    def poll(self) -> None:
        """Save the last whole generation in the middle of the next, if it is time or asked for."""
        due = self._generations and self._clock() - self._last >= max(self._seconds, MIN_SPACING)
        if due or self._interrupt.take_save_request():
            self.hand_over()

    def hand_over(self, finished: StopReason | None = None) -> None:
        """Save the state as it is now, in the background."""
        begin = self._clock()
        generation, tree = self._take(finished)
        if self._journal is not None:
            self._journal.state_taken(generation)
        self._writer.save(generation, tree, lasting=self._is_lasting(generation))
        self._generations = 0
        self._last = self._clock()
        self.spent += self._last - begin

    def _is_lasting(self, generation: int) -> bool:
        every = self._store.every
        return every is not None and generation % every == 0

    def save_now(self, finished: StopReason | None = None) -> bool:
        """Save the state as it is now and wait until it is on the disk; whether that went well."""
        self.hand_over(finished)
        return self._writer.flush()

    def save_last(self, finished: StopReason | None) -> bool:
        """As `save_now`, tried again a few times; whether it is on the disk."""
        for pause in LAST_TRIES:
            if self.save_now(finished):
                return True
            time.sleep(pause)
        return self.save_now(finished)

    def close(self) -> None:
        """End the thread, after what was handed over is written; wait some time for the copies of it elsewhere."""
        self._writer.close()
        copies, self._copies = self._copies, None
        if copies is not None and not copies.close(COPY_SECONDS):
            self._events.emit("alert", message=f"{copies.url}: not everything was copied there; {self.what_is_saved()}")

    def _saved(self, generation: int, path: Path, seconds: float, size: int) -> None:
        self.newest, self.trouble = path, ""
        if self._journal is not None:
            self._journal.state_saved(generation)
        if self._copies is not None:
            self._copies.offer(generation, path)
        self._events.emit("checkpoint", generation=generation, path=str(path), seconds=round(seconds, 4), bytes=size)

    def _failed(self, error: Exception) -> None:
        self.trouble = str(error)
        self._events.emit("alert", message=f"{error}; the run goes on, {self.what_is_saved()}")

    def what_is_saved(self) -> str:
        """In words: which checkpoint is the newest."""
        return f"the last checkpoint saved is {self.newest}" if self.newest else "nothing is saved yet"
