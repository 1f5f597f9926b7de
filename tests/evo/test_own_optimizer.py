"""An optimizer of the user's own, named module:Class."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo
from evo.registry import build_optimizer

CODE = """
from evo.optimizers.generational import Generational
from evo.rng import Purpose, stream
from evo.spaces import Real


class RandomSearch(Generational):
    name = "random"
    spaces = (Real,)

    def __init__(self, problem, seed, *, batch=10):
        super().__init__(problem, seed)
        self.batch = batch

    def parameters(self):
        return {"batch": self.batch}

    def _ask(self, remaining):
        genome = self.space.sample(self.batch, stream(self.seed, self.asked, Purpose.SAMPLING))
        return {"genome": genome[:remaining]}

    def _tell(self, told):
        pass

    def _state(self):
        return {}

    def _load(self, state):
        pass
"""


class Sphere(evo.Problem):
    space = evo.Real(-5, 5, shape=3)

    def evaluate(self, x: np.ndarray) -> Any:
        return (x**2).sum(axis=1)


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_search.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_search", raising=False)


def test_it_runs_and_resumes_by_its_name(tmp_path: Path) -> None:
    options: Any = {"optimizer": {"type": "own_search:RandomSearch", "batch": 7}, "seed": 2}
    whole = evo.minimize(Sphere(), stop=evo.Stop(generations=9), **options)
    assert whole.evaluations == 63
    evo.minimize(Sphere(), stop=evo.Stop(generations=4), output=tmp_path / "run", **options)
    assert "own_search:RandomSearch" in (tmp_path / "run" / "settings.yaml").read_text()
    resumed = evo.resume(tmp_path / "run", problem=Sphere(), stop=evo.Stop(generations=9))
    assert (resumed.digest, resumed.objective) == (whole.digest, whole.objective)


def test_an_unknown_parameter_of_it_is_refused() -> None:
    with pytest.raises(evo.SettingsError, match=r'optimizer\.bacth: unknown key.*did you mean "batch"'):
        build_optimizer("own_search:RandomSearch", {"bacth": 3}, Sphere(), 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_search:stream", "expected a subclass of evo.optimizers.base.Optimizer"),
        ("own_search:Real", "expected a subclass of evo.optimizers.base.Optimizer"),
        ("subprocess:Popen", "of Python's own library"),
    ],
)
def test_what_is_no_optimizer_is_refused(name: str, message: str) -> None:
    with pytest.raises(evo.SettingsError, match=rf"optimizer\.type: .*{message}"):
        build_optimizer(name, {}, Sphere(), 1)
