"""Places at which a test may end a process as `kill -9` does: between two steps that must survive it.

GESTA_FAILPOINT=name ends the process when it comes to the failpoint of that name, name:3 when it comes there for the third
time. With an exclamation mark, name!3, it raises FailpointReached instead, the first three times: a task fails, and the process
goes on. GESTA_FAILPOINTS=directory is for platforms of several processes that are started again: a file in it with a failpoint's
name arms that failpoint once, for whichever process comes there first. It says who ends: nothing stands for that process
itself, else the path of a file that begins with a process's number, such as PostgreSQL's postmaster.pid.

Unset, a failpoint does nothing.
"""

import os
import signal
from collections import Counter
from pathlib import Path

VARIABLE = "GESTA_FAILPOINT"
DIRECTORY = "GESTA_FAILPOINTS"

armed, directory = os.environ.get(VARIABLE), os.environ.get(DIRECTORY)
"""Read once: hot paths come here. A test that arms a failpoint of its own process sets `armed`."""
_passed: Counter[str] = Counter()


class FailpointReached(Exception):
    """What a test wants to happen."""


def failpoint(name: str) -> None:
    """Does not return where the environment named it when the process began. Names are dotted: room.what_was_just_done."""
    if armed is not None:
        if armed.partition("!")[0] == name and "!" in armed:
            _passed[armed] += 1
            if _passed[armed] <= int(armed.partition("!")[2] or 1):
                raise FailpointReached(name)
        wanted, _, count = armed.partition(":")
        if wanted == name:
            _passed[name] += 1
            if _passed[name] == int(count or 1):
                _kill(os.getpid())
    if directory is not None:
        _come_to(Path(directory, name))


def _come_to(file: Path) -> None:
    victim = _disarm(file)
    if victim == "":
        _kill(os.getpid())
    elif victim is not None:
        try:
            _kill(int(Path(victim).read_text().split()[0]))
        except (FileNotFoundError, ProcessLookupError, IndexError):
            file.write_text(victim)  # it is not running just now: armed again, for the next one who comes here


def _disarm(file: Path) -> str | None:
    """What the file says, for the one process that takes it away; None where it is not armed."""
    fired = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.rename(fired)
    except FileNotFoundError:
        return None
    victim = fired.read_text().strip()
    fired.unlink()
    return victim


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    if pid == os.getpid():
        signal.pause()  # the signal is on its way
