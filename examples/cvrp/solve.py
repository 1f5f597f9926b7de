"""Vehicle routing from Python: python examples/cvrp/solve.py"""

from pathlib import Path

import evo
from evo.problems import cvrp

INSTANCE = Path(__file__).with_name("generated-n31.vrp")


def main() -> None:
    """Solve a small instance and print the routes."""
    result = evo.minimize(cvrp.read(INSTANCE), stop=evo.Stop(generations=50), seed=1)
    for number, route in enumerate(result.solution.routes, 1):
        print(f"Route #{number}: {' '.join(map(str, route))}")
    print(f"Cost {result.solution.cost}")


if __name__ == "__main__":
    main()
