"""`Nodes` with a Ray that is a few lines: who is admitted, who is missed, whose worker is dead. And where seats are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest
from simulated_executor import Clock

from evo.distributed import nodes as nodes_module
from evo.distributed.beacon import Position
from evo.distributed.fault_tolerance import FaultToleranceManager
from evo.distributed.node_monitor import Report, Sign, Watched
from evo.distributed.nodes import Changes, Nodes
from evo.distributed.slots import Slots
from evo.distributed.worker_registry import VERSIONS

OURS = dict.fromkeys(VERSIONS, "1")


class RayError(Exception):
    pass


class Ray:
    """Nodes as told; the reply of a call is there when the test has put it."""

    exceptions = SimpleNamespace(RayError=RayError)
    cloudpickle = cloudpickle
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
    )

    def __init__(self) -> None:
        self.alive: dict[str, dict[str, float]] = {}
        self.versions: dict[str, Any] = {}
        """By node: what its monitor says when it starts; an exception is raised."""
        self.reports: dict[str, Any] = {}
        self.monitors: list[str] = []
        self.killed: list[str] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": node, "Alive": True, "NodeManagerAddress": f"at-{node}", "Resources": resources}
            for node, resources in self.alive.items()
        ]

    def remote(self, actor: Any) -> Any:
        def made(scheduling_strategy: str = "", **options: Any) -> Any:
            assert options["num_cpus"] == 0
            node = scheduling_strategy
            self.monitors.append(node)
            start = SimpleNamespace(remote=lambda interval: ("start", node))
            look = SimpleNamespace(remote=lambda watched: ("look", node))
            return SimpleNamespace(remote=lambda home: SimpleNamespace(start=start, look=look, node=node))

        return SimpleNamespace(options=made)

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return [r for r in references if r[1] in self._replies(r[0])], []

    def get(self, reference: Any, timeout: float | None = None) -> Any:
        reply = self._replies(reference[0])[reference[1]]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def kill(self, actor: Any, no_restart: bool) -> None:
        self.killed.append(actor.node)

    def _replies(self, method: str) -> dict[str, Any]:
        return self.versions if method == "start" else self.reports


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.ray, self.clock, self.told = Ray(), Clock(), []
        self.manager = FaultToleranceManager(
            settings, clock=self.clock, versions=OURS, listener=lambda kind, fields: self.told.append((kind, fields))
        )
        watch = SimpleNamespace(
            start=lambda: None, stop=lambda: None, head_trouble=lambda: "", nodes=lambda: self._views()
        )
        monkeypatch.setattr(nodes_module, "ClusterWatch", lambda ask, head: watch)
        self.watched: dict[str, dict[str, Watched]] = {}
        self.nodes: Any = None

    def _views(self) -> Any:
        return nodes_module.views(self.ray.nodes())

    def start(self, **cpus: float) -> None:
        self.ray.alive = {node: {"CPU": count} for node, count in cpus.items()}
        self.nodes = Nodes(self.ray, self.manager, lambda resources: int(resources["CPU"]), head=None, local=False)
        self.nodes.start()

    def tick(self, times: int = 1, seconds: float = 3.0) -> Changes:
        total = Changes()
        for _ in range(times):
            self.clock.now += seconds
            changes = self.nodes.tick(self.clock.now, self.watched)
            total.joined += changes.joined
            total.left += changes.left
            total.dead += changes.dead
        return total

    def worker(self, slot: str, node: str) -> None:
        self.manager.slot_added(slot, node)
        self.manager.worker_started(slot)
        self.watched.setdefault(node, {})[slot] = Watched(1, 1.0, "")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_node_that_joins_is_admitted_when_its_versions_are_known_to_be_ours(world: World) -> None:
    world.start(a=2)
    world.ray.alive["b"] = {"CPU": 2}
    assert world.tick(3).joined == []
    assert world.nodes.pending()
    assert set(world.nodes.admitted()) == {"a"}
    world.ray.versions["b"] = OURS
    assert [view.id for view in world.tick(2).joined] == ["b"]
    assert set(world.nodes.admitted()) == {"a", "b"}
    assert not world.nodes.pending()


@pytest.mark.parametrize("package", VERSIONS)
def test_a_node_with_another_version_is_refused_with_the_difference_named_and_not_asked_again(
    world: World, package: str
) -> None:
    world.start(a=2)
    world.ray.alive["b"] = {"CPU": 2}
    world.ray.versions["b"] = {**OURS, package: "2"}
    assert world.tick(5).joined == []
    assert set(world.nodes.admitted()) == {"a"}
    assert not world.nodes.pending()
    told = [fields for kind, fields in world.told if kind == "node" and fields["id"] == "b"]
    assert [(f["status"], f["reason"]) for f in told] == [("refused", f"{package}: expected 1, found 2")]
    assert world.ray.monitors.count("b") == 1
    assert world.ray.killed == ["b"]


def test_a_node_without_room_is_left_alone(world: World) -> None:
    world.start(a=2)
    world.ray.alive["head"] = {"CPU": 0}
    world.tick(3)
    assert "head" not in world.ray.monitors
    assert not world.nodes.pending()


def test_a_node_that_ray_declares_dead_has_left_once(world: World) -> None:
    world.start(a=2, b=2)
    del world.ray.alive["b"]
    assert world.tick(3).left == [("b", "Ray has declared it dead")]


def test_heartbeats_and_health_come_from_the_monitor_and_an_unhealthy_node_gets_no_new_work(world: World) -> None:
    world.start(a=2)
    world.worker("w", "a")
    world.ray.versions["a"] = OURS
    world.ray.reports["a"] = Report({"w": Sign(True)}, {"cpu_percent": 1.0})
    world.tick(4)
    heard = world.manager.registry.workers["w"].last_heartbeat
    assert heard is not None
    assert world.manager.usable_slots() == ["w"]
    world.worker("v", "a2")
    world.ray.reports["a"] = Report({"w": Sign(True)}, {"cpu_percent": 1.0}, ["disk: 99 %, more than 95 %"])
    world.tick(3)
    assert world.manager.usable_slots() == ["v"]
    world.ray.reports["a"] = Report({"w": Sign(True)}, {"cpu_percent": 1.0})
    world.tick(3)
    assert sorted(world.manager.usable_slots()) == ["v", "w"]
    states = [(f["status"], f["reason"]) for kind, f in world.told if kind == "node" and f["id"] == "a"]
    assert states[-2:] == [("unhealthy", "disk: 99 %, more than 95 %"), ("alive", "")]


@pytest.mark.parametrize(
    ("sign", "reason"), [(Sign(False), "its process is gone"), (Sign(True, stopped=True), "its process is stopped")]
)
def test_a_worker_that_is_gone_or_stopped_for_some_reports_is_dead(world: World, sign: Sign, reason: str) -> None:
    world.start(a=2)
    world.worker("w", "a")
    world.ray.versions["a"] = OURS
    world.ray.reports["a"] = Report({"w": sign})
    assert world.tick(12).dead[0] == ("w", reason)


def test_a_worker_without_a_heartbeat_for_two_minutes_is_dead_one_with_it_is_not(world: World) -> None:
    world.start(a=2)
    world.worker("w", "a")
    world.ray.versions["a"] = OURS
    world.ray.reports["a"] = Report({"w": Sign(True)})
    assert world.tick(100).dead == []
    del world.ray.reports["a"]  # the node answers no more
    found = world.tick(39)
    assert found.dead == []
    assert ("w", "no heartbeat of its worker for 120 s") in world.tick(4).dead


def test_a_monitor_that_dies_is_counted_and_started_again(world: World) -> None:
    world.start(a=2)
    world.ray.versions["a"] = RayError("died")
    world.tick(2)
    world.ray.versions["a"] = OURS
    world.tick(15)
    assert world.ray.monitors == ["a", "a"]
    snapshot = world.manager.metrics_snapshot()
    assert snapshot["actor_failures/monitor_cumulative"] == 1
    assert snapshot["actor_health/monitor"] == 1


def test_where_a_worker_elsewhere_is_ages_with_its_report_and_is_asked_for_when_it_is_lost(world: World) -> None:
    world.start(a=2)
    world.worker("w", "a")
    world.ray.versions["a"] = OURS
    world.ray.reports["a"] = Report({"w": Sign(True, position=Position(7, 3, 1, 2.0))})
    world.tick(6)
    place = world.nodes.position("a", "w", world.clock.now + 1.0)
    assert (place.call, place.first) == (7, 3)
    assert 3.0 <= place.seconds <= 7.0
    assert world.nodes.position("a", "w", world.clock.now + 10.0) is None  # nobody has looked since
    world.ray.reports["a"] = Report({"w": Sign(False, position=Position(8, 0, 1, 0.5))}, out_of_memory=1)
    assert world.nodes.last_words("a", "w", Watched(1, 1.0, ""), world.clock.now) == (Position(8, 0, 1, 0.5), True)
    world.ray.reports["a"] = RayError("the node is gone")
    assert world.nodes.last_words("a", "w", Watched(1, 1.0, ""), world.clock.now) == (None, False)


def test_monitoring_turned_off_asks_for_versions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, enable_health_monitoring=False)
    world.start(a=2)
    world.ray.alive["b"] = {"CPU": 2}
    world.ray.versions = {"a": OURS, "b": OURS}
    world.tick(5)
    assert world.ray.monitors == ["b"]
    assert set(world.nodes.admitted()) == {"a", "b"}


class SlotsRay(Ray):
    def put(self, value: Any) -> Any:
        return value

    def remote(self, actor: Any) -> Any:
        return None


def seats(slots: Slots) -> dict[str, int]:
    found: dict[str, int] = {}
    for slot in slots.by_id.values():
        found[slot.node] = found.get(slot.node, 0) + 1
    return found


def test_seats_that_a_lost_node_leaves_vacant_are_filled_where_there_is_room_up_to_the_wanted_number() -> None:
    ray = SlotsRay()
    ray.alive = {"a": {"CPU": 2}, "b": {"CPU": 2}}
    slots = Slots(ray, b"", 3)
    assert seats(slots) == {"a": 2, "b": 1}
    for slot in slots.on_node("a"):
        slot.node = ""
    assert [slot.node for slot in slots.fill({"b": {"CPU": 2}})] == ["b"]
    assert (slots.seated(), seats(slots)) == (2, {"b": 2, "": 1})
    assert [slot.node for slot in slots.fill({"b": {"CPU": 2}, "c": {"CPU": 8}})] == ["c"]
    assert sorted(slots.by_id) == ["worker-0", "worker-1", "worker-2"]


def test_where_no_number_is_wanted_a_node_that_joins_adds_all_the_room_it_has() -> None:
    ray = SlotsRay()
    ray.alive = {"a": {"CPU": 2}}
    slots = Slots(ray, b"", None)
    slots.fill({"a": {"CPU": 2}, "b": {"CPU": 3}})
    assert seats(slots) == {"a": 2, "b": 3}
