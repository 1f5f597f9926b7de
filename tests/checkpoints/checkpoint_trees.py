"""What the tests of this room share: random trees, exact equality, and files forged with a right checksum."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import numpy as np
import xxhash
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evo.checkpoints.format import CHECKSUM, CHECKSUM_OFFSET, HEADER_LENGTH, PLAIN_VERSION, Header
from evo.checkpoints.tree import DTYPES

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(st.characters(codec=None), max_size=20)
    | st.binary(max_size=20)
)
ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
TREES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


def small_tree() -> dict[str, Any]:
    """A tree with something of every kind, small enough to try every bit of its file."""
    return {
        "generation": 7,
        "name": "é",
        "big": 2**100,
        "rate": -0.0,
        "flags": [True, None, b"\x00\xff"],
        "x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "inner": {"mask": np.array([True, False]), "scalar": np.array(3, dtype=np.int16), "none": np.zeros((0, 4))},
    }


def identical(left: Any, right: Any) -> bool:
    """Equal in type and in every bit; NaN equals itself, 0.0 does not equal -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(identical(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    return bool(left == right)


def forged(packed: bytes, arrays: bytes = b"", *, nodes: int = 1, version: int = PLAIN_VERSION) -> bytes:
    """A file with a right header and checksum around any bytes for a tree and its arrays."""
    header = Header(version, CHECKSUM, 0, len(packed), nodes)
    header = header._replace(file_length=header.arrays_start + len(arrays))
    body = packed.ljust(header.arrays_start - HEADER_LENGTH, b"\0") + arrays
    return with_checksum(header.pack() + body)


def with_checksum(data: bytes) -> bytes:
    """The same file with its checksum made right."""
    checksum = xxhash.xxh3_128(data[:CHECKSUM_OFFSET] + data[HEADER_LENGTH:]).digest()
    return data[:CHECKSUM_OFFSET] + checksum + data[HEADER_LENGTH:]


def array_name(dtype: bytes, shape: tuple[int, ...], offset: int = 0, dimensions: int | None = None) -> bytes:
    """A tree that is one array, packed."""
    name = struct.pack("<3sBQ", dtype, len(shape) if dimensions is None else dimensions, offset)
    return bytes(msgpack.packb(msgpack.ExtType(1, name + struct.pack(f"<{len(shape)}Q", *shape))))
