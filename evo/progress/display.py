"""`Display`: what every kind of display does; and `SafeStream`, an output that may go away without harm."""

from __future__ import annotations

import contextlib
import io
import threading
from types import TracebackType
from typing import Self, TextIO

from evo.events import Event

from .status import Status


class SafeStream(io.TextIOBase):
    """A text output whose reader may leave (a closed pipe, a terminal that hung up): then it is silent."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._lock = threading.RLock()  # a checkpoint is told by the thread that wrote it

    def write(self, text: str) -> int:
        with self._lock, contextlib.suppress(OSError, ValueError):  # ValueError: it was closed
            try:
                self._out.write(text)
            except UnicodeEncodeError:  # a log in ASCII
                self._out.write(text.encode("ascii", "replace").decode())
        return len(text)

    def flush(self) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._out.flush()

    def line(self, text: str) -> None:
        """Write one line, at once."""
        with self._lock:
            self.write(text + "\n")
            self.flush()

    def isatty(self) -> bool:
        return self._out.isatty()

    def fileno(self) -> int:
        return self._out.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # an attribute there
        return self._out.encoding or "utf-8"


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
        self.close()
