"""A run's folder: its files by name, made once, never by accident over another run's."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evo.checkpoints import folder as checkpoints
from evo.checkpoints.lock import FolderLock, Owner
from evo.errors import UsageError
from evo.events import plain

SETTINGS = "settings.yaml"
CHECKPOINTS = "checkpoints"
EVENTS = "events.jsonl"
RESULT = "result.json"
LOCK = "run.lock"


class RunFolder:
    """The files of one run, as the public contract names them, and the lock of the run that writes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / SETTINGS
        self.checkpoints = path / CHECKPOINTS
        self.events = path / EVENTS
        self.result = path / RESULT
        self._lock = FolderLock(path / LOCK)

    @classmethod
    def create(cls, path: Path, *, overwrite: bool = False) -> RunFolder:
        """Make the folder for a new run, and lock it.

        Raises
        ------
        UsageError
            Where it cannot be made or written, where another run is writing into it, or where it holds a run already
            and `overwrite` is False.
        """
        folder = cls(path.absolute())
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.lock()
            if not overwrite:
                cls.refuse_run(path)
            elif folder.holds_run():
                folder._clear()
            folder.checkpoints.mkdir(exist_ok=True)
        except FileExistsError:
            folder.release()
            raise UsageError(f"{path}: expected a folder, found a file") from None
        except OSError as error:
            folder.release()
            raise UsageError(f"{path}: cannot be used as the run's folder: {error.strerror or error}") from error
        except BaseException:
            folder.release()
            raise
        return folder

    @classmethod
    def refuse_run(cls, path: Path, *, can_overwrite: bool = True) -> None:
        """Raise `UsageError` where a folder holds a run already; `can_overwrite`: whether the caller may replace it."""
        if cls(path).holds_run():
            resuming = f"{path}: holds a run already: resume it (evo resume {path})"
            if can_overwrite:
                raise UsageError(f"{resuming}, choose another folder, or replace it with --overwrite (overwrite=True)")
            raise UsageError(f"{resuming}, or choose another folder")

    @classmethod
    def of(cls, path: Path) -> RunFolder | None:
        """The run's folder that a path means: the folder itself, its checkpoints, or one of them; None: another file.

        Raises nothing for a path that does not exist: whoever reads it will tell.
        """
        path = path.absolute()
        inside = path.parent if path.is_file() else path
        folder = inside.parent if inside.name == CHECKPOINTS else inside
        is_one = (folder / CHECKPOINTS).is_dir() and (folder / SETTINGS).exists()
        return cls(folder) if is_one and (path.is_dir() or inside.name == CHECKPOINTS) else None

    def lock(self) -> Owner | None:
        """Take the folder for this run alone, until `release`.

        Returns
        -------
        Owner or None
            The run that died while it held the folder, where one did.

        Raises
        ------
        UsageError
            Another run is writing into it, or the lock's file cannot be written.
        """
        try:
            return self._lock.acquire()
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def release(self) -> None:
        """Let another run have the folder."""
        self._lock.release()

    def write_settings(self, text: str) -> None:
        """Write `settings.yaml`. Raises `UsageError`."""
        try:
            write_text(self.settings, text)
        except OSError as error:
            raise UsageError(f"{self.settings}: cannot be written: {error.strerror or error}") from error

    def mend(self, settings: str) -> bool:
        """Make again what was deleted of the folder while the run goes on.

        Returns
        -------
        bool
            Whether anything was missing.

        Raises
        ------
        CheckpointError
            Another run has the folder by now.
        OSError
            It cannot be made again.
        """
        if self._lock.held and self.settings.exists():
            return False
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        if not self._lock.held:
            self._lock.release()
            self._lock.acquire()
        write_text(self.settings, settings)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

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


def checkpoint_of(folder: Path, generation: int) -> Path:
    """The file of one generation in a folder of checkpoints. Raises `UsageError` where there is none."""
    path = folder / checkpoints.file_name(generation)
    if not path.is_file():
        found = ", ".join(map(str, checkpoints.generations(folder))) if folder.is_dir() else ""
        raise UsageError(
            f"{folder}: expected a checkpoint of generation {generation}, found {found or 'none'}; "
            f"checkpoint.every keeps those that you want to branch from"
        )
    return path


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
