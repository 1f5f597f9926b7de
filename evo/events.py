"""Events: what a run tells the world while it goes on. An event is a plain dict; whoever listens is an observer."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

Event = dict[str, Any]
Observer = Callable[[Event], None]


def plain(value: Any) -> Any:
    """`value` with arrays, numpy scalars, paths and not-finite numbers made fit for JSON."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


class EventBus:
    """Hands every event to every observer, stamped with its kind, time (Unix seconds) and generation."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = list(observers)
        self._lock = threading.RLock()
        self.generation = 0

    def __bool__(self) -> bool:
        return bool(self._observers)

    def emit(self, kind: str, /, **fields: Any) -> None:
        """Send one event. Any thread may; observers are called one event at a time."""
        if not self._observers:
            return
        event = {"event": kind, "time": round(time.time(), 3), "generation": self.generation, **fields}
        with self._lock:
            for observer in self._observers:
                observer(event)


class EventLog:
    """An observer that appends each event as one JSON line. A disk that refuses never ends the run: it is told once."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._path = path
        self._complain = complain
        self._complained = False
        self._gone = False
        self._file: TextIO | None = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        if self._file is None:
            return
        try:
            if self._gone:
                self._reopen()
            self._file.write(json.dumps(plain(event)) + "\n")
            self._file.flush()
        except OSError as error:
            if not self._complained:
                self._complained = True
                self._complain(f"{self._path}: events can no longer be written: {error.strerror}")

    def reopen(self) -> None:
        """Go on in a new file: the old one was deleted. Any thread may say so; it is done with the next event."""
        self._gone = True

    def _reopen(self) -> None:
        file = self._path.open("a", encoding="utf-8")
        assert self._file is not None
        with contextlib.suppress(OSError):
            self._file.close()
        self._file, self._gone = file, False

    def close(self) -> None:
        """Close the file; later events are ignored."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk: what could be written is written
                self._file.close()
            self._file = None
