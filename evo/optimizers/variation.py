"""`Variation`: crossover and mutation as a genetic algorithm's settings name them, for a whole generation at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from evo.dominance import memory
from evo.operators.named import CROSSOVERS, MUTATIONS, default_name, operator
from evo.optimizers import checks
from evo.rng import Purpose, stream
from evo.spaces import Permutation, Space

TRIES = 3
"""Where new children are asked for, a copy of a parent is mutated so often to become one."""


class Variation:
    """Makes children of parents.

    Parameters
    ----------
    crossover
        Probability that a pair of parents is crossed, in [0, 1].
    mutation
        Probability per gene (per individual for permutations), in [0, 1]; None: 1 / genes (0.5 for permutations).
    crossover_operator, mutation_operator
        See `evo.operators.named`; None: the space's default.

    Raises
    ------
    SettingsError
        A parameter is not what it may be.
    """

    def __init__(
        self,
        space: Space,
        crossover: float,
        mutation: float | None,
        crossover_operator: str | None,
        mutation_operator: str | None,
    ) -> None:
        self.space = space
        self.crossover = checks.share("crossover", crossover)
        if mutation is None:
            mutation = 0.5 if isinstance(space, Permutation) else 1.0 / space.size
        self.mutation = checks.share("mutation", mutation)
        self.operators = (
            default_name(CROSSOVERS, space) if crossover_operator is None else crossover_operator,
            default_name(MUTATIONS, space) if mutation_operator is None else mutation_operator,
        )
        self._cross = operator("crossover_operator", self.operators[0], CROSSOVERS, space)
        self._mutate = operator("mutation_operator", self.operators[1], MUTATIONS, space)

    def parameters(self) -> dict[str, Any]:
        """The keywords that an optimizer with a variation has beside its own."""
        return {
            "crossover": self.crossover,
            "mutation": self.mutation,
            "crossover_operator": self.operators[0],
            "mutation_operator": self.operators[1],
        }

    def children(
        self, parents: np.ndarray, crossed: np.ndarray, count: int, seed: int, generation: int, *, new: bool = False
    ) -> np.ndarray:
        """Children, (count, size).

        Parameters
        ----------
        parents
            (2 pairs, size): the mate of row i is row pairs + i.
        crossed
            (pairs,) bool: which pairs are crossed; the others' children are copies.
        count
            At most 2 pairs.
        new
            Mutate those that crossover has left as a parent is again, where mutation does the same.
        """
        pairs = len(crossed)
        first, second = parents[:pairs], parents[pairs:]
        one, two = self._cross(first, second, self.space, stream(seed, generation, Purpose.CROSSOVER))
        keep = ~crossed
        one[keep], two[keep] = first[keep], second[keep]
        children = np.concatenate((one, two))[:count]
        rng = stream(seed, generation, Purpose.MUTATION)
        if not new:
            return np.asarray(self._mutate(children, self.space, rng, self.mutation))
        from evo.kernels_survival import take_first_change, unchanged

        # Copies are mutated TRIES times, all in one call; the first try that changes one counts.
        whole = memory(parents)
        copies = unchanged(memory(children), whole)
        pool = np.concatenate((children, *[children[copies]] * (TRIES - 1)))
        mutated = np.ascontiguousarray(self._mutate(pool, self.space, rng, self.mutation))
        take_first_change(memory(mutated), count, copies, whole)
        return mutated[:count]
