"""Search spaces: what a genome is, its bounds, and how a first population is drawn.

A genome is one row of a two-dimensional array, ``(population, size)``; the user's code sees it with the space's shape,
``(batch, *shape)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from evo.errors import UsageError

ArrayLike = float | Sequence[float] | np.ndarray


MAX_SIZE = 2**31 - 1
"""Numbers in a genome: far more than any population of them fits a machine's memory for."""


def _checked_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    dimensions = tuple(shape) if isinstance(shape, (Sequence, np.ndarray)) else (shape,)
    if not dimensions or any(isinstance(d, bool) or not isinstance(d, (int, np.integer)) or d < 1 for d in dimensions):
        raise UsageError(f"shape: expected a positive integer or a tuple of them, found {shape!r}")
    return tuple(int(d) for d in dimensions)


class Space(ABC):
    """Base class. Spaces are immutable and compare by content."""

    kind: ClassVar[str]
    dtype: ClassVar[np.dtype[Any]]

    def __init__(self, shape: int | Sequence[int]) -> None:
        self.shape = _checked_shape(shape)
        self.size = math.prod(self.shape)
        if self.size > MAX_SIZE:
            raise UsageError(f"shape: expected at most {MAX_SIZE:,} numbers in a genome, found {shape!r}")

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` genomes uniformly, ``(count, size)`` of the space's dtype."""

    @abstractmethod
    def contains(self, genomes: np.ndarray) -> np.ndarray:
        """Which rows of ``(count, size)`` are genomes of this space, ``(count,)`` bool."""

    @abstractmethod
    def to_spec(self) -> dict[str, Any]:
        """A description of plain values and arrays; `space_from_spec` is its inverse."""

    def shaped(self, genomes: np.ndarray) -> np.ndarray:
        """A view of ``(count, size)`` genomes as the user's code sees them, ``(count, *shape)``."""
        return genomes if len(self.shape) == 1 else genomes.reshape(len(genomes), *self.shape)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self.to_spec(), other.to_spec()
        return mine.keys() == theirs.keys() and all(np.array_equal(mine[k], theirs[k]) for k in mine)

    def __hash__(self) -> int:
        return hash((self.kind, self.shape))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape})"


class _Bounded(Space):
    """Numbers between bounds, given for all dimensions at once or one by one."""

    def __init__(self, lower: ArrayLike, upper: ArrayLike, shape: int | Sequence[int] | None = None) -> None:
        if shape is None:
            try:
                shape = np.broadcast_shapes(np.shape(lower), np.shape(upper)) or 1
            except (TypeError, ValueError):
                raise UsageError(
                    f"lower, upper: expected numbers of one shape, found {lower!r} and {upper!r}"
                ) from None
        super().__init__(shape)
        self.lower = self._bound("lower", lower)
        self.upper = self._bound("upper", upper)
        if (wrong := np.flatnonzero(self.lower > self.upper)).size:
            i = int(wrong[0])
            raise UsageError(f"upper[{i}]: expected at least lower[{i}] = {self.lower[i]}, found {self.upper[i]}")

    def _bound(self, name: str, value: ArrayLike) -> np.ndarray:
        try:
            numbers = np.asarray(value, dtype=np.float64)
            full = np.broadcast_to(numbers, self.shape).reshape(-1)
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{name}: expected a number or numbers of shape {self.shape}, found {value!r}") from None
        if not np.isfinite(full).all():
            raise UsageError(f"{name}: expected finite numbers, found {value!r}")
        if self.dtype.kind == "i" and (full != np.round(full)).any():
            raise UsageError(f"{name}: expected whole numbers, found {value!r}")
        if self.dtype.kind == "i" and (np.abs(full) >= 2.0**63).any():
            raise UsageError(f"{name}: expected whole numbers between -2**63 and 2**63, found {value!r}")
        bound = full.astype(self.dtype)
        bound.flags.writeable = False
        return bound

    def contains(self, genomes: np.ndarray) -> np.ndarray:
        inside = (genomes >= self.lower) & (genomes <= self.upper)
        return np.asarray(inside.all(axis=1))

    def to_spec(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), **self._bounds()}

    def _bounds(self) -> dict[str, np.ndarray]:
        return {"lower": self.lower.reshape(self.shape), "upper": self.upper.reshape(self.shape)}


class Real(_Bounded):
    """Real numbers, ``lower <= x <= upper``, float64."""

    kind = "real"
    dtype = np.dtype(np.float64)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(rng.random((count, self.size)) * (self.upper - self.lower) + self.lower)


class Integer(_Bounded):
    """Whole numbers, ``lower <= x <= upper`` (both included), int64."""

    kind = "integer"
    dtype = np.dtype(np.int64)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(self.lower, self.upper, size=(count, self.size), endpoint=True)


class Binary(Space):
    """Bits, bool."""

    kind = "binary"
    dtype = np.dtype(np.bool_)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.random((count, self.size)) < 0.5

    def contains(self, genomes: np.ndarray) -> np.ndarray:
        return np.full(len(genomes), genomes.dtype == np.bool_)

    def to_spec(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape)}


class Permutation(Space):
    """Orders of ``0 .. length-1``, int64."""

    kind = "permutation"
    dtype = np.dtype(np.int64)

    def __init__(self, length: int) -> None:
        super().__init__(length)
        if len(self.shape) != 1:
            raise UsageError(f"length: expected a positive integer, found {length!r}")

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permuted(np.tile(np.arange(self.size), (count, 1)), axis=1)

    def contains(self, genomes: np.ndarray) -> np.ndarray:
        return np.asarray((np.sort(genomes, axis=1) == np.arange(self.size)).all(axis=1))

    def to_spec(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape)}


def space_from_spec(spec: Mapping[str, Any]) -> Space:
    """The space that `Space.to_spec` described. Raises `UsageError` where it describes none."""
    kind, shape = spec.get("kind"), spec.get("shape", 1)
    if kind == "real":
        return Real(spec["lower"], spec["upper"], shape)
    if kind == "integer":
        return Integer(spec["lower"], spec["upper"], shape)
    if kind == "binary":
        return Binary(shape)
    if kind == "permutation":
        return Permutation(shape if isinstance(shape, int) else shape[0])
    raise UsageError(f"space.kind: expected real, integer, binary or permutation, found {kind!r}")
