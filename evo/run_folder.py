"""A run's folder: its files by name, made once, never by accident over another run's."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from evo.errors import UsageError
from evo.events import plain

SETTINGS = "settings.yaml"
CHECKPOINTS = "checkpoints"
EVENTS = "events.jsonl"
RESULT = "result.json"


class RunFolder:
    """The files of one run, as the public contract names them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / SETTINGS
        self.checkpoints = path / CHECKPOINTS
        self.events = path / EVENTS
        self.result = path / RESULT

    @classmethod
    def create(cls, path: Path, *, overwrite: bool = False) -> RunFolder:
        """Make the folder for a new run.

        Raises
        ------
        UsageError
            Where it cannot be made or written, or where it holds a run already and `overwrite` is False.
        """
        folder = cls(path.absolute())
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            if folder.holds_run():
                if not overwrite:
                    raise UsageError(
                        f"{path}: holds a run already: resume it (evo resume {path}), choose another folder, "
                        f"or replace it with --overwrite (overwrite=True)"
                    )
                folder._clear()
            folder.checkpoints.mkdir(exist_ok=True)
            probe = folder.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(f"{path}: cannot be used as the run's folder: {error.strerror or error}") from error
        return folder

    @classmethod
    def of_checkpoint(cls, file: Path) -> RunFolder | None:
        """The run's folder that a checkpoint file lies in; None for a file that stands alone."""
        folder = file.absolute().parent.parent
        return cls(folder) if file.absolute().parent.name == CHECKPOINTS and (folder / SETTINGS).exists() else None

    def holds_run(self) -> bool:
        """Whether there is anything of a run in the folder."""
        if any(p.exists() for p in (self.settings, self.events, self.result)):
            return True
        return self.checkpoints.is_dir() and any(self.checkpoints.iterdir())

    def _clear(self) -> None:
        """Remove a run's files, and nothing else that may lie beside them."""
        for name in (SETTINGS, EVENTS, RESULT, "solution.sol", "solution.json", "report.html"):
            (self.path / name).unlink(missing_ok=True)
        if self.checkpoints.is_dir():
            shutil.rmtree(self.checkpoints)

    def write_result(self, content: dict[str, Any]) -> None:
        """Write `result.json`, whole or not at all. Raises `OSError`."""
        write_text(self.result, json.dumps(plain(content), indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
