"""A checkpoint that was read: a mapping over its tree, and the file it came from."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evo.errors import CheckpointError

from . import disk
from .decoding import decode_source
from .format import HEADER_LENGTH, DamagedError, Header


class Checkpoint(Mapping[str, Any]):
    """A run's saved state, by name; arrays are numpy's, writable, and own their memory.

    Attributes
    ----------
    path
        The file that it was read from; None for one made in memory, or read from elsewhere.
    name
        Where it was read from, for messages: the path, or a URL.
    """

    def __init__(self, tree: dict[str, Any], path: Path | None = None, name: str = "") -> None:
        self.path = path
        self.name = name or str(path or "")
        self._tree = tree

    def __getitem__(self, key: str) -> Any:
        return self._tree[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)

    def __repr__(self) -> str:
        return f"Checkpoint({', '.join(self)}; path={str(self.path) if self.path else None!r})"


def read_file(path: Path) -> Checkpoint:
    """Read one file.

    Raises
    ------
    DamagedError
        The file's bytes are no sound checkpoint.
    CheckpointError
        The file is missing, may not be read, is of a newer format version, or is too large for the memory.
    """
    try:
        descriptor = disk.open_for_reading(path)
        try:
            tree = decode_source(FileSource(descriptor))
        finally:
            disk.close(descriptor)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such checkpoint") from error
    except OSError as error:
        kind = DamagedError if error.errno == errno.EIO else CheckpointError
        raise kind(f"{path}: cannot be read: {error.strerror or error}") from error
    except DamagedError as error:
        raise DamagedError(f"{path}: {error}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(tree, dict):
        raise DamagedError(f"{path}: expected a mapping at the root of the checkpoint, found {type(tree).__name__}")
    return Checkpoint(tree, path)


def format_of(path: Path) -> tuple[int, str]:
    """The format version of a file that can be read, and its checksum's name. Raises `CheckpointError`."""
    try:
        with path.open("rb") as file:
            header = Header.unpack(file.read(HEADER_LENGTH))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    return header.version, header.checksum_name.rstrip(b"\0").decode("ascii", "replace")


class FileSource:
    """The bytes of an open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = disk.size(descriptor)

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill the view with the bytes from the offset on."""
        while len(view):
            count = disk.read(self._descriptor, view, offset)
            if not count:
                raise DamagedError(f"damaged: the file was cut off at byte {offset} while it was read")
            view, offset = view[count:], offset + count
