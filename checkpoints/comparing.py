"""What differs between two trees, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .digest import digest


class Difference(NamedTuple):
    """A field of which two trees do not hold the same; a missing one is `MISSING`."""

    field: str
    """Its dotted name; positions in lists are numbers."""
    first: Any
    second: Any


class _Missing:
    def __repr__(self) -> str:
        return "(missing)"


MISSING = _Missing()


def differences(first: Any, second: Any, name: str = "") -> Iterator[Difference]:
    """Yield the innermost fields that differ, by `digest`, in the order of the first tree."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        pairs = [(str(key), key) for key in [*first, *(key for key in second if key not in first)]]
        for text, key in pairs:
            yield from _compared(first.get(key, MISSING), second.get(key, MISSING), _within(name, text))
    elif isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        for index in range(max(len(first), len(second))):
            one = first[index] if index < len(first) else MISSING
            other = second[index] if index < len(second) else MISSING
            yield from _compared(one, other, _within(name, str(index)))
    elif digest(first) != digest(second):
        yield Difference(name, first, second)


def _compared(first: Any, second: Any, name: str) -> Iterator[Difference]:
    if first is MISSING or second is MISSING:
        yield Difference(name, first, second)
    else:
        yield from differences(first, second, name)


def _within(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def described(difference: Difference) -> str:
    """One line: both values where they are short, else in what they differ."""
    first, second = difference.first, difference.second
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.shape == second.shape:
        if first.dtype == second.dtype and first.size > 1:
            same = (first == second) | ((first != first) & (second != second))
            return f"{first.size - int(same.sum()):,} of {first.size:,} elements"
        if first.size > 1:
            return f"{first.dtype} | {second.dtype}"
    return f"{_short(first)} | {_short(second)}"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"{value.dtype} array of shape {value.shape}"
    if isinstance(value, (Mapping, list, tuple)) and value:
        return f"{type(value).__name__} of {len(value)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
