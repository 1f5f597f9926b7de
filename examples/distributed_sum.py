"""The sum of a large array, in chunks on every core: python examples/distributed_sum.py

The array is shared: Ray's store holds it once, and every worker maps it without a copy. An item is a range of it.
"""

import argparse
import time
from itertools import pairwise

import numpy as np

from evo import distributed


def partial_sum(span: tuple[int, int], shared: np.ndarray) -> float:
    """The sum of ``shared[first:last]``."""
    first, last = span
    return float(shared[first:last].sum())


def main() -> None:
    """Sum, and compare with numpy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=5_000_000, help="numbers in the array")
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--workers", default="auto", help="n, auto, or 0: in this process")
    options = parser.parse_args()
    workers = options.workers if options.workers == "auto" else int(options.workers)

    numbers = np.random.default_rng(1).random(options.size)
    edges = np.linspace(0, options.size, options.chunks + 1).astype(int).tolist()
    spans = list(pairwise(edges))

    begin = time.perf_counter()
    parts = distributed.map(partial_sum, spans, workers=workers, shared=numbers)
    total = sum(parts)
    print(f"sum of {options.size:,} numbers in {len(parts)} chunks: {total:.6f}")
    print(f"numpy says                                   {numbers.sum():.6f}")
    print(f"{parts.seconds:.2f} s, and {time.perf_counter() - begin - parts.seconds:.2f} s to start the workers")
    assert np.isclose(total, numbers.sum())


if __name__ == "__main__":
    main()
