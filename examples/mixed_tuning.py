"""Tuning a scikit-learn model over a mixed space, on workers: python examples/mixed_tuning.py [--workers 2]

Needs scikit-learn: pip install "evo-engine[examples]". What is tuned has names, as the model has them: numbers on a
logarithmic scale, whole numbers, and choices. The objective is the accuracy of a cross-validation.
"""

import argparse
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import evo

SPACE = evo.Mixed(
    model=evo.Categorical(["svm", "neighbours", "trees"]),
    C=evo.Real(0.01, 100, log=True),
    gamma=evo.Real(1e-4, 1, log=True),
    kernel=evo.Categorical(["rbf", "poly", "linear"]),
    neighbours=evo.Integer(1, 15),
    weights=evo.Categorical(["uniform", "distance"]),
    rate=evo.Real(0.02, 0.5, log=True),
    leaves=evo.Integer(4, 32),
)


@cache  # once in every worker
def data() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits, every fourth."""
    x, y = load_digits(return_X_y=True)
    return x[::4], y[::4]


def model(p: dict[str, Any]) -> Any:
    """The model that a point stands for; what belongs to other models is of no matter."""
    if p["model"] == "svm":
        return make_pipeline(StandardScaler(), SVC(C=p["C"], gamma=p["gamma"], kernel=p["kernel"]))
    if p["model"] == "neighbours":
        return KNeighborsClassifier(int(p["neighbours"]), weights=p["weights"])
    return HistGradientBoostingClassifier(
        learning_rate=p["rate"], max_leaf_nodes=int(p["leaves"]), max_iter=10, early_stopping=False, random_state=1
    )


def accuracy(p: dict[str, Any]) -> float:
    """Mean accuracy of a three-fold cross-validation."""
    return float(cross_val_score(model(p), *data(), cv=3).mean())


def main() -> None:
    """Tune, and show the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="n, or 0: in this process")
    parser.add_argument("--evaluations", type=int, default=150)
    options = parser.parse_args()
    result = evo.maximize(
        accuracy,
        SPACE,
        optimizer={"type": "ga", "population": 20, "sampling": "latin-hypercube"},
        stop=evo.Stop(evaluations=options.evaluations),
        seed=1,
        workers=options.workers,
    )
    print(f"accuracy {result.objective:.4f} after {result.evaluations} evaluations, {result.seconds:.1f} s")
    for name, value in result.x.items():
        print(f"{name:<12}{value}")


if __name__ == "__main__":
    main()
