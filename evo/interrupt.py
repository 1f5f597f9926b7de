"""`Interrupt`: how a signal handler, or another thread, asks a run to save and stop."""

from __future__ import annotations

import threading

from evo.distributed.executor import Interrupted


class Interrupt:
    """One request to stop; the run drops the generation in flight, saves, and ends with ``interrupted``."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        """Ask for the stop. Called from a signal handler it also breaks off the user's code in this process.

        Raises
        ------
        Interrupted
            Where this thread is inside an evaluation: evaluations are stateless, so nothing is lost but their time.
        """
        from evo.distributed import in_process

        self._event.set()
        if in_process.evaluating():
            raise Interrupted
