"""The actors in other processes. They travel by value, for they decide from where `evo` is imported.

Ray puts the folder of the driver's script and its working directory first on a worker's path. A folder with an `evo/`
in it, a source checkout say, would shadow the installed package; so might a folder of the user's that the driver put
first after it had imported evo. So nothing at the top of this module may import evo: it is loaded from the driver's own
file where that is here, and found on a path put in order where it is not.
"""

import importlib.util
import os
import sys
from typing import Any


def home() -> dict[str, Any]:
    """What a worker must know of the driver to import the same evo."""
    import evo

    script = os.path.dirname(os.path.realpath(sys.argv[0])) if sys.argv and sys.argv[0] else ""
    return {
        "path": [os.path.abspath(folder) for folder in sys.path],
        "intruders": sorted({os.getcwd(), script} - {""}),
        "file": os.path.realpath(evo.__file__ or ""),
        "prefix": sys.prefix,
    }


class AtHome:
    """An actor that imports evo as the driver does."""

    def __init__(self, home: dict[str, Any]) -> None:
        self._home = home
        self._same_machine = sys.prefix == home["prefix"] and os.path.exists(home["file"])
        if self._same_machine:  # import as the driver does
            sys.path[:] = [*home["path"], *(p for p in sys.path if p not in home["path"])]
            _import_evo(home["file"])
        else:  # what Ray put in front may shadow nothing
            sys.path.sort(key=lambda folder: os.path.abspath(folder) in home["intruders"])

    def check_evo(self) -> None:
        """Raise `ImportError` where this process would run another evo than the driver."""
        import evo

        found, expected = os.path.realpath(evo.__file__ or ""), self._home["file"]
        if self._same_machine and found != expected:
            raise ImportError(f"workers import evo from {found}, the driver from {expected}")


class RayMonitor(AtHome):
    """A `NodeMonitor` on a node, and what that node is made of. It reserves nothing."""

    def start(self, interval: float | None) -> dict[str, str]:
        """Begin, with a sample of the machine's health every `interval` seconds. Says the versions here."""
        self.check_evo()

        from evo.distributed.node_monitor import NodeMonitor

        self._monitor = NodeMonitor(interval).start()
        return versions()

    def look(self, watched: dict[str, Any]) -> Any:
        """A `Report`."""
        return self._monitor.look(watched)


class RayWorker(AtHome):
    """Holds the evaluator and evaluates chunks. One per slot, one call at a time."""

    def start(self, payload: bytes, shared: Any = None, tolerant: bool = True, beacon: str = "") -> dict[str, Any]:
        """Load the evaluator, give it what is shared, if anything, and warm it up. Says where this is.

        Not `tolerant`: a chunk ends at its first failure. `beacon` names the one to be lit.
        """
        self.check_evo()

        import cloudpickle
        import psutil

        from evo.distributed.beacon import Beacon
        from evo.distributed.blocks import evaluate_chunk
        from evo.distributed.threads import OneThread

        self._threads = OneThread()
        self._evaluator = cloudpickle.loads(payload)
        if shared is not None:
            self._evaluator.share(shared)
        self._evaluator.warm_up()
        self._tolerant = tolerant
        self._beacon = Beacon(beacon)
        self._evaluate_chunk = evaluate_chunk
        return {
            "pid": os.getpid(),
            "born": psutil.Process().create_time(),
            "versions": versions(),
        }

    def evaluate(self, call: int, rows: dict[str, Any], context: dict[str, Any], guilty: list[int]) -> Any:
        """The `ChunkResult` of a chunk; `call` numbers it for the beacon."""
        self._beacon.call = call
        # Copies: Ray's arrays are read-only views of its store, kernels with explicit signatures refuse those.
        rows = {name: array.copy() for name, array in rows.items()}
        context = {name: v.copy() if hasattr(v, "__array_interface__") else v for name, v in context.items()}
        return self._evaluate_chunk(
            self._evaluator, rows, context, guilty, tolerant=self._tolerant, at_work=self._beacon
        )


def versions() -> dict[str, str]:
    """What must be the same on every node, by `worker_registry.VERSIONS`: the same bits need the same code."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name, distribution in (("ray", "ray"), ("numpy", "numpy"), ("numba", "numba"), ("evo", "evo-engine")):
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:  # a source tree that was not installed
            found[name] = "none"
    return found


def _import_evo(file: str) -> None:
    """Import evo from that ``__init__.py``, whatever the path says."""
    spec = importlib.util.spec_from_file_location("evo", file, submodule_search_locations=[os.path.dirname(file)])
    if "evo" in sys.modules or spec is None or spec.loader is None:
        return  # `start` compares what is there
    sys.modules["evo"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["evo"])
