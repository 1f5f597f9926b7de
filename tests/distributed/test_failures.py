"""Every exception that can arrive is sorted into its class, by names alone."""

from __future__ import annotations

import json

import pytest

from evo.distributed.executor import InvalidRow
from evo.distributed.failures import FailureEvent, FailureType, classify


def test_the_classes_are_the_documented_ones() -> None:
    assert {kind.value for kind in FailureType} == {
        "worker_crash", "task_timeout", "network_error", "out_of_memory", "evaluation_error", "node_lost",
        "head_lost", "invalid_result",
    }  # fmt: skip


def like(*names: str) -> BaseException:
    """An exception whose classes have these names, the most specific first."""
    base: type[BaseException] = Exception
    for name in reversed(names):
        base = type(name, (base,), {})
    return base("text")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["WorkerCrashedError", "RayError"], FailureType.WORKER_CRASH),
        (["ActorDiedError", "RayActorError", "RayError"], FailureType.WORKER_CRASH),
        (["ActorUnavailableError", "RayActorError", "RayError"], FailureType.NETWORK_ERROR),
        (["OutOfMemoryError", "RayError"], FailureType.OUT_OF_MEMORY),
        (["NodeDiedError", "RayError"], FailureType.NODE_LOST),
        (["ObjectFetchTimedOutError", "ObjectLostError", "RayError"], FailureType.NETWORK_ERROR),
        (["OwnerDiedError", "ObjectLostError", "RayError"], FailureType.NETWORK_ERROR),
        (["GetTimeoutError", "RayError"], FailureType.TASK_TIMEOUT),
        (["SomethingNewError", "RayError"], FailureType.NETWORK_ERROR),
        (["RayTaskError", "RayError"], FailureType.EVALUATION_ERROR),
        (["UsersOwn"], FailureType.EVALUATION_ERROR),
    ],
)
def test_an_exception_is_sorted_by_its_most_specific_known_name(names: list[str], expected: FailureType) -> None:
    assert classify(like(*names)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no"), FailureType.EVALUATION_ERROR),
        (MemoryError(), FailureType.OUT_OF_MEMORY),
        (InvalidRow("objective: NaN", 3), FailureType.INVALID_RESULT),
        (ConnectionResetError(), FailureType.NETWORK_ERROR),
    ],
)
def test_an_exception_of_this_process_is_sorted(error: BaseException, expected: FailureType) -> None:
    assert classify(error) is expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ConnectionError("the licence server"), FailureType.EVALUATION_ERROR),
        (ValueError("no"), FailureType.EVALUATION_ERROR),
        (MemoryError("no"), FailureType.OUT_OF_MEMORY),
        (InvalidRow("objective: NaN", 3), FailureType.INVALID_RESULT),
    ],
)
def test_what_the_users_code_raised_under_ray_is_the_evaluations(cause: Exception, expected: FailureType) -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    error = exceptions.RayTaskError("evaluate", "traceback", cause)
    assert classify(error) is expected
    assert classify(error.as_instanceof_cause()) is expected


def test_every_exception_of_ray_itself_is_sorted_and_none_as_the_evaluations_but_those_of_tasks() -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    for name in ("WorkerCrashedError", "ActorDiedError", "NodeDiedError", "LocalRayletDiedError", "ObjectLostError"):
        assert hasattr(exceptions, name), f"Ray has renamed {name}"
    found = {
        cls: classify(cls.__new__(cls))
        for cls in vars(exceptions).values()
        if isinstance(cls, type) and issubclass(cls, exceptions.RayError)
    }
    of_tasks = {name for name, kind in ((c.__name__, k) for c, k in found.items()) if kind == "evaluation_error"}
    assert of_tasks == {"RayTaskError", "UserCodeException", "UnserializableException"}


def test_an_event_is_plain_values() -> None:
    event = FailureEvent(FailureType.WORKER_CRASH, 3.0, "gone", slot="s0", rows=(1, 2), suspects=(2,))
    assert json.loads(json.dumps(event.to_dict()))["kind"] == "worker_crash"
