"""What holds for all tests. Here, not in tests/: a conftest there would put tests/evo before the package."""

from __future__ import annotations

import signal

# A shell that runs its jobs in the background, and nohup, have signals ignored, and processes inherit that. The tests
# send these signals to processes that they start, and mean them.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)
