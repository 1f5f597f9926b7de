"""A grid search over 81 settings of a scikit-learn classifier: python examples/grid_search.py

Needs scikit-learn: pip install "evo-engine[examples]". The data is shared, an item is one combination of parameters.
"""

import argparse
from itertools import product
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from evo import distributed

GRID: dict[str, list[Any]] = {
    "n_estimators": [5, 10, 20],
    "max_depth": [4, 8, None],
    "min_samples_leaf": [1, 3, 9],
    "max_features": ["sqrt", 0.2, 0.5],
}


def accuracy(parameters: dict[str, Any], shared: tuple[np.ndarray, np.ndarray]) -> float:
    """Mean accuracy of a three-fold cross-validation."""
    x, y = shared
    return float(cross_val_score(RandomForestClassifier(random_state=1, **parameters), x, y, cv=3).mean())


def main() -> None:
    """Search, and show the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1797, help="images of the data set to use")
    parser.add_argument("--workers", default="auto", help="n, auto, or 0: in this process")
    options = parser.parse_args()
    workers = options.workers if options.workers == "auto" else int(options.workers)

    x, y = load_digits(return_X_y=True)
    data = (x[: options.samples], y[: options.samples])
    combinations = [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]
    scores = distributed.map(
        accuracy,
        combinations,
        workers=workers,
        shared=data,
        progress=lambda done, total: print(f"\r{done} of {total}", end="", flush=True),
    )
    print(f"\n{len(scores)} combinations, {scores.seconds:.1f} s")
    for at in np.argsort(scores)[::-1][:5]:
        print(f"{scores[at]:.4f}  {combinations[at]}")


if __name__ == "__main__":
    main()
