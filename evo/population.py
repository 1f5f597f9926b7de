"""`Population`: a struct of arrays. Each field is one array with a row per individual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np


class Population(Mapping[str, np.ndarray]):
    """Named arrays of equal length, e.g. ``genome`` (n, d), ``objective`` (n,), ``violation`` (n,).

    Raises
    ------
    ValueError
        Where the fields differ in length.
    """

    def __init__(self, **fields: np.ndarray) -> None:
        lengths = {name: len(array) for name, array in fields.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"fields: expected equal lengths, found {lengths}")
        self._fields = fields
        self.size = next(iter(lengths.values()), 0)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def take(self, rows: np.ndarray | slice) -> Population:
        """The individuals at `rows`, in that order."""
        return Population(**{name: array[rows] for name, array in self._fields.items()})

    def joined(self, other: Population) -> Population:
        """These individuals followed by `other`'s, field by field."""
        return Population(**{name: np.concatenate((array, other[name])) for name, array in self._fields.items()})

    def ranked(self) -> np.ndarray:
        """Rows from best to worst: violation first, then objective; equals keep their order."""
        return np.lexsort((self["objective"], self["violation"]))
