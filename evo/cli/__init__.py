"""The command line. Each command is a small file of its own, imported when it is called."""

from __future__ import annotations

from .group import main

__all__ = ["main"]
