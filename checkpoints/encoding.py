"""Writing a tree as the bytes of a checkpoint, without copying its arrays."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np

from evo.errors import CheckpointError

from .format import (
    ALIGNMENT,
    ARRAY,
    ARRAY_NAME,
    BIG_INTEGER,
    CHECKSUM,
    CHECKSUM_OFFSET,
    CHECKSUMS,
    FORMAT_VERSION,
    HEADER_LENGTH,
    MAX_TREE_LENGTH,
    Header,
    aligned,
)
from .tree import Array, Kind, Place, Tree, check_depth, classify, text_items


def encode(tree: Tree) -> list[bytes | memoryview]:
    """Return a checkpoint's bytes as buffers to be written one after the other.

    Parameters
    ----------
    tree
        Nested dicts with text keys, lists, None, bool, int (of any size), float, str, bytes, numpy scalars, and numpy
        arrays of bools, integers and floats, of any shape and strides. Tuples are written as lists.

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
    writer = _TreeWriter()
    converted = writer.convert(tree, None, 0)
    try:
        packed = msgpack.packb(converted, use_bin_type=True, strict_types=True, unicode_errors="surrogatepass")
    except ValueError as error:  # a text or bytes of 4 GB and more
        raise CheckpointError(f"checkpoint: too large outside its arrays: {error}") from error
    if len(packed) > MAX_TREE_LENGTH:
        raise CheckpointError(
            f"checkpoint: expected at most {MAX_TREE_LENGTH} bytes outside its arrays, found {len(packed)}"
        )
    header = Header(FORMAT_VERSION, CHECKSUM, 0, len(packed), writer.nodes)
    header = header._replace(file_length=header.arrays_start + writer.arrays_length)
    body: list[bytes | memoryview] = [packed, bytes(header.arrays_start - HEADER_LENGTH - len(packed))]
    position = 0
    for array in writer.arrays:
        if padding := -position % ALIGNMENT:
            body.append(bytes(padding))
        body.append(array.reshape(-1).view(np.uint8).data)
        position = aligned(position) + array.nbytes
    checksum = CHECKSUMS[CHECKSUM]()
    checksum.update(header.pack()[:CHECKSUM_OFFSET])
    for buffer in body:
        checksum.update(buffer)
    return [header._replace(checksum=checksum.digest()).pack(), *body]


class _TreeWriter:
    """Turns a tree into what msgpack writes; sets its arrays aside."""

    def __init__(self) -> None:
        self.nodes = 0
        self.arrays: list[Array] = []
        self.arrays_length = 0

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
        if array.size:
            self.arrays.append(array)
            self.arrays_length = offset + array.nbytes
        return msgpack.ExtType(ARRAY, name + shape)


def _big_integer(value: int) -> msgpack.ExtType:
    return msgpack.ExtType(BIG_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
