"""Evaluation in this process: what a signal handler and a user's own threads rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from modal_evaluator import ModalEvaluator, assert_same, batch, expected
from threadpoolctl import threadpool_info

from evo.distributed.executor import Interrupted
from evo.distributed.in_process import InProcessExecutor, evaluating


def never() -> bool:
    return False


def quiet(kind: str, fields: dict[str, Any]) -> None:
    pass


class Watching(ModalEvaluator):
    def plain(self, rows: Any, context: Any, results: Any) -> None:
        self.seen = evaluating()
        self.threads = {pool["num_threads"] for pool in threadpool_info()}
        if context.get("signal"):
            raise Interrupted  # what a handler does that runs inside the user's code


@pytest.fixture
def watching() -> Any:
    evaluator, executor = Watching(), InProcessExecutor()
    executor.start(evaluator, quiet)
    yield evaluator, executor
    executor.close()


def test_a_signal_handler_can_tell_that_user_code_runs(watching: Any) -> None:
    evaluator, executor = watching
    assert not evaluating()
    executor.submit(batch(4))
    executor.collect(never)
    assert evaluator.seen
    assert not evaluating()


def test_interrupted_raised_inside_the_users_code_passes_through(watching: Any) -> None:
    _, executor = watching
    executor.submit(batch(4, signal=True))
    executor.submit(batch(4))
    with pytest.raises(Interrupted):
        executor.collect(never)
    assert not evaluating()
    each = batch(6)
    executor.submit(each)  # the second batch was dropped with the first
    assert_same(executor.collect(never).arrays, expected(each))


def test_numerical_libraries_use_one_thread_while_it_is_open_and_as_many_as_before_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = threadpool_info()
    evaluator, executor = Watching(), InProcessExecutor()
    executor.start(evaluator, quiet)
    assert os.environ["OMP_NUM_THREADS"] == "1"
    executor.submit(batch(4))
    executor.collect(never)
    executor.close()
    assert evaluator.threads == {1}
    assert threadpool_info() == before
    assert "OMP_NUM_THREADS" not in os.environ


def test_columns_in_any_memory_layout_give_the_same_bits(watching: Any) -> None:
    _, executor = watching
    each = batch(21)
    strange = {"genome": np.asfortranarray(each.rows["genome"]), "row": np.repeat(each.rows["row"], 2)[::2]}
    executor.submit(type(each)(each.generation, strange, each.context))
    assert_same(executor.collect(never).arrays, expected(each))


def test_importing_the_room_imports_no_ray() -> None:
    code = "import sys, evo.distributed; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
