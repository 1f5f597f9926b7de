"""A run's checkpoints in one folder, saved so that a crash at any moment leaves the old or the new state."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evo.errors import CheckpointError, SettingsError

from . import compression, disk
from .atomic import remove_leftovers, write_atomically
from .checkpoint import Checkpoint, read_file
from .encoding import encode
from .files import expect_mapping
from .folder import LATEST, OURS, Warn, file_name, generations, newest_good


class CheckpointStore:
    """The newest checkpoints of one run, ``gen-00000120.msgpack`` and so on, and ``latest``, the newest one's name.

    Generations only grow: one older than the newest in the folder is refused until `discard_after` has said that what
    came later is superseded. One run at a time may write into a folder; any number may read.

    Parameters
    ----------
    folder
        Made where it is missing. What a writer that died left half written is removed.
    keep
        How many checkpoints to keep, the newest, at least 1.
    every
        Keep those of every so many generations for good, too.
    compress
        Compress large arrays where that makes them smaller; needs the package zstandard.
    warn
        Told, in one line each, of damaged files that were passed over and of what failed after a checkpoint was safe.

    Raises
    ------
    SettingsError
        `keep` or `every` is below 1, or zstandard is not installed.
    CheckpointError
        The folder cannot be made or read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int = 3,
        *,
        every: int | None = None,
        compress: bool = False,
        warn: Warn = warnings.warn,
    ) -> None:
        if keep < 1:
            raise SettingsError(f"keep: expected at least 1 checkpoint, found {keep}")
        if every is not None and every < 1:
            raise SettingsError(f"every: expected at least 1 generation, found {every}")
        if compress:
            compression.require()
        self.folder = Path(folder).absolute()
        self.keep = keep
        self.every = every
        self._compress = compress
        self._warn = warn
        try:
            disk.make_folder(self.folder)
            remove_leftovers(self.folder, OURS)
        except OSError as error:
            raise self._failed("cannot be used", error) from error

    def save(self, generation: int, tree: Mapping[str, Any]) -> Path:
        """Write a generation's checkpoint; when this returns it is on the disk.

        Parameters
        ----------
        generation
            0 or more, and no less than the newest in the folder; the same generation again takes its place.
        tree
            See `encode` for what it may hold.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        CheckpointError
            It could not be saved; the checkpoints that were there still are.
        """
        return self.put(generation, self.encode(tree))

    def encode(self, tree: Mapping[str, Any]) -> list[bytes | memoryview]:
        """Return a tree's bytes as this store writes them; raises `CheckpointError` for what it cannot hold."""
        return encode(expect_mapping(tree), compress=self._compress)

    def put(self, generation: int, buffers: Sequence[bytes | memoryview]) -> Path:
        """Write a generation's checkpoint that is encoded already; otherwise as `save`."""
        if generation < 0:
            raise CheckpointError(f"{self.folder}: expected a generation of 0 or more, found {generation}")
        path = self.folder / file_name(generation)
        try:
            if disk.make_folder(self.folder):
                self._warn(f"{self.folder}: the folder was gone and has been made again")
            there = generations(self.folder)
            if there and there[-1] > generation:
                raise CheckpointError(
                    f"{path}: older than {file_name(there[-1])} in the same folder; discard what comes after "
                    f"generation {generation} first, or use another folder"
                )
            write_atomically(path, buffers)
        except OSError as error:
            raise self._failed(f"{path.name} cannot be saved", error) from error
        # From here on the checkpoint is safe: what fails now is told, and tried again with the next one.
        try:
            self._set_latest(generation)
            older = [other for other in there if other < generation]
            # Not synced: an old one that a loss of power brings back does no harm, and goes with the next save.
            self._remove([old for old in older[: max(0, len(older) + 1 - self.keep)] if not self._is_kept(old)])
        except OSError as error:
            self._warn(f"{self.folder}: {path.name} is saved, but tidying up failed: {error.strerror or error}")
        return path

    def load(self, generation: int) -> Checkpoint:
        """Read a generation's checkpoint; raises `CheckpointError` if it is not there or damaged."""
        return read_file(self.folder / file_name(generation))

    def newest(self, *, warn: Warn | None = None) -> Checkpoint:
        """Return the newest good checkpoint.

        Parameters
        ----------
        warn
            Told of every damaged file that was passed over; the store's own `warn` by default.

        Raises
        ------
        CheckpointError
            There is none, or the newest is sound but cannot be used here.
        """
        return newest_good(self.folder, warn or self._warn)

    def generations(self) -> list[int]:
        """Return the generations that have a file, good or not, in ascending order."""
        try:
            return generations(self.folder)
        except OSError as error:
            raise self._failed("cannot be read", error) from error

    def discard_after(self, generation: int) -> list[int]:
        """Remove every checkpoint later than a generation from which the run goes on; return which.

        The generation itself is read first: a good one always remains. Then `latest` is set to it, and the later ones
        go, the newest first. A crash on the way leaves some of them: `newest` is then one of those, a state of the run
        as it was before, whole like any other; discard again before you go on.

        Raises
        ------
        CheckpointError
            The generation's own checkpoint is missing or damaged: nothing was removed. Or a file cannot be removed.
        """
        self.load(generation)
        later = [other for other in self.generations() if other > generation]
        try:
            if later:
                self._set_latest(generation)
                self._remove(later[::-1])
                disk.sync_folder(self.folder)
        except OSError as error:
            raise self._failed(f"what comes after {file_name(generation)} cannot be removed", error) from error
        return later

    def prune(self, *, warn: Warn | None = None) -> list[int]:
        """Remove what this store would not keep; return which. The `keep` newest that are good remain.

        Parameters
        ----------
        warn
            Told of every damaged file among the newest, which is left for the user to see; the store's by default.

        Raises
        ------
        CheckpointError
            A file cannot be removed, or none is good: then nothing is removed.
        """
        found, good, oldest_kept = self.generations(), 0, None
        for generation in reversed(found):
            try:
                self.load(generation)
            except CheckpointError as error:
                (warn or self._warn)(str(error))
                continue
            good, oldest_kept = good + 1, generation
            if good == self.keep:
                break
        if oldest_kept is None:
            raise CheckpointError(f"{self.folder}: expected a good checkpoint, found none among {len(found)}")
        unwanted = [old for old in found if old < oldest_kept and not self._is_kept(old)]
        try:
            self._remove(unwanted)
            disk.sync_folder(self.folder)
        except OSError as error:
            raise self._failed("old checkpoints cannot be removed", error) from error
        return unwanted

    def _is_kept(self, generation: int) -> bool:
        return self.every is not None and generation % self.every == 0

    def _set_latest(self, generation: int) -> None:
        write_atomically(self.folder / LATEST, [f"{file_name(generation)}\n".encode()])

    def _remove(self, unwanted: Sequence[int]) -> None:
        for generation in unwanted:
            disk.remove(self.folder / file_name(generation))

    def _failed(self, what: str, error: OSError) -> CheckpointError:
        return CheckpointError(f"{self.folder}: {what}: {error.strerror or error}")
