"""``gesta up`` keeps its processes alive, ends with all of them, and comes back after every death. On an embedded server."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")

DEADLINE = 120.0  # seconds: the machine may be busy
PARTS = ("api", "projector", "worker")


def until(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Ask again and again until it holds. Fails with the end of the log after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about within {DEADLINE} s:\n{log.read_text()[-4000:]}"
        time.sleep(0.2)  # to look through all processes is work, too


def processes(directory: Path) -> dict[int, list[str]]:
    """Whatever works in this directory or below, with its command line: ours, PostgreSQL's keeper, PostgreSQL."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(directory):
                found[int(entry.name)] = (entry / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is somebody else's
    return found


@dataclass
class Platform:
    """A directory in which `gesta up` is run, once or several times."""

    directory: Path
    port: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def start(self) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_") and name != "DATABASE_URL"}
        chosen = {name: os.environ[name] for name in ("GESTA_POSTGRES_BIN",) if name in os.environ}
        with self.log.open("ab") as log:
            up = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up"],
                cwd=self.directory,
                env=kept | chosen | {"GESTA_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group that can be killed as a whole
            )
        self.running.append(up)
        return up

    def ready(self) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def part(self, name: str) -> int | None:
        """The process number of a part that runs."""
        command = ["-m", "cli.main", name, ""]
        return next((pid for pid, line in processes(self.directory).items() if line[1:] == command), None)

    def complete(self) -> bool:
        return self.ready() and all(self.part(name) for name in PARTS)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        until(condition, what, self.log)

    def gone(self) -> bool:
        for up in self.running:
            up.poll()  # a child that nobody waited for keeps its number
        return not processes(self.directory)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Platform(tmp_path, port)
    try:
        yield made
    finally:
        for pid in processes(tmp_path):
            os.kill(pid, signal.SIGKILL)
        for up in made.running:
            up.wait()


def test_it_starts_keeps_its_processes_and_drains_when_asked_to_stop(platform: Platform) -> None:
    up = platform.start()
    platform.until(platform.complete, "a platform that is ready")

    for name in PARTS:
        killed = platform.part(name)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        platform.until(lambda name=name, killed=killed: platform.part(name) not in (None, killed), f"a new {name}")  # type: ignore[misc]
    platform.until(platform.ready, "an API that is ready again")
    assert up.poll() is None

    up.terminate()
    assert up.wait(DEADLINE) == 0
    platform.until(platform.gone, "an end of every process")
    log = platform.log.read_text()
    assert log.count("will be restarted") == len(PARTS)
    assert "was killed" not in log
    assert "Traceback" not in log


def test_killed_it_leaves_no_orphan(platform: Platform) -> None:
    up = platform.start()
    platform.until(platform.complete, "a platform that is ready")
    up.kill()
    platform.until(platform.gone, "an end of every process")
    assert "Traceback" not in platform.log.read_text()


def test_after_all_of_it_was_killed_at_once_it_starts_again(platform: Platform) -> None:
    first = platform.start()
    platform.until(platform.complete, "a platform that is ready")
    os.killpg(first.pid, signal.SIGKILL)
    second = platform.start()
    platform.until(platform.complete, "a platform that is ready again")
    second.terminate()
    assert second.wait(DEADLINE) == 0
    platform.until(platform.gone, "an end of every process")


def test_a_second_one_on_a_taken_port_ends_with_one_line_and_begins_nothing(platform: Platform) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", platform.port))
        taken.listen()
        up = platform.start()
        assert up.wait(DEADLINE) == 1
    (line,) = platform.log.read_text().splitlines()
    assert line == f"gesta: Cannot listen on 127.0.0.1:{platform.port}: Address already in use. Set GESTA_HOST or GESTA_PORT."
    assert not (platform.directory / ".gesta").exists()


def postmaster(platform: Platform) -> int:
    return int((platform.directory / ".gesta/postgres/data/postmaster.pid").read_text().splitlines()[0])


def keeper(platform: Platform) -> int:
    return next(pid for pid, line in processes(Path("/")).items() if len(line) > 4 and _keeps(line, platform.directory))


def _keeps(line: list[str], directory: Path) -> bool:
    return line[3].endswith("supervisor.py") and str(directory) in line[4]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("immediate shutdown", marks=pytest.mark.nightly),
        "fast shutdown",
        pytest.param("killed", marks=pytest.mark.nightly),
        "killed with its keeper",
    ],
)
def test_the_database_is_kept_running_like_the_other_processes(platform: Platform, way: str) -> None:
    up = platform.start()
    platform.until(platform.complete, "a platform that is ready")
    before = postmaster(platform)
    if way == "killed with its keeper":
        os.kill(keeper(platform), signal.SIGKILL)
    number = {"immediate shutdown": signal.SIGQUIT, "fast shutdown": signal.SIGINT}.get(way, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(before, number)

    def is_back() -> bool:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            return postmaster(platform) != before and platform.complete()
        return False

    platform.until(is_back, "another server, and a platform that is ready again")
    up.terminate()
    assert up.wait(DEADLINE) == 0
    platform.until(platform.gone, "an end of every process")


@pytest.fixture
def small_disk(platform: Platform) -> Iterator[Path]:
    """The data directory on a disk of its own that is soon full."""
    directory = platform.directory / ".gesta"
    directory.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=320m,mode=700", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        yield directory
    finally:
        for pid in processes(platform.directory):
            os.kill(pid, signal.SIGKILL)
        platform.until(platform.gone, "an end of every process")
        subprocess.run(["umount", str(directory)], check=True)


def test_after_a_full_disk_space_that_comes_back_is_enough(platform: Platform, small_disk: Path) -> None:
    up = platform.start()
    platform.until(platform.complete, "a platform that is ready")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    os.kill(postmaster(platform), signal.SIGKILL)

    def says_why() -> bool:
        answer = httpx2.get(f"http://127.0.0.1:{platform.port}/readyz", timeout=10)
        return answer.status_code == 503 and answer.json()["database"].endswith(": the disk is full")

    platform.until(says_why, "a word about the disk")
    assert up.poll() is None
    filler.unlink()
    platform.until(platform.complete, "a platform that is ready again")
    up.terminate()
    assert up.wait(DEADLINE) == 0
