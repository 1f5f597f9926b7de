"""Ask and tell: the same optimizers in a loop of the caller's own, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo import checkpoints
from evo.optimizers import BUILTIN

BOX = evo.Real(-5, 5, shape=3)


class Sphere(evo.Problem):
    space = BOX

    def evaluate(self, x: np.ndarray) -> Any:
        return (x**2).sum(axis=1)


@pytest.mark.parametrize("name", [name for name in BUILTIN if name != "nsga2"])
def test_a_loop_finds_what_a_run_finds(name: str) -> None:
    loop = evo.AskTell(BOX, optimizer=name, seed=3)
    for _ in range(12):
        loop.tell(Sphere().evaluate(loop.ask()))
    result = evo.minimize(Sphere(), optimizer=name, seed=3, stop=evo.Stop(generations=12))
    assert np.array_equal(loop.x, result.x)
    assert (loop.objective, loop.evaluations, loop.generation) == (result.objective, result.evaluations, 12)


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("name", [*BUILTIN])
def test_saved_and_loaded_it_goes_on_the_same(name: str, between: bool, tmp_path: Path) -> None:
    several = name == "nsga2"
    loop = evo.AskTell(BOX, optimizer=name, objectives=2 if several else 1)

    def objectives(x: np.ndarray) -> Any:
        first = (x**2).sum(axis=1)
        return np.column_stack((first, ((x - 1) ** 2).sum(axis=1))) if several else first

    for generation in range(8):
        x = loop.ask()
        if generation == 4:
            if not between:
                loop.tell(objectives(x))
            path = checkpoints.save(tmp_path / "loop.msgpack", loop.state())
            other = evo.AskTell.from_state(checkpoints.load(path))
            if between:
                assert np.array_equal(other.ask(), x)
                other.tell(objectives(x))
        if generation != 4 or between:
            loop.tell(objectives(x))
    for _ in range(3):
        other.tell(objectives(other.ask()))
    assert checkpoints.digest(other.state()) == checkpoints.digest(loop.state())
    assert other.generation == 8


def test_a_state_is_not_changed_by_what_comes_later() -> None:
    loop = evo.AskTell(BOX)
    loop.tell(Sphere().evaluate(loop.ask()))
    state = loop.state()
    before = checkpoints.digest(state)
    for _ in range(3):
        loop.tell(Sphere().evaluate(loop.ask()))
    assert checkpoints.digest(state) == before != checkpoints.digest(loop.state())


def test_larger_may_be_better() -> None:
    loop = evo.AskTell(BOX, objectives=["max"], optimizer="cma-es")
    for _ in range(60):
        loop.tell(-Sphere().evaluate(loop.ask()))
    assert loop.objective is not None
    assert -1e-3 < loop.objective <= 0
    assert evo.AskTell.from_state(loop.state()).objective == loop.objective


def test_what_could_not_be_evaluated_never_wins_and_constraints_hold() -> None:
    loop = evo.AskTell(BOX, seed=2)
    for _ in range(30):
        x = loop.ask()
        loop.tell(np.where(x[:, 1] > 0, np.nan, (x**2).sum(axis=1)), violations=1 - x[:, :1])
    assert loop.feasible
    assert loop.x[0] >= 1
    assert loop.x[1] <= 0


def test_several_objectives_give_a_front_in_the_users_sense() -> None:
    loop = evo.AskTell(evo.Real(-2, 2, shape=2), objectives=["min", "max"])
    for _ in range(20):
        x = loop.ask()
        loop.tell(np.column_stack((((x - 1) ** 2).sum(axis=1), (x**2).sum(axis=1))))
    assert loop.front is not None
    assert loop.objective is None
    assert np.allclose(loop.front.objectives[:, 1], (loop.front.x**2).sum(axis=1))


def test_named_fields_are_asked_by_name() -> None:
    loop = evo.AskTell(evo.Mixed(rate=evo.Real(0, 1), way=evo.Categorical(["in", "out"])))
    x = loop.ask(10)
    assert x["rate"].shape == (10,)
    loop.tell(x["rate"] + (x["way"] == "in"))
    assert set(loop.x) == {"rate", "way"}


def test_writing_into_what_was_asked_changes_nothing() -> None:
    loop = evo.AskTell(BOX)
    x = loop.ask()
    x[:] = 0
    assert loop.ask().any()


def test_misuse_is_a_clear_error() -> None:
    loop = evo.AskTell(BOX)
    with pytest.raises(evo.UsageError, match="tell: expected points to be asked first"):
        loop.tell([1.0])
    loop.ask(5)
    with pytest.raises(evo.UsageError, match=r"tell: objectives: expected an array of shape \(5,\), found \(4,\)"):
        loop.tell(np.zeros(4))
    with pytest.raises(evo.UsageError, match=r"tell: violations: expected an array of shape \(5, m\)"):
        loop.tell(np.zeros(5), np.zeros(4))
    loop.tell(np.zeros(5))
    with pytest.raises(evo.UsageError, match="seed: expected"):
        evo.AskTell(BOX, seed=-1)
    with pytest.raises(evo.UsageError, match="objectives: expected"):
        evo.AskTell(BOX, objectives=["up"])
    with pytest.raises(evo.SettingsError, match=r"optimizer\.type: expected one of"):
        evo.AskTell(BOX, optimizer="gaa")


@pytest.mark.parametrize("wrong", [{}, {"kind": "run"}, {"kind": "ask-tell"}])
def test_another_state_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(evo.CheckpointError, match="expected the state of an ask-tell loop"):
        evo.AskTell.from_state(wrong)
    with pytest.raises(evo.CheckpointError, match="expected the state of an ask-tell loop"):
        evo.AskTell(BOX).load_state(wrong)
    with pytest.raises(evo.CheckpointError, match="with ga, found de"):
        evo.AskTell(BOX).load_state(evo.AskTell(BOX, optimizer="de").state())
