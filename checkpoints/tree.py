"""What a checkpoint may hold: trees of plain values and arrays, and nothing that would need code to be read again.

A tree is made of dicts with text keys, lists, None, bool, int, float, str, bytes and numpy arrays of bools, integers
and floats. Tuples are taken as lists and numpy scalars as Python's own: that is how they come back.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evo.errors import CheckpointError

Tree: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]

MAX_DEPTH = 64
"""Containers within containers; a tree that contains itself ends here too."""

DTYPES = {
    name: np.dtype(name)
    for name in ("|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")
}
"""The element types that a file may name, all of them of a fixed size and byte order."""


# Subclasses included: numpy's float64 and str_, enumerations of integers, and their like.
_SCALARS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((int, np.integer), int),
    ((float, np.floating), float),
    (str, str.__str__),  # not str(): for an enumeration of texts that is the member's name
    (bytes, bytes),
    (np.bool_, bool),
)


class Kind(enum.Enum):
    """The shapes that a value of a tree can take."""

    MAPPING = enum.auto()
    SEQUENCE = enum.auto()
    ARRAY = enum.auto()
    SCALAR = enum.auto()


_KINDS = {
    **dict.fromkeys((type(None), bool, int, float, str, bytes), Kind.SCALAR),
    dict: Kind.MAPPING,
    list: Kind.SEQUENCE,
}
"""The types that are plain as they are: nearly all that a tree holds beside its arrays."""

Place: TypeAlias = "tuple[Place, str | int] | None"
"""Where in a tree a value is: its container's place and its key or index; spelt out only where there is an error."""


def classify(value: Any, where: Place) -> tuple[Kind, Any]:
    """Return the kind of a value, and the value in its plain form.

    Arrays come back C-contiguous and little-endian, not copied where they are so already.

    Raises
    ------
    CheckpointError
        The value is of a type that a checkpoint cannot hold; the text names the field.
    """
    known = _KINDS.get(type(value))
    if known is not None:
        return known, value
    if isinstance(value, np.ndarray):
        return Kind.ARRAY, _plain_array(value, where)
    if isinstance(value, Mapping):
        return Kind.MAPPING, value
    if isinstance(value, list | tuple):
        return Kind.SEQUENCE, value
    for found, plain in _SCALARS:
        # A long double is a float to numpy, a time difference an integer: what came back would not be equal.
        if isinstance(value, found) and not isinstance(value, np.longdouble | np.timedelta64):
            return Kind.SCALAR, plain(value)
    expected = "dict, list, array, None, bool, int, float, str or bytes"
    raise CheckpointError(f"checkpoint field {name_of(where)}: expected {expected}, found {type(value).__name__}")


def text_items(mapping: Mapping[Any, Any], where: Place) -> Iterator[tuple[str, Any, Place]]:
    """Yield key, value and the value's place in the tree for every item of a mapping.

    Raises
    ------
    CheckpointError
        A key is no text, or two keys are the same text (a subclass of str may have an equality of its own).
    """
    seen: set[str] = set()
    for key, item in mapping.items():
        if not isinstance(key, str):
            raise CheckpointError(f"checkpoint field {name_of(where)}: expected keys of type str, found {key!r:.80}")
        text = str.__str__(key)
        if text in seen:
            raise CheckpointError(f"checkpoint field {name_of(where)}: two keys are the same text, {text!r:.80}")
        seen.add(text)
        yield text, item, (where, text)


def check_depth(depth: int, where: Place) -> None:
    """Raise a `CheckpointError` for a container that is nested too deeply."""
    if depth > MAX_DEPTH:
        raise CheckpointError(f"checkpoint field {name_of(where)}: nested deeper than {MAX_DEPTH} levels")


def snapshot(tree: Tree) -> Tree:
    """Return a copy of a tree that later changes to the tree or to its arrays cannot reach.

    Raises
    ------
    CheckpointError
        The tree holds something that a checkpoint cannot hold; the text names the field.
    """
    return _snapshot(tree, None, 0)


def _snapshot(value: Any, where: Place, depth: int) -> Any:
    kind, plain = classify(value, where)
    if kind is Kind.SCALAR:
        return plain
    if kind is Kind.ARRAY:
        # Making it plain has copied it already where it was strided or of the other byte order.
        return plain.copy() if np.may_share_memory(plain, value) else plain
    check_depth(depth, where)
    if kind is Kind.MAPPING:
        return {key: _snapshot(item, place, depth + 1) for key, item, place in text_items(plain, where)}
    return [_snapshot(item, (where, index), depth + 1) for index, item in enumerate(plain)]


def _plain_array(array: Array, where: Place) -> Array:
    if type(array) not in (np.ndarray, np.memmap):  # a masked array would silently lose its mask
        raise CheckpointError(
            f"checkpoint field {name_of(where)}: expected a plain numpy array, found {type(array).__name__}"
        )
    little = array.dtype.newbyteorder("<")
    if little.str not in DTYPES:
        raise CheckpointError(
            f"checkpoint field {name_of(where)}: expected an array of bools, integers or floats up to 64 bits, "
            f"found dtype {array.dtype!s:.80}"
        )
    # Not ascontiguousarray: that makes a 0-dimensional array 1-dimensional.
    return np.asarray(array, dtype=little, order="C").view(np.ndarray)


def name_of(where: Place) -> str:
    """Spell out a place in a tree: 'optimizer.state[3]'; the middle of a very long one is left out."""
    parts: list[str] = []
    while where is not None:
        where, key = where
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    name = "".join(reversed(parts)).removeprefix(".")
    if len(name) > 120:
        name = f"{name[:60]}…{name[-40:]}"
    return repr(name) if parts else "(the root)"
