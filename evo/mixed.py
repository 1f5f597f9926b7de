"""`Mixed`: a space of named fields, each a space of its own kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evo.errors import UsageError
from evo.spaces import Space


class Mixed(Space):
    """Named fields: ``evo.Mixed(rate=evo.Real(1e-4, 1, log=True), layers=evo.Integer(1, 5))``.

    A genome holds the fields' genomes side by side, float64. The user's code sees a dict, name -> ``(batch, *shape)``;
    a field of one number is ``(batch,)``. A function of one individual sees name -> value.
    """

    kind = "mixed"
    dtype = np.dtype(np.float64)

    def __init__(self, **fields: Space) -> None:
        if not fields:
            raise UsageError("fields: expected at least one, such as rate=evo.Real(0, 1), found none")
        for name, field in fields.items():
            if not isinstance(field, Space) or isinstance(field, Mixed):
                raise UsageError(f"{name}: expected a space such as evo.Real(0, 1), found {field!r}")
            if field.dtype.kind == "i" and field.size and not _exact(field):
                raise UsageError(f"{name}: expected whole numbers between -2**53 and 2**53 in a Mixed, found {field!r}")
        super().__init__(sum(field.size for field in fields.values()))
        self.fields = dict(fields)
        ends = np.cumsum([field.size for field in fields.values()]).tolist()
        self.slices = {
            name: slice(end - field.size, end) for (name, field), end in zip(fields.items(), ends, strict=True)
        }

    def parts(self, genomes: np.ndarray) -> dict[str, np.ndarray]:
        """Each field's genomes, of its own dtype."""
        return {name: genomes[:, self.slices[name]].astype(field.dtype) for name, field in self.fields.items()}

    def joined(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """The inverse of `parts`."""
        return np.concatenate([parts[name].astype(np.float64) for name in self.fields], axis=1)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return self.joined({name: field.sample(count, rng) for name, field in self.fields.items()})

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        return self.joined({name: field.from_unit(unit[:, self.slices[name]]) for name, field in self.fields.items()})

    def contains(self, genomes: np.ndarray) -> np.ndarray:
        parts = self.parts(genomes)
        return np.asarray(np.logical_and.reduce([f.contains(parts[name]) for name, f in self.fields.items()]))

    def shaped(self, genomes: np.ndarray) -> dict[str, np.ndarray]:
        parts = self.parts(genomes)
        found = {name: field.shaped(parts[name]) for name, field in self.fields.items()}
        return {name: x[:, 0] if self.fields[name].shape == (1,) else x for name, x in found.items()}

    def point(self, genome: np.ndarray) -> dict[str, Any]:
        return {name: x[0] for name, x in self.shaped(genome[None]).items()}

    def flat(self, points: Any, count: int) -> np.ndarray:
        if not isinstance(points, Mapping) or set(points) != set(self.fields):
            found = f"fields {', '.join(map(str, points))}" if isinstance(points, Mapping) else type(points).__name__
            raise UsageError(f"expected a dict with the fields {', '.join(self.fields)}, found {found}")
        parts = {}
        for name, field in self.fields.items():
            x = np.asarray(points[name])
            try:
                parts[name] = field.flat(x[:, None] if field.shape == (1,) and x.ndim == 1 else x, count)
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from None
        return self.joined(parts)

    def to_spec(self) -> dict[str, Any]:
        fields = [field.to_spec() for field in self.fields.values()]
        return {"kind": self.kind, "names": list(self.fields), "fields": fields}  # lists: their order is the genome's

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Mixed)
        return list(self.fields.items()) == list(other.fields.items())

    __hash__ = Space.__hash__

    def __repr__(self) -> str:
        return f"Mixed({', '.join(f'{name}={field!r}' for name, field in self.fields.items())})"


def _exact(field: Space) -> bool:
    """Whether float64 holds all of a field's whole numbers."""
    bounds = [getattr(field, name, np.zeros(1)) for name in ("lower", "upper")]
    return all(bool((np.abs(bound.astype(np.float64)) <= 2.0**53).all()) for bound in bounds)
