"""`CircuitBreaker`: keeps work away from what fails again and again, and lets one probe find out whether it has healed.

CLOSED (work flows; failures are counted in a sliding window) → OPEN (no work, for a timeout) → HALF_OPEN (exactly one
probe) → CLOSED on success, OPEN again with twice the timeout on failure. Source: Nygard, "Release It!", 2nd ed., 2018,
chapter 5; the window in place of a plain count is ours.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable
from enum import StrEnum

Clock = Callable[[], float]


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """One breaker, for one slot or one node.

    Parameters
    ----------
    max_failures
        It opens at more failures than this within `window`.
    window
        Seconds for which a failure counts.
    timeout
        Seconds that it stays open the first time.
    max_timeout
        Seconds that it stays open at most, after probes have failed.
    clock
        Gives seconds; monotonic.
    on_change
        Called with the breaker when it opens, closes, or gives a probe.
    """

    def __init__(
        self,
        max_failures: int = 3,
        window: float = 3600.0,
        timeout: float = 300.0,
        max_timeout: float = 3600.0,
        clock: Clock = time.monotonic,
        on_change: Callable[[CircuitBreaker], None] | None = None,
    ) -> None:
        self.max_failures = max_failures
        self.window = window
        self.base_timeout = timeout
        self.max_timeout = max(max_timeout, timeout)
        self._clock = clock
        self._on_change = on_change
        self._failures: deque[tuple[float, Hashable]] = deque()
        self._opened_at: float | None = None
        self._timeout = timeout
        self._probing = False
        self._forced = False

    @property
    def state(self) -> BreakerState:
        """HALF_OPEN as soon as the timeout is over, and while a probe is under way."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._probing or self._clock() >= self._opened_at + self._timeout:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def timeout(self) -> float:
        """Seconds that it stays open, this time or the next."""
        return self._timeout

    @property
    def probing(self) -> bool:
        """Whether a probe is under way."""
        return self._probing

    @property
    def retry_at(self) -> float:
        """When the next probe is admitted, seconds of the clock; 0 while closed."""
        return 0.0 if self._opened_at is None else self._opened_at + self._timeout

    @property
    def failures(self) -> int:
        """Failures within the window."""
        self._forget()
        return len(self._failures)

    def is_open(self) -> bool:
        """Whether work is kept away now: open, or half-open with its probe under way."""
        return not self.admits()

    def admits(self) -> bool:
        """Whether a piece of work may be started now."""
        return self._opened_at is None or (self.state is BreakerState.HALF_OPEN and not self._probing)

    def acquire(self, *, force: bool = False) -> bool:
        """Start a piece of work: True if it may. In HALF_OPEN this takes the one probe.

        With `force` an open breaker gives its probe before its time; the one rule that even this cannot break is that
        there is one probe at a time.
        """
        if self._opened_at is None:
            return True
        if self._probing or not (force or self.admits()):
            return False
        self._probing = True
        self._changed()
        return True

    def release(self) -> None:
        """The probe ended with neither success nor failure: it may be given again."""
        self._probing = False

    def success(self) -> None:
        """A piece of work came back: a probe's success closes the breaker.

        A late reply to work that was started before it opened proves nothing and changes nothing.
        """
        if self._probing:
            self.close()

    def failure(self, cause: Hashable = None) -> None:
        """Count a failure; `cause` lets `forgive` take it back."""
        self._forget()
        self._failures.append((self._clock(), cause))
        if self._probing:
            self._timeout = min(2.0 * self._timeout, self.max_timeout)
            self._open()
        elif self._opened_at is None and len(self._failures) > self.max_failures:
            self._open()

    def forgive(self, cause: Hashable) -> None:
        """Take back the failures of `cause`; a breaker that is open only because of them closes."""
        self._forget()
        kept = deque(failure for failure in self._failures if failure[1] != cause)
        if len(kept) == len(self._failures):
            return
        self._failures = kept
        if self._opened_at is not None and not self._forced and len(self._failures) <= self.max_failures:
            self._reset()

    def open(self) -> None:
        """Open it now, whatever was counted; it stays open for its timeout. `forgive` does not undo this."""
        self._open(forced=True)

    def close(self) -> None:
        """Close it now and forget what was counted."""
        self._failures.clear()
        self._reset()

    def _open(self, *, forced: bool = False) -> None:
        self._opened_at = self._clock()
        self._probing = False
        self._forced = forced
        self._changed()

    def _reset(self) -> None:
        was_closed = self._opened_at is None
        self._opened_at = None
        self._timeout = self.base_timeout
        self._probing = False
        self._forced = False
        if not was_closed:
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self)

    def _forget(self) -> None:
        horizon = self._clock() - self.window
        while self._failures and self._failures[0][0] <= horizon:
            self._failures.popleft()
