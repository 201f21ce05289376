"""The files of one embedded server, its locks, and what its pid file says."""

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import OperatorError

LONGEST_SOCKET_PATH = 100  # the kernel's limit is 107 bytes on Linux, 103 on macOS
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Home:
    """One server's directory: data/, run/ (its socket), server.log and two lock files."""

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    def major(self) -> int | None:
        """The major version that made data/, or None while there is none."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def socket_directory(self) -> Path:
        """A private directory for the socket: inside, or in the temporary directory where the path would be too long."""
        inside = self.path / "run"
        if len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"gesta-{digest}"


def make_private(directory: Path, owners: frozenset[int] | None) -> None:
    """Make the directory, or accept it if it is a real directory (no link) that belongs to one of these user numbers.

    None accepts any owner. Afterwards only the owner may enter. Raises OperatorError otherwise.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise OperatorError(f"{directory} is not a directory.")
    if owners is not None and found.st_uid not in owners:
        raise OperatorError(
            f"{directory} belongs to user {found.st_uid}, not to you: run as that user or choose another GESTA_DATA_DIR."
        )
    directory.chmod(0o700)


@dataclass(frozen=True)
class Running:
    """What postmaster.pid says of a server that is alive."""

    pid: int
    socket_directory: Path
    status: str  # starting | ready | stopping

    @property
    def ready(self) -> bool:
        return self.status == "ready"


def running_server(home: Home) -> Running | None:
    """The live server of this directory. A pid file whose process is gone, or is another program, counts as none."""
    try:
        lines = (home.data / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not _is_alive(pid) or not _works_in(pid, home.data):
        return None
    return Running(pid, Path(lines[4] if len(lines) > 4 else ""), lines[7].strip() if len(lines) > 7 else "starting")


def forget_the_dead(home: Home, sockets: Path) -> None:
    """Remove what a dead server left and a new one could take for a live one's.

    Process numbers recur, in containers especially: PostgreSQL would refuse to start beside a lock file whose number is
    some other program's by now. Only to be called under the launch lock, and where ``running_server`` found none.
    """
    for leftover in (sockets / f"{SOCKET_NAME}.lock", sockets / SOCKET_NAME):
        leftover.unlink(missing_ok=True)
    path = home.data / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if _is_alive(pid) and not _works_in(pid, home.data):
        path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _works_in(pid: int, data: Path) -> bool:
    """Whether the process's working directory is ``data``, as every postmaster's is. True where nobody can tell."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == data.resolve()
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except PermissionError:
        return True


@contextmanager
def locked(path: Path, operation: int, *, seconds: float) -> Iterator[int]:
    """Hold ``path`` by flock (``fcntl.LOCK_EX`` or ``LOCK_SH``). Raises OperatorError when others hold it for too long."""
    descriptor = take_lock(path, operation, seconds=seconds)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def take_lock(path: Path, operation: int, *, seconds: float) -> int:
    """As ``locked``, but the caller closes the descriptor, and with it lets go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if os.geteuid() == 0:  # root leaves nothing behind that the directory's owner could not open
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    deadline = time.monotonic() + seconds
    while not try_lock(descriptor, operation):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise OperatorError(f"Another process has held {path} for {seconds:.0f} s: is it stuck?")
        time.sleep(0.02)
    return descriptor


def try_lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
