"""The state of hybrid genetic search is complete: loaded into a fresh object it goes on bit for bit, at any moment."""

from __future__ import annotations

import numpy as np

from evo.checkpoints import decode, digest, encode
from evo.optimizers.base import Candidates, Results
from evo.problems.cvrp.generator import generate
from evo.problems.cvrp.hgs import HybridGeneticSearch
from evo.problems.cvrp.problem import CVRP


def copied(tree: object) -> object:
    return decode(b"".join(encode(tree)))


def test_every_generation_continues_from_its_state_as_if_nothing_had_been() -> None:
    problem = CVRP(generate(40, seed=2))
    parameters = {"population": 6, "offspring": 8, "batch": 10, "restart": 600}
    live = HybridGeneticSearch(problem, 5, **parameters)
    live.warm_up()
    evaluator = live.evaluator()
    evaluator.warm_up()

    def generation(optimizer: HybridGeneticSearch, ahead: list[Candidates]) -> None:
        while len(ahead) <= optimizer.lookahead:
            candidates = optimizer.ask(None)
            candidates.rows["row"] = np.arange(len(candidates))
            ahead.append(candidates)
        candidates = ahead.pop(0)
        arrays = evaluator.evaluate(candidates.rows, candidates.context)
        optimizer.tell(candidates, Results(arrays, np.zeros(len(candidates), np.bool_)))

    ahead: list[Candidates] = []
    seen = set()
    for _ in range(200):
        generation(live, ahead)
        loaded = HybridGeneticSearch(problem, 5, **parameters)
        loaded.load_state(copied(live.state()))
        other = list(ahead)
        generation(loaded, other)  # one step further than the live one, from the copy alone
        saved, next_ahead = copied(live.state()), list(ahead)
        generation(live, next_ahead)
        assert digest(loaded.state()) == digest(live.state())
        seen.add(digest(live.state()))
        live = HybridGeneticSearch(problem, 5, **parameters)
        live.load_state(saved)  # type: ignore[arg-type]  # a tree
        live, ahead = loaded, other
    assert len(seen) == 200, "a state that does not move proves nothing"
    assert live.era > 0, "no restart was crossed"
