"""A journal beside the checkpoints: records appended one by one, so that what comes between two checkpoints is kept.

A record is a tree in the bytes of a checkpoint, which tell their own length and checksum. Records lie end to end in
segments, ``journal-00000120.bin`` and so on. A segment is begun with each checkpoint, named by its generation, and
removed when a later checkpoint is safe. What a crash left half written at a segment's end is cut off.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evo.errors import CheckpointError

from . import disk
from .checkpoint import FileSource
from .decoding import Source, decode_source
from .encoding import encode
from .folder import Warn
from .format import HEADER_LENGTH, MAGIC, DamagedError, Header

SYNC_SECONDS = 1.0
"""A killed process loses nothing that was appended; a loss of power at most this much, and what the disk held back."""

_SEGMENT = re.compile(r"journal-([0-9]{8}|[1-9][0-9]{8,17})\.bin")


class Journal:
    """The journal of one run.

    Parameters
    ----------
    folder
        That of the checkpoints.
    generation
        The checkpoint that the run goes on from: what is appended belongs to what comes after it.
    warn
        Told, in one line each, of what was cut off or cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        generation: int,
        *,
        warn: Warn = warnings.warn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._generation = generation
        self._warn = warn
        self._clock = clock
        self._descriptor: int | None = None
        self._length = 0
        self._broken = False
        self._synced = -float("inf")

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record; when this returns, the process may be killed.

        Raises
        ------
        CheckpointError
            It cannot be written: neither can later ones until the next `begin`.
        """
        if self._broken:
            return
        buffers = encode(record)
        try:
            if self._descriptor is None:
                self._open()
            assert self._descriptor is not None
            disk.write(self._descriptor, buffers)
            self._length += sum(map(len, buffers))
            if self._clock() - self._synced >= SYNC_SECONDS:
                disk.sync(self._descriptor)
                self._synced = self._clock()
        except OSError as error:
            self._give_up_segment()
            raise CheckpointError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def begin(self, generation: int) -> bool:
        """Append to a new segment from now on: the state of this generation is about to be saved.

        Returns
        -------
        bool
            False: the segment in use is that one, and sound.
        """
        if generation == self._generation and not self._broken:
            return False
        self.close()
        self._generation, self._broken = generation, False
        return True

    def discard_before(self, generation: int) -> None:
        """Remove what is older than a checkpoint that is safe; raises `OSError`. Another thread may call it."""
        for found in segments(self.folder):
            if found < min(generation, self._generation):
                disk.remove(self.folder / segment_name(found))

    def close(self) -> None:
        """Close the segment, with all of it on the disk."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            disk.sync(descriptor)
        except OSError as error:
            self._warn(f"{self._path}: cannot be written: {error.strerror or error}")
        finally:
            disk.close(descriptor)

    @property
    def _path(self) -> Path:
        return self.folder / segment_name(self._generation)

    def _open(self) -> None:
        descriptor = disk.open_for_appending(self._path)
        try:
            self._length = 0
            for _, self._length in _records(FileSource(descriptor)):
                pass
            if disk.size(descriptor) > self._length:
                disk.truncate(descriptor, self._length)
            disk.sync_folder(self.folder)
        except BaseException:
            disk.close(descriptor)
            raise
        self._descriptor = descriptor

    def _give_up_segment(self) -> None:
        """Leave no half record at the segment's end, if that can be helped, and write no more to it."""
        descriptor, self._descriptor, self._broken = self._descriptor, None, True
        if descriptor is None:
            return
        try:
            disk.truncate(descriptor, self._length)
        except OSError:
            pass  # then reading stops there
        finally:
            disk.close(descriptor)


def segment_name(generation: int) -> str:
    """Return the name of the segment that follows a generation's checkpoint."""
    return f"journal-{generation:08d}.bin"


def segments(folder: Path) -> list[int]:
    """Return the generations that have a segment, ascending; raises `OSError`."""
    matches = (_SEGMENT.fullmatch(name) for name in disk.names(folder))
    return sorted(int(match[1]) for match in matches if match)


def read_journal(folder: Path, warn: Warn = warnings.warn) -> list[dict[str, Any]]:
    """Return every sound record of a folder's journal, the oldest first; tell `warn` of what was cut off."""
    found: list[dict[str, Any]] = []
    try:
        names = [segment_name(generation) for generation in segments(folder)]
    except OSError:
        return found  # whoever reads the checkpoints there will tell
    for name in names:
        try:
            found += _read_segment(folder / name, warn)
        except OSError as error:
            warn(f"{folder / name}: cannot be read: {error.strerror or error}; what it holds is evaluated again")
    return found


def _read_segment(path: Path, warn: Warn) -> list[dict[str, Any]]:
    descriptor = disk.open_for_reading(path)
    try:
        source, found, end = FileSource(descriptor), [], 0
        for record, record_end in _records(source):
            end = record_end
            if isinstance(record, dict):
                found.append(record)
        if end < source.size:
            warn(f"{path}: the last {source.size - end} bytes are no whole record; what they held is evaluated again")
        return found
    finally:
        disk.close(descriptor)


def _records(source: Source) -> Iterator[tuple[Any, int]]:
    """Yield each record with the offset of its end, up to the first that is not sound."""
    offset = 0
    while source.size - offset >= HEADER_LENGTH:
        first = bytearray(HEADER_LENGTH)
        try:
            source.read_into(memoryview(first), offset)
            if not first.startswith(MAGIC):
                return
            length = Header.unpack(bytes(first)).file_length
            if not HEADER_LENGTH <= length <= source.size - offset:
                return
            record = decode_source(_Part(source, offset, length))
        except CheckpointError:  # damaged, or of a newer evo
            return
        offset += length
        yield record, offset


class _Part:
    """Some of the bytes of another source."""

    def __init__(self, source: Source, start: int, size: int) -> None:
        self._source = source
        self._start = start
        self.size = size

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill the view with the bytes from the offset on."""
        if offset + len(view) > self.size:
            raise DamagedError(f"damaged: the record ends at byte {self.size}")
        self._source.read_into(view, self._start + offset)
