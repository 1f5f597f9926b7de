"""`JsonLines`: every event as one JSON object a line; the last one is `finished`."""

from __future__ import annotations

import json

from evo.events import Event, plain

from .display import Display


class JsonLines(Display):
    """For programs. Nothing else goes to the output."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.stream.line(json.dumps(plain(event)))
