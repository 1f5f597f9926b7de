"""A loop of one's own, saved and resumed: python examples/ask_tell.py [--generations 40]

Here the points are measured by something that evo cannot call: a laboratory, another program, people. The loop saves
its state after every generation; started again, it goes on where it was, to the same end. Kill it whenever you like.
"""

import argparse
from pathlib import Path

import numpy as np

import evo
from evo import checkpoints


def measured(x: np.ndarray) -> np.ndarray:
    """Stands for the laboratory: ``(n, 4) -> (n,)``, NaN where a measurement failed."""
    found = ((x - [0.1, 0.2, 0.3, 0.4]) ** 2).sum(axis=1)
    return np.where(x[:, 0] > 0.9, np.nan, found)


def main() -> None:
    """Go on from what is saved, or begin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=40)
    parser.add_argument("--file", type=Path, default=Path("loop.msgpack"))
    options = parser.parse_args()

    if options.file.exists():
        loop = evo.AskTell.from_state(checkpoints.load(options.file))
        print(f"going on after generation {loop.generation}")
    else:
        loop = evo.AskTell(evo.Real(0, 1, shape=4), optimizer="cma-es", seed=1)
    while loop.generation < options.generations:
        x = loop.ask()
        checkpoints.save(options.file, loop.state())  # what is being measured is known even if this process dies
        loop.tell(measured(x))
        checkpoints.save(options.file, loop.state())
    print(f"objective {loop.objective:.3e} after {loop.evaluations} measurements at {np.round(loop.x, 3)}")
    print(f"digest {checkpoints.digest(loop.state())}")


if __name__ == "__main__":
    main()
