"""Signals: the first one asks the run to save and stop, a second one leaves at once; SIGUSR1: save and go on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from evo.interrupt import Interrupt

from .group import FAILED, INTERRUPTED

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
SAVE = getattr(signal, "SIGUSR1", None)
SHOW_CURSOR = b"\x1b[?25h\n"


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
        self.interrupt = Interrupt(self._wake_main_thread)
        self._woken = False
        self._asked = False
        self._notice = notice
        self._saved = saved
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            # A job that `nohup` started keeps ignoring what it was told to ignore.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        if SAVE is not None:
            self._before[SAVE] = signal.signal(SAVE, self._handle_save)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        cause = signal.Signals(number).name
        if self._woken:
            self._woken, cause = False, self.interrupt.cause
        elif self._asked or self.interrupt.requested:
            self._leave()
        self._asked = True  # at once: the next signal may come while this one is still being told of
        self._notice(f"{cause}: saving what is done; once more to leave at once")
        self.interrupt.request(cause)

    def _handle_save(self, number: int, _: FrameType | None) -> None:
        self._notice(f"{signal.Signals(number).name}: saving, and going on")
        self.interrupt.request_save()

    def _wake_main_thread(self) -> None:
        """Have the handler called there: only it can break off what that thread is at."""
        main = threading.main_thread().ident
        if main is not None and signal.SIGTERM in self._before:
            self._woken = True
            signal.pthread_kill(main, signal.SIGTERM)

    def _leave(self) -> None:
        # Not through Python's own exit: that would wait for threads, and for whatever hangs.
        code = FAILED
        try:
            code = INTERRUPTED if self._saved() else FAILED
            if sys.__stdout__ is not None and sys.__stdout__.isatty():
                os.write(sys.__stdout__.fileno(), SHOW_CURSOR)
            _end_children()
        finally:
            os._exit(code)  # whatever was raised: from here it would only reach what does not listen


def _end_children() -> None:
    """Nobody would end them any more: a private Ray cluster, programs that the user's code started."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
