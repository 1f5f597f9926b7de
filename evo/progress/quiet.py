"""`Quiet`: nothing but the last line."""

from __future__ import annotations

from .display import Display


class Quiet(Display):
    """For scripts that want one line."""

    def end(self, rows: list[tuple[str, str]], last_line: str) -> None:
        self.stream.line(last_line)
