"""Spaces made again of their descriptions in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evo.categorical import Categorical
from evo.errors import UsageError
from evo.mixed import Mixed
from evo.spaces import Binary, Integer, Permutation, Real, Space


def space_from_spec(spec: Mapping[str, Any]) -> Space:
    """The space that `Space.to_spec` described. Raises `UsageError` where it describes none."""
    kind, shape = spec.get("kind"), spec.get("shape", 1)
    if kind == "real":
        return Real(spec["lower"], spec["upper"], shape, log=spec.get("log", False), step=spec.get("step"))
    if kind == "integer":
        return Integer(spec["lower"], spec["upper"], shape)
    if kind == "binary":
        return Binary(shape)
    if kind == "permutation":
        return Permutation(shape if isinstance(shape, int) else shape[0])
    if kind == "categorical":
        return Categorical(spec["choices"], shape)
    if kind == "mixed":
        return Mixed(**dict(zip(spec["names"], map(space_from_spec, spec["fields"]), strict=True)))
    known = "real, integer, binary, permutation, categorical or mixed"
    raise UsageError(f"space.kind: expected {known}, found {kind!r}")
