"""What a run shows of itself: a live display on a terminal, plain lines in a log, JSON lines for programs.

Every display is an observer of the run's events. A display never ends a run: where its terminal or pipe is gone, it
falls silent and the run goes on.
"""

from __future__ import annotations

import os
from typing import TextIO

from .display import Display

__all__ = ["Display", "choose_display"]


def choose_display(out: TextIO, *, json: bool = False, quiet: bool = False) -> Display:
    """The display that fits `out` and what was asked for; what is not needed is not imported."""
    if json:
        from .json_lines import JsonLines

        return JsonLines(out)
    if quiet:
        from .quiet import Quiet

        return Quiet(out)
    if out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from .terminal import Terminal

        return Terminal(out)
    from .lines import Lines

    return Lines(out)
