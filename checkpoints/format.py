"""The layout of a checkpoint file, and what all its versions have in common.

All numbers are little-endian::

    offset  size
         0     8  magic
         8     4  format version
        12     8  name of the checksum, ASCII
        20     4  zero
        24     8  length of the file
        32     8  length of the tree
        40     8  number of values and keys in the tree
        48    16  checksum of everything before it and everything behind it
        64        the tree, msgpack; zeros up to ROOM_PER_NODE bytes a value or key, then up to a multiple of 64
                  the arrays in the order in which the tree names them, each at a multiple of 64, zeros between

An array without elements takes no place, and is named with offset 0.

In the tree, extension `ARRAY` is an array (element type, number of dimensions, offset from the first array, shape) and
extension `BIG_INTEGER` an integer beyond 64 bits (two's complement). Version 2 adds extension `COMPRESSED`: an array's
name with the number of bytes that it takes in the file, a Zstandard frame; zeros follow it where it would be less than
1 / `MAX_EXPANSION` of the array. Files that hold none are written as version 1.

Magic, version, checksum's name, file length and checksum keep their places in every version, so that a damaged file can
be told from a newer one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import xxhash

from evo.errors import CheckpointError

FORMAT_VERSION = 2
"""The newest version that is known."""
PLAIN_VERSION = 1
"""The version of a file without compressed arrays."""

# Like PNG's: not text, and damaged by whatever changes line ends or strips the eighth bit.
MAGIC = b"\x89EVO\r\n\x1a\n"
ALIGNMENT = 64
ARRAY = 1
BIG_INTEGER = 2
COMPRESSED = 3

# Python needs up to ~200 bytes for what msgpack writes in one. Since every value and key takes this much room in the
# file, a file cannot make its reader allocate more than a small multiple of its own size.
ROOM_PER_NODE = 8
MAX_EXPANSION = 16
"""An array is at most so many times as large as what it takes in the file."""
MAX_TREE_LENGTH = 2**31 - 1 - ALIGNMENT

CHECKSUM = b"xxh3-128"
CHECKSUMS: dict[bytes, Callable[[], Any]] = {CHECKSUM: xxhash.xxh3_128}
CHECKSUM_OFFSET = 48
HEADER_LENGTH = 64

# Element type, number of dimensions, offset; the shape follows, 8 bytes a dimension.
ARRAY_NAME = struct.Struct("<3sBQ")
STORED_LENGTH = struct.Struct("<Q")
_HEADER = struct.Struct("<8sI8sIQQQ16s")


class DamagedError(CheckpointError):
    """The bytes are no sound checkpoint: cut off, changed, hostile, or something else altogether."""


class Header(NamedTuple):
    """The first 64 bytes."""

    version: int
    checksum_name: bytes
    file_length: int
    tree_length: int
    nodes: int
    checksum: bytes = bytes(16)

    def pack(self) -> bytes:
        """Return the header's bytes."""
        numbers = (self.file_length, self.tree_length, self.nodes)
        return _HEADER.pack(MAGIC, self.version, self.checksum_name, 0, *numbers, self.checksum)

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """Read a header that starts with the magic; what its fields say is not yet checked."""
        _, version, name, zero, file_length, tree_length, nodes, checksum = _HEADER.unpack(data)
        if version <= FORMAT_VERSION and zero != 0:
            raise DamagedError("damaged: reserved bytes of the header are not zero")
        return cls(version, name, file_length, tree_length, nodes, checksum)

    @property
    def arrays_start(self) -> int:
        """Offset of the first array in the file, bytes."""
        return aligned(HEADER_LENGTH + max(self.tree_length, ROOM_PER_NODE * self.nodes))


def aligned(offset: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-offset // ALIGNMENT) * ALIGNMENT
