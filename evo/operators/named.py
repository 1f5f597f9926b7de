"""Operators by name, with the spaces that they are for: one signature for all, also for a user's own.

A crossover is ``f(first, second, space, rng) -> (one, two)``, arrays (pairs, size) of the space's dtype; a mutation is
``f(genomes, space, rng, probability) -> genomes``. They return new arrays, keep to the space, and draw every random
number from `rng`. One of your own is named ``module:function``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo.categorical import Categorical
from evo.errors import SettingsError
from evo.mixed import Mixed
from evo.operators import crossover, mutation, permutation
from evo.optimizers import checks
from evo.spaces import Binary, Integer, Permutation, Real, Space

Spaces = tuple[type[Space], ...]
_VECTORS: Spaces = (Real, Integer, Binary, Categorical)


@dataclass(frozen=True, slots=True)
class Operator:
    """A function, and the spaces that it is for."""

    function: Callable[..., Any]
    spaces: Spaces


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    def crossed(a: np.ndarray, b: np.ndarray, space: Any, rng: np.random.Generator) -> Any:
        return function(a, b, space.lower, space.upper, rng)

    return crossed


def _free(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    def crossed(a: np.ndarray, b: np.ndarray, space: Any, rng: np.random.Generator) -> Any:
        return function(a, b, rng, **options)

    return crossed


def _bounded_mutation(function: Callable[..., Any]) -> Callable[..., Any]:
    def mutated(genomes: np.ndarray, space: Any, rng: np.random.Generator, probability: float) -> Any:
        return function(genomes, space.lower, space.upper, rng, probability=probability)

    return mutated


def _free_mutation(function: Callable[..., Any]) -> Callable[..., Any]:
    def mutated(genomes: np.ndarray, space: Any, rng: np.random.Generator, probability: float) -> Any:
        return function(genomes, rng, probability=probability)

    return mutated


def _crossed_by_field(a: np.ndarray, b: np.ndarray, space: Any, rng: np.random.Generator) -> Any:
    """Each field of a `Mixed` by its space's default crossover."""
    first, second = space.parts(a), space.parts(b)
    for name, field in space.fields.items():
        cross = CROSSOVERS[default_name(CROSSOVERS, field)].function
        first[name], second[name] = cross(first[name], second[name], field, rng)
    return space.joined(first), space.joined(second)


def _mutated_by_field(genomes: np.ndarray, space: Any, rng: np.random.Generator, probability: float) -> Any:
    """Each field of a `Mixed` by its space's default mutation; a permutation as a whole with `probability` a gene."""
    parts = space.parts(genomes)
    for name, field in space.fields.items():
        mutate = MUTATIONS[default_name(MUTATIONS, field)].function
        chance = min(1.0, probability * field.size) if isinstance(field, Permutation) else probability
        parts[name] = mutate(parts[name], field, rng, chance)
    return space.joined(parts)


def _reset(genomes: np.ndarray, space: Any, rng: np.random.Generator, probability: float) -> Any:
    return mutation.reset(genomes, len(space.choices), rng, probability=probability)


CROSSOVERS = {
    "sbx": Operator(_bounded(crossover.simulated_binary), (Real,)),
    "sbx-bounded": Operator(_bounded(crossover.simulated_binary_bounded), (Real,)),
    "uniform": Operator(_free(crossover.uniform), _VECTORS),
    "order": Operator(_free(crossover.order), (Permutation,)),
    "one-point": Operator(_free(crossover.n_point, points=1), _VECTORS),
    "two-point": Operator(_free(crossover.n_point, points=2), _VECTORS),
    "blend": Operator(_bounded(crossover.blend), (Real,)),
    "arithmetic": Operator(_free(crossover.arithmetic), (Real,)),
    "pmx": Operator(_free(permutation.partially_mapped), (Permutation,)),
    "cycle": Operator(_free(permutation.cycle), (Permutation,)),
    "erx": Operator(_free(permutation.edge_recombination), (Permutation,)),
    "by-field": Operator(_crossed_by_field, (Mixed,)),
}
"""The first that knows a space is its default."""

MUTATIONS = {
    "polynomial": Operator(_bounded_mutation(mutation.polynomial), (Real,)),
    "gaussian": Operator(_bounded_mutation(mutation.gaussian), (Real,)),
    "integer-step": Operator(_bounded_mutation(mutation.integer_step), (Integer,)),
    "bit-flip": Operator(_free_mutation(mutation.bit_flip), (Binary,)),
    "inversion": Operator(_free_mutation(mutation.inversion), (Permutation,)),
    "swap": Operator(_free_mutation(mutation.swap), (Permutation,)),
    "insertion": Operator(_free_mutation(mutation.insertion), (Permutation,)),
    "scramble": Operator(_free_mutation(mutation.scramble), (Permutation,)),
    "reset": Operator(_reset, (Categorical,)),
    "by-field": Operator(_mutated_by_field, (Mixed,)),
}
"""The first that knows a space is its default."""


def default_name(operators: dict[str, Operator], space: Space) -> str:
    """The operator that a space gets where none is named."""
    return next(name for name, operator in operators.items() if isinstance(space, operator.spaces))


def operator(field: str, name: str, operators: dict[str, Operator], space: Space) -> Callable[..., Any]:
    """The function of that name.

    Raises
    ------
    SettingsError
        Nothing is called so, or it is not for this space.
    """
    if isinstance(name, str) and ":" in name:
        from evo.importing import import_name

        function = import_name(name, f"optimizer.{field}")
        if not callable(function):
            raise SettingsError(f"optimizer.{field}: expected a function, {name} is {type(function).__name__}")
        return function  # type: ignore[no-any-return]
    fitting = [known for known, entry in operators.items() if isinstance(space, entry.spaces)]
    if isinstance(name, str) and name in operators and name not in fitting:
        kind = type(space).__name__
        raise SettingsError(f"optimizer.{field}: expected one of {', '.join(fitting)} for {kind}, found {name!r}")
    return operators[checks.choice(field, name, fitting)].function
