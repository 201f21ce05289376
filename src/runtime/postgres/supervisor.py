"""The supervisor: runs one embedded PostgreSQL for as long as anybody uses it.

``python supervisor.py ORDERS`` with ORDERS as JSON (see ``Orders``). It detaches, makes the data directory if there is none,
starts the server, starts it again whenever it ended, and stops it when the *in-use* lock falls free: that is when the last
user has ended, by whatever death. If the supervisor itself is killed, the kernel stops the server (see drop_privileges.py).

Executed by path, so standard library only: it is up in some ten milliseconds.
"""

import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

DEMOTION = str(Path(__file__).with_name("drop_privileges.py"))
PATIENCE = 15.0  # seconds in which a killed predecessor's processes must have let go of the data directory
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a server that ended is started again; doubled each time
HEALTHY_AFTER = 30.0  # seconds of life after which the pause begins anew
STILL_HELD = ("still in use", "already exists")


@dataclass(frozen=True)
class Orders:
    """What to run: ``home`` holds data/, in-use.lock and server.log; initdb and postgres are command lines without ``-D``."""

    home: str
    sockets: str
    initdb: list[str]
    postgres: list[str]


class Supervisor:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.home = Path(orders.home)
        self.data = self.home / "data"
        self.log = open(self.home / "server.log", "ab", buffering=0)  # noqa: SIM115  open as long as we live
        self.unused = threading.Event()
        self.was_ready = False
        self.server: subprocess.Popen[bytes] | None = None
        self.identity = self.choose_identity()

    def choose_identity(self) -> str:
        """As ourselves; root becomes the directory's owner, else *nobody* in a namespace, else the user *nobody*."""
        if os.geteuid() != 0:
            return "self"
        owner = self.home.stat()
        uid, gid = owner.st_uid, owner.st_gid
        if uid == 0:
            if subprocess.run(self.demoted("namespace"), stderr=self.log, check=False).returncode == 0:
                return "namespace"
            nobody = pwd.getpwnam("nobody")
            uid, gid = nobody.pw_uid, nobody.pw_gid
            for directory, _, names in os.walk(self.home):
                for path in (directory, *(os.path.join(directory, name) for name in names)):
                    os.chown(path, uid, gid)
        os.chown(self.orders.sockets, uid, gid)
        return f"{uid}:{gid}"

    def demoted(self, identity: str, *command: str) -> list[str]:
        return [sys.executable, "-I", "-S", DEMOTION, identity, *command]

    def initialise(self) -> int:
        """Make data/ beside its place and rename it when it is whole: an initdb that was killed leaves nothing behind."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        command = self.demoted(self.identity, *self.orders.initdb, "-D", str(fresh))
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, check=False).returncode
        if code == 0:
            fresh.rename(self.data)
        return code

    def run(self) -> int:
        """Keep the server until it is unused. Once it was ready it is started again whatever it ended of, a full disk among it:
        space that comes back is enough. Before that, what keeps it from starting is for the starter to hear: its exit code."""
        if not self.data.exists() and (code := self.initialise()) != 0:
            return code
        threading.Thread(target=self.stop_when_unused, daemon=True).start()
        pause, give_up = FIRST_PAUSE, time.monotonic() + PATIENCE
        while not self.unused.is_set():
            mark, begun = self.log.seek(0, os.SEEK_END), time.monotonic()
            code = self.run_once()
            if self.unused.is_set():
                break
            if not self.was_ready and code >= 0 and not (self.said_since(mark, STILL_HELD) and time.monotonic() < give_up):
                return code
            if time.monotonic() - begun > HEALTHY_AFTER:
                pause = FIRST_PAUSE
            self.unused.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return 0

    def run_once(self) -> int:
        command = self.demoted(self.identity, *self.orders.postgres, "-D", str(self.data))
        self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        while not self.was_ready:
            try:
                return self.server.wait(0.1)
            except subprocess.TimeoutExpired:
                self.was_ready = self.says_ready()
        return self.server.wait()

    def says_ready(self) -> bool:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    def stop_when_unused(self) -> None:
        # Held until this process has ended, so that the next user finds either a running server or none.
        lock = os.open(self.home / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.unused.set()
        while True:
            if self.server is not None:
                self.server.send_signal(signal.SIGINT)  # again and again, because one that is just starting may miss it
            time.sleep(0.2)

    def said_since(self, mark: int, phrases: tuple[str, ...]) -> bool:
        with open(self.home / "server.log", errors="replace") as file:
            file.seek(mark)
            text = file.read()
        return any(phrase in text for phrase in phrases)


def main(orders: str) -> None:
    if os.fork():
        os._exit(0)  # the starter waits for this one only: the supervisor is nobody's child
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(Supervisor(Orders(**json.loads(orders))).run())


if __name__ == "__main__":
    main(sys.argv[1])
