"""Checkpoints: a whole run in one file, written so that no crash loses it, read so that no file can do harm.

>>> from evo import checkpoints
>>> path = checkpoints.save("state.msgpack", {"generation": 3, "x": numpy.zeros(4)})   # doctest: +SKIP
>>> checkpoints.load(path)["generation"]                                               # doctest: +SKIP
3
"""

from __future__ import annotations

from .background import BackgroundWriter
from .checkpoint import Checkpoint
from .decoding import decode
from .digest import digest
from .encoding import encode
from .files import load, save
from .format import FORMAT_VERSION
from .remote import RemoteCopies
from .store import CheckpointStore
from .tree import snapshot

__all__ = [
    "FORMAT_VERSION",
    "BackgroundWriter",
    "Checkpoint",
    "CheckpointStore",
    "RemoteCopies",
    "decode",
    "digest",
    "encode",
    "load",
    "save",
    "snapshot",
]
