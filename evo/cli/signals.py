"""Signals: the first one asks the run to save and stop, a second one leaves at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from evo.interrupt import Interrupt

from .group import FAILED, INTERRUPTED

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
_SHOW_CURSOR = b"\x1b[?25h\n"


class SignalHandling:
    """While this context is open, signals interrupt the run.

    Parameters
    ----------
    notice
        Shows a message at once, from within a signal handler.
    saved
        Whether anything of the run is on the disk: decides the exit code of a second signal.
    """

    def __init__(self, notice: Callable[[str], None], saved: Callable[[], bool]) -> None:
        self.interrupt = Interrupt()
        self._notice = notice
        self._saved = saved
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            # A job that `nohup` started keeps ignoring what it was told to ignore.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.interrupt.requested:
            self._leave()
        self._notice(f"{signal.Signals(number).name}: saving what is done; once more to leave at once")
        self.interrupt.request()

    def _leave(self) -> None:
        # Not through Python's own exit: that would wait for threads, and for whatever hangs.
        if sys.__stdout__ is not None and sys.__stdout__.isatty():
            os.write(sys.__stdout__.fileno(), _SHOW_CURSOR)
        code = INTERRUPTED if self._saved() else FAILED
        _end_children()
        os._exit(code)


def _end_children() -> None:
    """Nobody would end them any more: a private Ray cluster, programs that the user's code started."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
