"""Zstandard, where it is installed: arrays that get smaller by it, within what a reader may be made to allocate."""

from __future__ import annotations

from typing import Any

from evo.errors import CheckpointError, SettingsError

from .format import MAX_EXPANSION, DamagedError

LEAST_BYTES = 16 * 1024
"""Smaller arrays are not worth a frame each."""
WORTH = 0.9
"""An array that would take more than this share of its bytes is left as it is."""
_LEVEL = 1
# What a frame of this level needs at most, whatever its header says.
_WINDOW_BYTES = 8 * 1024 * 1024


def require() -> None:
    """Raise a `SettingsError` where Zstandard is not installed."""
    try:
        import zstandard  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise SettingsError(
            "checkpoint.compression: zstd needs the package zstandard: pip install 'evo-engine[zstd]'"
        ) from error


def compressed(data: memoryview) -> bytes | None:
    """Return an array's bytes as a frame, padded to what a reader accepts; None where it is not worth it."""
    if len(data) < LEAST_BYTES:
        return None
    import zstandard

    frame: bytes = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
    frame = frame.ljust(-(-len(data) // MAX_EXPANSION), b"\0")
    return frame if len(frame) <= WORTH * len(data) else None


def decompress_into(view: memoryview, frame: bytearray) -> None:
    """Fill the view with what a frame holds.

    Raises
    ------
    DamagedError
        The frame is not sound, or holds more or fewer bytes.
    CheckpointError
        Zstandard is not installed.
    """
    try:
        import zstandard
    except ImportError as error:
        raise CheckpointError(
            "it is compressed, which needs the package zstandard: pip install 'evo-engine[zstd]'"
        ) from error
    try:
        length = zstandard.get_frame_parameters(frame).content_size
        reader: Any = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(frame)
        rest = view if length == len(view) else view[:0]
        # No further than this: what follows the frame are zeros, which are no frame.
        while rest and (count := reader.readinto(rest)):
            rest = rest[count:]
        if rest or length != len(view):
            raise DamagedError("damaged: a compressed array is not of the length that its name says")
    except zstandard.ZstdError as error:
        raise DamagedError(f"damaged: a compressed array: {error}") from error
