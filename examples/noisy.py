"""A noisy objective, the same for any number of workers: python examples/noisy.py [--workers 2]

A shop orders goods every morning, up to a level for each, and does not know the day's demand. A point is evaluated by
simulating days with random demand: told twice, it is told differently. Each individual has a random generator of its
own, keyed by seed, generation and place, so that the whole run is reproducible all the same.
"""

import argparse

import numpy as np

import evo

DEMAND = np.array([20.0, 50.0, 90.0])
"""Mean demand per day of each good; it is exponential."""
PRICE, COST = 5.0, 3.0


class Shop(evo.Problem):
    """What a day brings, maximised; what is not sold is thrown away."""

    space = evo.Real(0.0, 300.0, shape=3)
    noisy = True
    maximize = True

    def __init__(self, days: int = 100) -> None:
        self.days = days

    def evaluate(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # one row at a time
        """``(1, 3) -> (1,)``: the mean over some days."""
        demand = rng.exponential(DEMAND, (self.days, 3))
        return np.array([(PRICE * np.minimum(demand, x) - COST * x).sum(axis=1).mean()])


def main() -> None:
    """Maximise, and judge the result without noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    means = evo.History({"level": lambda run: run.individuals.genome.mean(axis=0)})
    result = evo.maximize(
        Shop(),
        optimizer={"type": "cma-es", "population": 40, "restarts": "none"},
        stop=evo.Stop(generations=60),
        seed=1,
        workers=options.workers,
        callbacks=[means],
    )
    # The luckiest individual is not the best one: the mean of the last generations is a fairer answer.
    level = means["level"][-20:].mean(axis=0)
    print(f"luckiest   {np.round(result.x, 1)}, said to bring {result.objective:.2f}")
    print(f"mean       {np.round(level, 1)}, brings {expected(level):.2f}")
    best = DEMAND * np.log(PRICE / COST)
    print(f"optimum    {np.round(best, 1)}, brings {expected(best):.2f}")
    print(f"digest     {result.digest}")


def expected(level: np.ndarray) -> float:
    """What a day brings on average."""
    return float((PRICE * DEMAND * (1.0 - np.exp(-level / DEMAND)) - COST * level).sum())


if __name__ == "__main__":
    main()
