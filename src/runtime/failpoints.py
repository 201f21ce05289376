"""Places at which a test may end a process as `kill -9` does: between two steps that must survive it.

GESTA_FAILPOINT=name ends the process when it comes to the failpoint of that name, name:3 when it comes there for the third
time. Unset, a failpoint does nothing.
"""

import os
import signal
from collections import Counter

VARIABLE = "GESTA_FAILPOINT"

_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Does not return where the environment names it. Names are dotted: room.what_was_just_done."""
    armed = os.environ.get(VARIABLE)
    if armed is None:
        return
    wanted, _, count = armed.partition(":")
    if wanted == name:
        _passed[name] += 1
        if _passed[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # the signal is on its way
