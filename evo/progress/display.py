"""`Display`: what every kind of display does; and `SafeStream`, an output that may go away without harm."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Self, TextIO

from evo.events import Event

from .status import Status


class SafeStream:
    """A text output whose reader may leave (a closed pipe, a terminal that hung up): then it is silent."""

    def __init__(self, out: TextIO) -> None:
        self._out: TextIO | None = out
        self._lock = threading.RLock()  # a checkpoint is told by the thread that wrote it

    def line(self, text: str) -> None:
        """Write one line, at once."""
        with self._lock:
            if self._out is None:
                return
            try:
                try:
                    self._out.write(text + "\n")
                except UnicodeEncodeError:  # a log in ASCII
                    self._out.write(text.encode("ascii", "replace").decode() + "\n")
                self._out.flush()
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._out = None


class Display:
    """An observer of one run; a context manager around it.

    A display is told three things: `begin` at once, before anything slow; each event; `end` with the last words.
    """

    def __init__(self, out: TextIO) -> None:
        self.stream = SafeStream(out)
        self.status = Status()

    def begin(self, text: str) -> None:
        """Say what is about to be run."""

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        self.status.update(event)

    def notice(self, text: str) -> None:
        """Show a message. Called from a signal handler: it must not wait for a lock."""

    def end(self, rows: list[tuple[str, str]], last_line: str) -> None:
        """Show how the run ended: names and values for a table, and the same in one line."""

    def close(self) -> None:
        """Leave the terminal as it was; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.close()
