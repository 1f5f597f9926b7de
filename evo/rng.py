"""Counter-based random streams: every random number of a run is named by (seed, generation, purpose, row).

A stream is a Philox generator whose key is (seed, purpose) and whose 256-bit counter starts at
(0, 0, row + 1, generation): 2**128 numbers stand between two streams' starts, so they never overlap, and no stream
depends on how many numbers another one has given. Making one costs about 4 µs: make one per purpose and generation, and
one per row only where rows must be independent of each other (noisy objectives).

Source: Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", DOI 10.1145/2063384.2063405.
"""

from __future__ import annotations

import secrets
from enum import IntEnum
from typing import Any

import numpy as np

SEED_BITS = 63


class Purpose(IntEnum):
    """What a stream is for. A number, once given, keeps its meaning: old checkpoints rely on it."""

    SAMPLING = 1
    SELECTION = 2
    CROSSOVER = 3
    MUTATION = 4
    EVALUATION = 5
    SURVIVAL = 6
    RESTART = 7
    EDUCATION = 8


class _NoSeed(np.random.bit_generator.ISeedSequence):
    """A seed that is replaced at once: ``Philox(counter=…, key=…)`` asks the system for entropy, for half its time."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        return np.zeros(n_words, dtype=dtype)


_NO_SEED: Any = _NoSeed()  # numpy's stubs know SeedSequence alone


def stream(seed: int, generation: int, purpose: int, row: int = -1) -> np.random.Generator:
    """The generator of one purpose in one generation, or of one row of it.

    Parameters
    ----------
    seed
        The run's seed, 0 <= seed < 2**63.
    generation
        Counted from 0.
    purpose
        See `Purpose`.
    row
        Position of the individual in its generation; -1 for the stream that the whole generation shares.
    """
    philox = np.random.Philox(_NO_SEED)
    state: Any = {  # tuples cost less than the arrays of the declared type
        "bit_generator": "Philox",
        "state": {"counter": (0, 0, row + 1, generation), "key": (seed, int(purpose))},
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,  # used up
        "has_uint32": 0,
        "uinteger": 0,
    }
    philox.state = state
    return np.random.Generator(philox)


def fresh_seed() -> int:
    """A seed from the operating system's entropy, for a run that was asked to choose its own."""
    return secrets.randbits(SEED_BITS)
