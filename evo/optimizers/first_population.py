"""`FirstPopulation`: the points a run starts from, given ones first, the others drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evo.errors import SettingsError, UsageError
from evo.events import plain
from evo.optimizers import checks
from evo.sampling import METHODS, check, unit_points
from evo.spaces import Space


def given_points(space: Space, start: Any) -> tuple[np.ndarray, list[Any] | None]:
    """Starting points as genomes, (m, size), and as plain data for the settings; None: there are none.

    Parameters
    ----------
    start
        Points as the user's code sees them (`Result.x`): one, or a list or array of some.

    Raises
    ------
    SettingsError
        They are no points of the space.
    """
    if start is None:
        return np.empty((0, space.size), dtype=space.dtype), None
    points = [start] if _is_one(space, start) else start
    if not isinstance(points, (list, tuple, np.ndarray)) or len(points) == 0:
        raise SettingsError(f"optimizer.start: expected one point of the space, or a list of some, found {start!r:.80}")
    genomes = np.concatenate([_genome(space, i, point) for i, point in enumerate(points)])
    return genomes, plain(list(points))


def _is_one(space: Space, start: Any) -> bool:
    if isinstance(start, Mapping):
        return True
    try:
        return bool(np.shape(start) == space.shape)
    except ValueError:  # lists of different lengths
        return False


def _genome(space: Space, index: int, point: Any) -> np.ndarray:
    try:
        if isinstance(point, Mapping):
            genome = space.flat({name: np.asarray(value)[None] for name, value in point.items()}, 1)
        else:
            genome = space.flat(np.asarray(point)[None], 1)
    except (UsageError, TypeError, ValueError, OverflowError) as error:
        raise SettingsError(f"optimizer.start: expected points of the space; number {index}: {error}") from None
    if not space.contains(genome).all() or not _is_whole(space.point(genome[0]), point):
        raise SettingsError(
            f"optimizer.start: expected points within the space; number {index} is outside: {point!r:.80}"
        )
    return genome


def _is_whole(taken: Any, given: Any) -> bool:
    """Whether no number was cut off in becoming a whole one, or a bit."""
    if isinstance(given, Mapping):
        return all(_is_whole(taken[name], given[name]) for name in given)
    return np.asarray(taken).dtype.kind not in "bi" or bool(np.array_equal(taken, given))


class FirstPopulation:
    """How an optimizer's first population is made.

    Parameters
    ----------
    sampling
        A name of `evo.sampling.METHODS`.
    start
        See `given_points`.

    Raises
    ------
    SettingsError
        One of them is not what it may be.
    """

    def __init__(self, space: Space, sampling: str, start: Any) -> None:
        self.space = space
        self.sampling = checks.choice("sampling", sampling, METHODS)
        check(self.sampling, space.size)
        self.given, self._start = given_points(space, start)

    def parameters(self) -> dict[str, Any]:
        """The keywords that an optimizer with a first population has beside its own."""
        return {"sampling": self.sampling, "start": self._start}

    def check_size(self, size: int) -> None:
        """Raises `SettingsError` where more points are given than there are individuals."""
        if len(self.given) > size:
            raise SettingsError(
                f"optimizer.start: expected at most {size} points, as many as the population has, found "
                f"{len(self.given)}"
            )

    def genomes(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, size)."""
        given = self.given[:count]
        if self.sampling == "uniform":
            drawn = self.space.sample(count - len(given), rng)
        else:
            drawn = self.space.from_unit(unit_points(self.sampling, count - len(given), self.space.size, rng))
        return np.concatenate((given, drawn)) if len(given) else drawn

    def unit(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Drawn points alone, of [0, 1)^size, for optimizers with coordinates of their own."""
        return unit_points(self.sampling, count, self.space.size, rng)
