"""What the child of `--supervise` runs: the command line as ever, with a last word to the parent.

The word is the exit code, as one byte. A child that ends without it has died, whatever its exit code: Ray, for one,
ends a process with 1 when the cluster's head is gone.
"""

from __future__ import annotations

import contextlib
import os


def main(descriptor: int) -> None:
    """Run evo with the arguments in `sys.argv`; the word goes to a pipe's end."""
    os.set_inheritable(descriptor, False)  # not for the child's own children
    from .group import main as evo

    try:
        evo()
    except SystemExit as end:
        with contextlib.suppress(OSError):  # the parent is gone
            os.write(descriptor, bytes([end.code if isinstance(end.code, int) else 0]))
        raise
