"""Search spaces: what a genome is, its bounds, and how a first population is drawn.

A genome is one row of a two-dimensional array, ``(population, size)``; the user's code sees it with the space's shape,
``(batch, *shape)``: see `Space.shaped`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
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
    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        """The genomes that points of [0, 1)^size stand for, ``(count, size)``: even where those are."""

    @abstractmethod
    def contains(self, genomes: np.ndarray) -> np.ndarray:
        """Which rows of ``(count, size)`` are genomes of this space, ``(count,)`` bool."""

    @abstractmethod
    def to_spec(self) -> dict[str, Any]:
        """A description of plain values and arrays; `space_specs.space_from_spec` is its inverse."""

    def shaped(self, genomes: np.ndarray) -> Any:
        """``(count, size)`` genomes as the user's code sees them, ``(count, *shape)``; a view where they are alike."""
        return genomes if len(self.shape) == 1 else genomes.reshape(len(genomes), *self.shape)

    def point(self, genome: np.ndarray) -> Any:
        """One genome as the user's code sees it."""
        return self.shaped(genome[None])[0]

    def flat(self, points: Any, count: int) -> np.ndarray:
        """The inverse of `shaped`, for `count` points; they may lie outside. Raises `UsageError` for another shape."""
        return self.checked_shape(points, count).reshape(count, self.size).astype(self.dtype)

    def checked_shape(self, points: Any, count: int) -> np.ndarray:
        """`points` as an array, ``(count, *shape)``. Raises `UsageError`."""
        rows, expected = np.asarray(points), (count, *self.shape)
        if rows.shape != expected:
            raise UsageError(f"expected an array of shape {expected}, found {rows.shape}")
        return rows

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

    def _bounds(self) -> dict[str, Any]:
        return {"lower": self.lower.reshape(self.shape), "upper": self.upper.reshape(self.shape)}


class Real(_Bounded):
    """Real numbers, ``lower <= x <= upper``, float64.

    Parameters
    ----------
    log
        Search their logarithms: for numbers, above 0, whose magnitude is what matters.
    step
        Only lower, lower + step, lower + 2 step, … up to `upper`, all alike.

    A genome holds the logarithm, or the number before it is rounded to a step; the attributes `lower` and `upper` are
    the bounds of that.
    """

    kind = "real"
    dtype = np.dtype(np.float64)

    def __init__(
        self,
        lower: ArrayLike,
        upper: ArrayLike,
        shape: int | Sequence[int] | None = None,
        *,
        log: bool = False,
        step: float | None = None,
    ) -> None:
        super().__init__(lower, upper, shape)
        self._least, self._most = self.lower, self.upper
        self.log, self.step = bool(log), step
        if log and step is not None:
            raise UsageError(f"step: expected none with log=True, found {step!r}")
        if log:
            if (self.lower <= 0).any():
                raise UsageError(f"lower: expected numbers above 0 with log=True, found {lower!r}")
            self.lower, self.upper = np.log(self.lower), np.log(self.upper)
        elif step is not None:
            if isinstance(step, bool) or not isinstance(step, (int, float)) or not 0 < step < math.inf:
                raise UsageError(f"step: expected a number above 0, found {step!r}")
            self._steps = np.floor((self._most - self._least) / step + 1e-9)
            # Every value owns an interval as wide as any other's.
            self.lower, self.upper = self._least - 0.5 * step, self._least + (self._steps + 0.5) * step

    def shaped(self, genomes: np.ndarray) -> Any:
        if self.log:
            genomes = np.clip(np.exp(genomes), self._least, self._most)
        elif self.step is not None:
            taken = np.clip(np.rint((genomes - self._least) / self.step), 0.0, self._steps)
            genomes = np.minimum(self._least + taken * self.step, self._most)
        return super().shaped(genomes)

    def flat(self, points: Any, count: int) -> np.ndarray:
        genomes = super().flat(points, count)
        if not self.log:
            return genomes
        with np.errstate(divide="ignore", invalid="ignore"):  # not above 0: outside the space, as -inf and nan are
            return np.asarray(np.log(genomes))

    def _bounds(self) -> dict[str, Any]:
        more = {"log": True} if self.log else {} if self.step is None else {"step": float(self.step)}
        return {"lower": self._least.reshape(self.shape), "upper": self._most.reshape(self.shape), **more}

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return self.from_unit(rng.random((count, self.size)))

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        return np.asarray(unit * (self.upper - self.lower) + self.lower)


class Integer(_Bounded):
    """Whole numbers, ``lower <= x <= upper`` (both included), int64."""

    kind = "integer"
    dtype = np.dtype(np.int64)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(self.lower, self.upper, size=(count, self.size), endpoint=True)

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        return whole_numbers(unit, self.lower, self.upper)


class Binary(Space):
    """Bits, bool."""

    kind = "binary"
    dtype = np.dtype(np.bool_)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return self.from_unit(rng.random((count, self.size)))

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        return np.asarray(unit < 0.5)

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

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        return np.argsort(unit, axis=1, kind="stable")

    def contains(self, genomes: np.ndarray) -> np.ndarray:
        return np.asarray((np.sort(genomes, axis=1) == np.arange(self.size)).all(axis=1))

    def to_spec(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape)}


def whole_numbers(unit: np.ndarray, lower: np.ndarray | int, upper: np.ndarray | int) -> np.ndarray:
    """Points of the unit cube as whole numbers, both bounds included, int64; each number owns an equal interval."""
    # In unsigned numbers, which wrap around: the difference of two int64 may be too large for one.
    least = np.asarray(lower, dtype=np.int64).astype(np.uint64)
    widest = np.asarray(upper, dtype=np.int64).astype(np.uint64) - least
    steps = np.floor(unit * (widest.astype(np.float64) + 1.0)).astype(np.uint64)
    return np.asarray((least + np.minimum(steps, widest)).astype(np.int64))
