"""A process that was started by another one ends with it, however that other one ends."""

import os
import signal
import sys
import threading

VARIABLE = "GESTA_STOP_WITH_STDIN"


def stop_with_parent() -> None:
    """Where the parent says so in the environment: watch standard input, and ask this process to stop when it closes.

    The parent holds the other end and never writes. Even `kill -9` closes it, so that no process outlives `gesta up`.
    """
    if os.environ.pop(VARIABLE, None):
        threading.Thread(target=_watch, name="stop-with-parent", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
