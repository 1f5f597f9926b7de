"""`Lines`: plain lines with the time of day, for logs and pipes; more often at the start than later."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from evo.events import Event

from . import text
from .display import Display

SHORTEST_SILENCE = 1.0
"""Improvements are told no more often than this …"""
SILENCE_SHARE = 1 / 30
"""… and than this share of the run's time so far: every second for half a minute, every 10 s after five."""
LONGEST_SILENCE = 10.0
MOST_TROUBLES = 6
"""Lines of each kind of trouble: what goes wrong on the way to an end must not hide the end. The rest is in the log."""


class Lines(Display):
    """A line for each improvement, one a second at first; without any, after 1, 2, 4, 8 and then every 10 s.

    A thread of its own writes the line that is due while a long evaluation keeps the run's thread busy.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(out)
        self._clock = clock
        self._lock = threading.RLock()  # a signal may come while the run's own thread holds it
        self._last = clock()
        self._silence = 1.0
        self._improved = False
        self._troubles: dict[str, int] = {}
        self._done = threading.Event()
        self._ticker: threading.Thread | None = None

    def begin(self, text: str) -> None:
        self._write(text)
        self._ticker = threading.Thread(target=self._tick, name="evo-progress", daemon=True)
        self._ticker.start()

    def __call__(self, event: Event) -> None:
        with self._lock:
            before = self.status.place
            super().__call__(event)
            kind = event["event"]
            if kind == "started":
                self._write(self._headline(event))
            elif kind == "resumed":
                self._write(f"from generation {event['generation']:,}: {self._headline(event)}")
            elif kind == "executor" and event.get("state") != "lost":
                if self.status.place != before:
                    self._write(text.executor(event))
            elif kind == "interrupted":
                self._write("interrupted")
            elif kind == "improved":
                self._improved = True
            else:
                self._trouble(event)
            self.write_if_due()

    def write_if_due(self) -> None:
        """Write a line of progress where an improvement or too long a silence asks for one."""
        with self._lock:
            silent = self._clock() - self._last
            if not self.status.started or self.status.finished is not None:
                return
            spacing = min(max(SHORTEST_SILENCE, SILENCE_SHARE * self.status.elapsed()), LONGEST_SILENCE)
            if self._improved and silent >= spacing:
                self._progress()
            elif silent >= self._silence:
                self._progress()
                self._silence = min(2 * self._silence, LONGEST_SILENCE)

    def notice(self, text: str) -> None:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{text}\n".encode())

    def end(self, rows: list[tuple[str, str]], last_line: str) -> None:
        with self._lock:
            if self.status.started:
                self._progress()
            width = max(len(name) for name, _ in rows) + 2
            for name, value in rows:
                self.stream.line(f"{name:<{width}}{value}")

    def close(self) -> None:
        self._done.set()
        if self._ticker is not None:
            self._ticker.join(timeout=1.0)

    def _tick(self) -> None:
        while not self._done.wait(0.5):
            self.write_if_due()

    def _headline(self, event: Event) -> str:
        parts = [self.status.problem, str(event.get("optimizer", "")), f"seed {event.get('seed')}"]
        if event.get("output"):
            parts.append(f"in {event['output']}")
        return " · ".join(part for part in parts if part)

    def _trouble(self, event: Event) -> None:
        line = text.trouble(event)
        if line is None:
            return
        kind = event["event"]
        count = self._troubles[kind] = self._troubles.get(kind, 0) + 1
        if kind == "alert" or count < MOST_TROUBLES:
            self._write(line)
        elif count == MOST_TROUBLES:
            self._write(f"{line} (more of these are in events.jsonl)")

    def _progress(self) -> None:
        status = self.status
        total = status.stop.get("generations")
        parts = [f"generation {status.generation:,}" + (f" of {total:,}" if total else "")]
        best = " ".join(status.best())
        if status.anything and not status.feasible:
            best += " (infeasible)"
        parts.append(best)
        if status.gap is not None:
            parts.append(f"gap {text.gap(status.gap)}")
        if status.evaluations_per_second is not None:
            parts.append(f"{text.rate(status.evaluations_per_second)} evaluations/s")
        if status.workers is not None:
            parts.append(text.plural(status.workers, "worker"))
        parts.append(text.duration(status.elapsed()))
        left = status.time_left()
        if left is not None and status.finished is None:
            parts.append(f"{text.duration(left)} left")
        self._write("  ".join(parts))
        self._improved = False

    def _write(self, line: str) -> None:
        self._last = self._clock()
        self.stream.line(f"{time.strftime('%H:%M:%S')}  {line}")
