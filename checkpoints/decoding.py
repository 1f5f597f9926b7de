"""Reading the bytes of a checkpoint, whoever wrote them: every length is checked before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import msgpack
import numpy as np

from evo.errors import CheckpointError

from .compression import decompress_into
from .format import (
    ARRAY,
    ARRAY_NAME,
    BIG_INTEGER,
    CHECKSUM_OFFSET,
    CHECKSUMS,
    COMPRESSED,
    FORMAT_VERSION,
    HEADER_LENGTH,
    MAGIC,
    MAX_EXPANSION,
    MAX_TREE_LENGTH,
    PLAIN_VERSION,
    STORED_LENGTH,
    DamagedError,
    Header,
    aligned,
)
from .tree import DTYPES, MAX_DEPTH, Array, Tree

# Small enough to stay in the processor's cache between being read and being summed.
_CHUNK = 256 * 1024
_MAX_DIMENSIONS = 64  # numpy's own limit


class Source(Protocol):
    """Bytes of a known number that can be read from anywhere."""

    size: int

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill the view with the bytes from the offset on; raise `DamagedError` if there are not so many."""


class MemorySource:
    """The bytes of a buffer."""

    def __init__(self, buffer: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(buffer).cast("B")
        self.size = len(self._view)

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill the view with the bytes from the offset on."""
        view[:] = self._view[offset : offset + len(view)]


def decode(buffer: bytes | bytearray | memoryview) -> Tree:
    """Return the tree that a checkpoint's bytes hold.

    Arrays are writable and own their memory. No byte sequence runs code or makes this allocate more than a small
    multiple of the buffer's size.

    Raises
    ------
    CheckpointError
        The bytes are no checkpoint, damaged, or of a newer format version.
    """
    return decode_source(MemorySource(buffer))


def decode_source(source: Source) -> Tree:
    """Return the tree that a source holds; raises as `decode` does."""
    header = _verified_header(source)
    reader = _READERS.get(header.version)
    if reader is None:
        raise _unknown_version(header.version)
    try:
        return reader(source, header)
    except (MemoryError, RecursionError) as error:
        raise CheckpointError(f"cannot be read here: {type(error).__name__}") from error


def _verified_header(source: Source) -> Header:
    """Read the header, and compare the whole source with the checksum in it."""
    first = bytearray(min(HEADER_LENGTH, source.size))
    source.read_into(memoryview(first), 0)
    if first[: len(MAGIC)] != MAGIC[: len(first)]:
        raise DamagedError("not a checkpoint: it does not begin as one that evo wrote")
    if source.size < HEADER_LENGTH:
        raise DamagedError(f"damaged: cut off after {source.size} bytes")
    header = Header.unpack(bytes(first))
    if header.file_length != source.size:
        raise DamagedError(f"damaged: expected {header.file_length} bytes, found {source.size}")
    if header.checksum_name not in CHECKSUMS:
        if header.version > FORMAT_VERSION:
            raise _unknown_version(header.version)
        raise DamagedError(f"damaged: unknown checksum {header.checksum_name!r}")
    checksum = CHECKSUMS[header.checksum_name]()
    checksum.update(first[:CHECKSUM_OFFSET])
    scratch = memoryview(bytearray(min(_CHUNK, source.size)))
    for offset in range(HEADER_LENGTH, source.size, _CHUNK):
        part = scratch[: min(_CHUNK, source.size - offset)]
        source.read_into(part, offset)
        checksum.update(part)
    if checksum.digest() != header.checksum:
        raise DamagedError("damaged: the checksum does not agree with the content")
    return header


def _unknown_version(version: int) -> CheckpointError:
    return CheckpointError(
        f"format version {version} is unknown here: the newest that this evo reads is {max(_READERS)}; "
        "a newer evo is needed"
    )


def _read(source: Source, header: Header) -> Tree:
    """Read a tree of format version 1, or of 2, which has one more extension."""
    if header.tree_length > MAX_TREE_LENGTH or header.arrays_start > source.size:
        raise DamagedError(f"damaged: a tree of {header.tree_length} bytes, {header.nodes} nodes does not fit the file")
    data = bytearray(header.tree_length)
    source.read_into(memoryview(data), HEADER_LENGTH)
    reader = _TreeReader(source, header, data)
    try:
        tree = reader.value(0)
    except (ValueError, msgpack.UnpackException) as error:
        raise DamagedError(f"damaged: the tree is no msgpack: {type(error).__name__} {error}".rstrip()) from error
    reader.check_end()
    return tree


_READERS: dict[int, Callable[[Source, Header], Tree]] = {1: _read, 2: _read}
"""A reader for every version that was ever released."""


class _ArrayName(bytes):
    """An array as the tree names it."""


class _CompressedName(_ArrayName):
    """A compressed array as the tree names it."""


class _TreeReader:
    """Walks through a msgpack tree, the lengths and the depth under its own control.

    msgpack's own `unpackb` makes a list as long as a header says before it sees the first item: lists within lists
    that each promise a million items would take gigabytes. Here a container grows with what is really there.
    """

    def __init__(self, source: Source, header: Header, data: bytearray) -> None:
        self._source = source
        self._header = header
        self._data = data
        self._nodes = 0
        self._arrays_end = header.arrays_start
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            unicode_errors="surrogatepass",
            ext_hook=_extension if header.version > PLAIN_VERSION else _plain_extension,
            max_buffer_size=max(len(data), 1),
        )
        self._unpacker.feed(data)

    def value(self, depth: int) -> Any:
        """Read the next value, a container with all that is in it."""
        first = self._next_type()
        if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
            _check_depth(depth)
            return [self.value(depth + 1) for _ in range(self._unpacker.read_array_header())]
        if 0x80 <= first <= 0x8F or first in (0xDE, 0xDF):
            _check_depth(depth)
            return self._mapping(self._unpacker.read_map_header(), depth)
        value = self._unpacker.unpack()
        if isinstance(value, _ArrayName):
            return self._array(value)
        if isinstance(value, msgpack.Timestamp):
            raise DamagedError("damaged: the tree holds a timestamp")
        return value

    def check_end(self) -> None:
        """Raise a `DamagedError` unless tree and arrays fill the file exactly."""
        if self._unpacker.tell() != len(self._data) or self._nodes != self._header.nodes:
            raise DamagedError("damaged: the tree ends before its stated length")
        if self._arrays_end != self._header.file_length:
            raise DamagedError(
                f"damaged: expected arrays up to byte {self._header.file_length}, found {self._arrays_end}"
            )

    def _next_type(self) -> int:
        self._nodes += 1
        if self._nodes > self._header.nodes:
            raise DamagedError(f"damaged: the tree holds more than the stated {self._header.nodes} values and keys")
        position: int = self._unpacker.tell()
        if position >= len(self._data):
            raise DamagedError("damaged: the tree goes on beyond its stated length")
        return self._data[position]

    def _mapping(self, length: int, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for _ in range(length):
            first = self._next_type()
            if not (0xA0 <= first <= 0xBF or 0xD9 <= first <= 0xDB):
                raise DamagedError("damaged: a mapping's key is no text")
            key = self._unpacker.unpack()
            if key in mapping:
                raise DamagedError(f"damaged: the key {key!r:.80} occurs twice in one mapping")
            mapping[key] = self.value(depth + 1)
        return mapping

    def _array(self, name: _ArrayName) -> Array:
        stored = None
        if isinstance(name, _CompressedName):
            (stored,) = STORED_LENGTH.unpack(name[-STORED_LENGTH.size :].rjust(STORED_LENGTH.size, b"\0"))
            name = _ArrayName(name[: -STORED_LENGTH.size])
        dtype, shape, offset = _parse_array_name(name)
        # Not only in range: exactly where the writer would have put it, so that no two arrays overlap.
        size = math.prod(shape) * dtype.itemsize
        length = size if stored is None else stored
        if size > MAX_EXPANSION * length:
            raise DamagedError(f"damaged: an array of {size} bytes compressed to {length}")
        expected = aligned(self._arrays_end) - self._header.arrays_start if length else 0
        if offset != expected:
            raise DamagedError(f"damaged: expected an array at offset {expected}, found {offset}")
        start = self._header.arrays_start + offset
        if length and start + length > self._header.file_length:
            raise DamagedError(f"damaged: an array of {length} bytes at {start} does not fit the file")
        try:
            array: Array = np.empty(shape, dtype)
        except (ValueError, OverflowError) as error:
            # No elements, and yet a shape beyond what numpy can address.
            raise DamagedError(f"damaged: an array of shape {shape!s:.80}") from error
        if length:
            raw = array.reshape(-1).view(np.uint8)
            if stored is None:
                self._source.read_into(raw.data, start)
            else:
                frame = bytearray(length)
                self._source.read_into(memoryview(frame), start)
                decompress_into(raw.data, frame)
            if dtype == np.bool_ and raw.max() > 1:
                raise DamagedError("damaged: an array of bools holds something else")
            self._arrays_end = start + length
        return array


def _extension(code: int, data: bytes) -> Any:
    return _CompressedName(data) if code == COMPRESSED else _plain_extension(code, data)


def _plain_extension(code: int, data: bytes) -> Any:
    if code == ARRAY:
        return _ArrayName(data)
    if code == BIG_INTEGER:
        return int.from_bytes(data, "little", signed=True)
    raise DamagedError(f"damaged: the tree holds an extension of unknown type {code}")


def _parse_array_name(name: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    if len(name) < ARRAY_NAME.size:
        raise DamagedError(f"damaged: an array's name of {len(name)} bytes")
    code, dimensions, offset = ARRAY_NAME.unpack_from(name)
    dtype = DTYPES.get(code.decode("latin-1"))
    if dtype is None:
        raise DamagedError(f"damaged: an array of unknown element type {code!r}")
    if dimensions > _MAX_DIMENSIONS or len(name) != ARRAY_NAME.size + 8 * dimensions:
        raise DamagedError(f"damaged: an array of {dimensions} dimensions named in {len(name)} bytes")
    shape = tuple(np.frombuffer(name, dtype="<u8", offset=ARRAY_NAME.size).tolist())
    return dtype, shape, offset


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DamagedError(f"damaged: nested deeper than {MAX_DEPTH} levels")
