"""A platform of several processes of each kind on one database, with its data in a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

PATIENCE = 120.0  # seconds until all processes must be ready, and until they must have ended
GESTA = (sys.executable, "-m", "cli.main")


@dataclass(frozen=True)
class Platform:
    """`environment`: of what is to use the same database, such as the `gesta` command."""

    environment: dict[str, str]
    urls: tuple[str, ...]
    """Of each API."""

    def gesta(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*GESTA, *arguments], env=self.environment, capture_output=True, text=True, check=False)


@contextmanager
def platform(data_dir: Path, count: int) -> Iterator[Platform]:
    """So many APIs, projectors and workers, that end with this. Raises RuntimeError where they do not get ready, or one died."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GESTA_", "DATABASE_URL"))}
    chosen = {name: os.environ[name] for name in ("GESTA_POSTGRES_BIN",) if name in os.environ}
    environment = {**inherited, **chosen, "GESTA_DATA_DIR": str(data_dir), "GESTA_LOG_LEVEL": "WARNING"}
    ports = _free_ports(count)
    made = Platform(environment, tuple(f"http://127.0.0.1:{port}" for port in ports))
    with ExitStack() as stack:
        for step in ("migrate", "seed"):
            ended = made.gesta("db", step)
            if ended.returncode != 0:
                raise RuntimeError(ended.stderr)
        for port in ports:
            for kind in ("api", "projector", "worker"):
                stack.enter_context(_running(kind, {**environment, "GESTA_PORT": str(port)}, data_dir / "processes.log"))
        for url in made.urls:
            _until_ready(url, data_dir / "processes.log")
        yield made


@contextmanager
def _running(kind: str, environment: dict[str, str], path: Path) -> Iterator[None]:
    with path.open("ab") as log:
        process = subprocess.Popen([*GESTA, kind], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"gesta {kind} ended with {process.returncode}:\n{path.read_text()[-2000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]  # all at once: no port twice
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not get ready:\n{log.read_text()[-2000:]}")
