"""Writing a tree as the bytes of a checkpoint, without copying its arrays."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np

from evo.errors import CheckpointError

from . import compression
from .format import (
    ALIGNMENT,
    ARRAY,
    ARRAY_NAME,
    BIG_INTEGER,
    CHECKSUM,
    CHECKSUM_OFFSET,
    CHECKSUMS,
    COMPRESSED,
    FORMAT_VERSION,
    HEADER_LENGTH,
    MAX_TREE_LENGTH,
    PLAIN_VERSION,
    STORED_LENGTH,
    Header,
    aligned,
)
from .tree import Array, Kind, Place, Tree, check_depth, classify, text_items


def encode(tree: Tree, *, compress: bool = False) -> list[bytes | memoryview]:
    """Return a checkpoint's bytes as buffers to be written one after the other.

    Parameters
    ----------
    tree
        Nested dicts with text keys, lists, None, bool, int (of any size), float, str, bytes, numpy scalars, and numpy
        arrays of bools, integers and floats, of any shape and strides. Tuples are written as lists.
    compress
        Compress large arrays where that makes them smaller; needs the package zstandard.

    Returns
    -------
    list of buffers
        Contiguous arrays are not copied: the buffers show later changes to them, so write before you change anything
        (or encode a `snapshot`).

    Raises
    ------
    CheckpointError
        The tree holds something else; the text names the field.
    """
    writer = _TreeWriter(compress)
    converted = writer.convert(tree, None, 0)
    try:
        packed = msgpack.packb(converted, use_bin_type=True, strict_types=True, unicode_errors="surrogatepass")
    except ValueError as error:  # a text or bytes of 4 GB and more
        raise CheckpointError(f"checkpoint: too large outside its arrays: {error}") from error
    if len(packed) > MAX_TREE_LENGTH:
        raise CheckpointError(
            f"checkpoint: expected at most {MAX_TREE_LENGTH} bytes outside its arrays, found {len(packed)}"
        )
    version = FORMAT_VERSION if writer.has_compressed else PLAIN_VERSION
    header = Header(version, CHECKSUM, 0, len(packed), writer.nodes)
    header = header._replace(file_length=header.arrays_start + writer.arrays_length)
    body: list[bytes | memoryview] = [packed, bytes(header.arrays_start - HEADER_LENGTH - len(packed))]
    position = 0
    for data in writer.arrays:
        if padding := -position % ALIGNMENT:
            body.append(bytes(padding))
        body.append(data)
        position = aligned(position) + len(data)
    checksum = CHECKSUMS[CHECKSUM]()
    checksum.update(header.pack()[:CHECKSUM_OFFSET])
    for buffer in body:
        checksum.update(buffer)
    return [header._replace(checksum=checksum.digest()).pack(), *body]


class _TreeWriter:
    """Turns a tree into what msgpack writes; sets its arrays aside."""

    def __init__(self, compress: bool) -> None:
        self.nodes = 0
        self.arrays: list[bytes | memoryview] = []
        self.arrays_length = 0
        self.has_compressed = False
        self._compress = compress

    def convert(self, value: Any, where: Place, depth: int) -> Any:
        self.nodes += 1
        kind, plain = classify(value, where)
        if kind is Kind.SCALAR:
            return _big_integer(plain) if type(plain) is int and not -(2**63) <= plain < 2**64 else plain
        if kind is Kind.ARRAY:
            return self._set_aside(plain)
        check_depth(depth, where)
        if kind is Kind.MAPPING:
            self.nodes += len(plain)
            return {key: self.convert(item, place, depth + 1) for key, item, place in text_items(plain, where)}
        return [self.convert(item, (where, index), depth + 1) for index, item in enumerate(plain)]

    def _set_aside(self, array: Array) -> msgpack.ExtType:
        offset = aligned(self.arrays_length) if array.size else 0
        name = ARRAY_NAME.pack(array.dtype.str.encode(), array.ndim, offset)
        shape = b"".join(length.to_bytes(8, "little") for length in array.shape)
        if not array.size:
            return msgpack.ExtType(ARRAY, name + shape)
        data = array.reshape(-1).view(np.uint8).data
        frame = compression.compressed(data) if self._compress else None
        self.arrays.append(data if frame is None else frame)
        self.arrays_length = offset + len(self.arrays[-1])
        if frame is None:
            return msgpack.ExtType(ARRAY, name + shape)
        self.has_compressed = True
        return msgpack.ExtType(COMPRESSED, name + shape + STORED_LENGTH.pack(len(frame)))


def _big_integer(value: int) -> msgpack.ExtType:
    return msgpack.ExtType(BIG_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
