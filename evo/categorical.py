"""`Categorical`: genes that are one of a few values without an order, such as the names of methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evo.errors import UsageError
from evo.spaces import Space, whole_numbers


class Categorical(Space):
    """One of `choices` in every place; a genome holds their positions, int64, and the user's code sees the choices.

    Parameters
    ----------
    choices
        Text, numbers, True, False or None, no two equal.
    shape
        How many such genes.
    """

    kind = "categorical"
    dtype = np.dtype(np.int64)

    def __init__(self, choices: Sequence[Any], shape: int | Sequence[int] = 1) -> None:
        super().__init__(shape)
        if isinstance(choices, str) or not isinstance(choices, Sequence) or not len(choices):
            raise UsageError(f"choices: expected a list of values, found {choices!r}")
        found = list(choices)
        for value in found:
            if value is not None and not isinstance(value, (str, bool, int, float)):
                raise UsageError(f"choices: expected text, numbers, True, False or None, found {value!r}")
        if len(set(found)) < len(found):
            raise UsageError(f"choices: expected no two that are equal, found {choices!r}")
        self.choices = tuple(found)
        same_type = len({type(value) for value in found}) == 1
        self._values = np.array(found, dtype=None if same_type and found[0] is not None else object)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(0, len(self.choices), size=(count, self.size))

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        return whole_numbers(unit, 0, len(self.choices) - 1)

    def contains(self, genomes: np.ndarray) -> np.ndarray:
        return np.asarray(((genomes >= 0) & (genomes < len(self.choices))).all(axis=1))

    def shaped(self, genomes: np.ndarray) -> np.ndarray:
        return np.asarray(self._values[genomes].reshape(len(genomes), *self.shape))

    def flat(self, points: Any, count: int) -> np.ndarray:
        rows = self.checked_shape(points, count)
        place = {value: i for i, value in enumerate(self.choices)}
        try:
            codes = [place[value] for value in rows.ravel().tolist()]
        except (KeyError, TypeError) as error:
            raise UsageError(f"expected one of {', '.join(map(repr, self.choices))}, found {error}") from None
        return np.array(codes, dtype=np.int64).reshape(count, self.size)

    def to_spec(self) -> dict[str, Any]:
        return {"kind": self.kind, "shape": list(self.shape), "choices": list(self.choices)}
