"""`Interrupt`: how a signal, a time limit or another thread asks a run to save and go on, or to save and stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time

from evo.distributed.executor import Interrupted


class Interrupt:
    """Requests to one run. Asked to stop it drops the generation in flight, saves, and ends with ``interrupted``.

    Parameters
    ----------
    wake
        Called when a thread other than the main one asks for the stop: may make the main one call `request` too,
        which alone can break off the user's code in this process.
    """

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self._stop = threading.Event()
        self._save = threading.Event()
        self._wake = wake
        self.cause = ""
        """Who asked for the stop: a signal's name, ``walltime``."""

    @property
    def requested(self) -> bool:
        return self._stop.is_set()

    def request(self, cause: str = "") -> None:
        """Ask for the stop. Called from a signal handler it also breaks off the user's code in this process.

        Raises
        ------
        Interrupted
            Where this thread is inside an evaluation: evaluations are stateless, so nothing is lost but their time.
        """
        from evo.distributed import in_process

        self.cause = self.cause or cause
        self._stop.set()
        if threading.current_thread() is not threading.main_thread():
            self._wake()
        elif in_process.evaluating():
            raise Interrupted

    def request_save(self) -> None:
        """Ask for a save of the last whole generation; the run goes on."""
        self._save.set()

    def take_save_request(self) -> bool:
        """Whether a save was asked for; asks no more."""
        if not self._save.is_set():
            return False
        self._save.clear()
        return True

    @contextmanager
    def at(self, moment: float | None, cause: str) -> Iterator[None]:
        """Within this context the stop is asked for at a moment, Unix time in seconds; None: never."""
        if moment is None:
            yield
            return
        timer = threading.Timer(max(0.0, moment - time()), self.request, (cause,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
