"""Saving in a thread of its own, so that the loop pays for a copy of its state and for nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from evo.errors import CheckpointError

from .store import CheckpointStore


class _Job(NamedTuple):
    generation: int
    tree: Mapping[str, Any]
    lasting: bool


class BackgroundWriter:
    """Saves to a store in one thread; while it saves, a newer state takes the place of the one that waits.

    An error (disk full, folder gone, no permission) never reaches the loop: `on_error` is told, and the next state is
    tried as if nothing had been. As a context manager it is closed at the end.

    Parameters
    ----------
    store
        Where to save; nobody else should save to it meanwhile.
    prepare
        Called in the writer's thread before each save; what it raises is that save's error.
    on_saved
        Called in the writer's thread with generation, path, seconds and bytes once a checkpoint is safe.
    on_error
        Called in the writer's thread with what went wrong.
    """

    def __init__(
        self,
        store: CheckpointStore,
        *,
        prepare: Callable[[], object] = lambda: None,
        on_saved: Callable[[int, Path, float, int], object] = lambda generation, path, seconds, size: None,
        on_error: Callable[[Exception], object] = lambda error: None,
    ) -> None:
        self._store = store
        self._prepare = prepare
        self._on_saved = on_saved
        self._on_error = on_error
        self._changed = threading.Condition()
        self._waiting: _Job | None = None
        self._writing = False
        self._closed = False
        self._last_given: int | None = None
        self._last_saved: int | None = None
        # A daemon: a program that ends without closing loses the save under way, as in a crash, but does not hang.
        self._thread = threading.Thread(target=self._work, name="evo-checkpoints", daemon=True)
        self._thread.start()

    @property
    def last_saved(self) -> int | None:
        """The generation that was saved last by this writer; None before the first."""
        with self._changed:
            return self._last_saved

    def save(self, generation: int, tree: Mapping[str, Any], *, lasting: bool = False) -> None:
        """Hand over a state; returns at once, unless a lasting one waits to be written: then it waits for that.

        The tree and its arrays must not change from now on: give a `snapshot` of what goes on changing.

        Parameters
        ----------
        lasting
            Whether no newer state may take this one's place: it is to be kept for good.

        Raises
        ------
        CheckpointError
            The writer is closed.
        """
        with self._changed:
            if self._closed:
                raise CheckpointError(f"{self._store.folder}: the writer of checkpoints is closed")
            self._changed.wait_for(lambda: self._waiting is None or not self._waiting.lasting)
            self._waiting = _Job(generation, tree, lasting)
            self._last_given = generation
            self._changed.notify_all()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to write, at most `timeout` seconds.

        Returns
        -------
        bool
            Whether the state that was handed over last is saved.
        """
        with self._changed:
            idle = self._changed.wait_for(lambda: self._waiting is None and not self._writing, timeout)
            return idle and self._last_saved == self._last_given

    def close(self) -> bool:
        """Write what was handed over, and end the thread; returns as `flush` does. Closing twice does no harm."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        return self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._write(job)
            except Exception as error:  # whatever it is, the run goes on, and the next state is tried
                self._report(error)
            finally:
                del job  # a state may be large: do not hold it until the next one comes
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()

    def _next(self) -> _Job | None:
        """Wait for a state; None when the writer is closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closed)
            job, self._waiting = self._waiting, None
            self._writing = job is not None
            self._changed.notify_all()
            return job

    def _write(self, job: _Job) -> None:
        start = time.perf_counter()
        self._prepare()
        buffers = self._store.encode(job.tree)
        path = self._store.put(job.generation, buffers)
        with self._changed:
            self._last_saved = job.generation
        self._on_saved(job.generation, path, time.perf_counter() - start, sum(len(buffer) for buffer in buffers))

    def _report(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except Exception as second:  # a callback's defect: shown as for any thread, but the writer lives on
            threading.excepthook(threading.ExceptHookArgs((type(second), second, second.__traceback__, self._thread)))
