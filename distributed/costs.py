"""`CostModel`: what a row costs, as measured; it sizes chunks and sets deadlines, and never touches a result."""

from __future__ import annotations

from math import ceil

TARGET_SECONDS = 0.3
"""Work per chunk: Ray costs 1.4-2.9 ms per call, so 1 % at most; small enough to balance and to lose."""

_WEIGHT = 0.3
"""Of a new measurement in the moving average."""


class CostModel:
    """A moving average of seconds per row; None until something was measured."""

    def __init__(self) -> None:
        self.seconds_per_row: float | None = None

    def observe(self, rows: int, seconds: float) -> None:
        """Take a delivered chunk's measurement."""
        cost = seconds / rows
        before = self.seconds_per_row
        self.seconds_per_row = cost if before is None else before + _WEIGHT * (cost - before)

    def expected(self, rows: int) -> float | None:
        """Seconds of work in `rows`."""
        return None if self.seconds_per_row is None else rows * self.seconds_per_row

    def differs_from(self, cost: float | None) -> bool:
        """Whether a plan made at `cost` should be made anew."""
        now = self.seconds_per_row
        return cost != now and (cost is None or now is None or not 0.5 * cost <= now <= 2.0 * cost)

    def pieces(self, rows: int, blocks: int, workers: int) -> int:
        """Into how many chunks of about `TARGET_SECONDS` to cut `blocks` blocks, of `rows` rows in all.

        At least one per worker, and a multiple of their number, lest the last round leaves some idle. Single blocks
        while nothing is known.
        """
        work = self.expected(rows)
        if work is None:
            return blocks
        rounds = max(1, ceil(work / (TARGET_SECONDS * workers)))
        return min(blocks, rounds * workers)
