"""Make the fixture file of the newest format version: python tests/checkpoints/make_fixture.py

A released version's fixture is never made again: it stands for the files that people have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evo.checkpoints import FORMAT_VERSION, encode
from evo.checkpoints.tree import DTYPES

FIXTURES = Path(__file__).parent / "fixtures"


def tree_of_version_1() -> dict[str, Any]:
    """A tree with everything that version 1 can hold."""
    return {
        "none": None,
        "bools": [True, False],
        "integers": [0, -1, 127, 128, -129, 2**31, 2**63, 2**64 - 1, -(2**63), 2**64, -(2**63) - 1, 3**200, -(3**200)],
        "floats": [0.0, -0.0, 0.1, float("inf"), -float("inf"), float("nan"), 5e-324],
        "texts": ["", "plain", "é ∞ \N{GRINNING FACE}", "\udc80", "x" * 300],
        "bytes": [b"", b"\x00\xff", b"y" * 300],
        "containers": [[], {}, [[]], {"": {"": []}}, list(range(20)), {str(number): number for number in range(20)}],
        "arrays": {name: np.arange(7).astype(dtype) for name, dtype in DTYPES.items()},
        "shapes": [np.array(1.5), np.zeros(0), np.zeros((3, 0, 2), np.int16), np.arange(24.0).reshape(2, 3, 4)],
    }


def tree_of_version_2() -> dict[str, Any]:
    """A tree with everything that version 2 adds: arrays that are compressed, beside some that are not."""
    counts = np.arange(10_000, dtype=np.int64) % 97
    return {
        "small": np.arange(5),
        "integers": counts,
        "floats": np.sqrt(counts % 7).reshape(100, 100),
        "bools": counts.astype(np.bool_).repeat(3),
        "zeros": np.zeros(9000),
        "bytes": (counts * 7919 % 251).astype(np.uint8).repeat(2),
    }


if __name__ == "__main__":
    path = FIXTURES / f"v{FORMAT_VERSION}.msgpack"
    if path.exists():
        raise SystemExit(f"{path} is there already: a fixture is never made again")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(encode(tree_of_version_2(), compress=True)))
    print(path)
