"""A digest of a tree that says whether two states are equal, whatever the order in which their dicts were filled."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np

from .tree import Kind, Place, Tree, check_depth, classify, text_items


def digest(tree: Tree) -> str:
    """Return the BLAKE2b digest, 32 hexadecimal digits, of a tree in a canonical form.

    Equal for trees that a checkpoint does not tell apart: dicts in another order, tuples for lists, numpy scalars for
    Python's, arrays with other strides or byte order. Different for everything else: 1, 1.0 and True; 0.0 and -0.0; an
    array of other element type or shape; a 0-dimensional array and a scalar.

    Raises
    ------
    CheckpointError
        The tree holds something that a checkpoint cannot hold; the text names the field.
    """
    state = hashlib.blake2b(digest_size=16)
    _feed(state, tree, None, 0)
    return state.hexdigest()


def _feed(state: hashlib.blake2b, value: Any, where: Place, depth: int) -> None:
    """Feed a value as a letter for its type, its length where that varies, and its content."""
    kind, plain = classify(value, where)
    if kind is Kind.SCALAR:
        state.update(_scalar(plain))
    elif kind is Kind.ARRAY:
        state.update(b"a" + plain.dtype.str.encode() + struct.pack(f"<{plain.ndim + 1}Q", plain.ndim, *plain.shape))
        state.update(plain.reshape(-1).view(np.uint8).data)
    elif kind is Kind.MAPPING:
        check_depth(depth, where)
        items = sorted(text_items(plain, where), key=lambda item: item[0])
        state.update(b"m" + struct.pack("<Q", len(items)))
        for key, item, place in items:
            state.update(_scalar(key))
            _feed(state, item, place, depth + 1)
    else:
        check_depth(depth, where)
        state.update(b"l" + struct.pack("<Q", len(plain)))
        for index, item in enumerate(plain):
            _feed(state, item, (where, index), depth + 1)


def _scalar(value: bool | int | float | str | bytes | None) -> bytes:
    match value:
        case None:
            return b"n"
        case bool():
            return b"t" if value else b"f"
        case int():
            return _sized(b"i", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
        case float():
            return b"d" + struct.pack("<d", value)
        case str():
            return _sized(b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            return _sized(b"b", value)


def _sized(letter: bytes, content: bytes) -> bytes:
    return letter + struct.pack("<Q", len(content)) + content
