"""A server for the examples: `gesta up` in a process group of its own, on a free port, with data in a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

PATIENCE = 60.0  # seconds until a server must be ready


class Server:
    def __init__(self, data_dir: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = data_dir / "server.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GESTA_", "DATABASE_URL"))}
        self.environment = {
            **inherited,
            "GESTA_DATA_DIR": str(data_dir),
            "GESTA_PORT": str(port),
            "GESTA_LOG_LEVEL": "WARNING",
            "GESTA_URL": self.url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start and wait until it is ready; returns the seconds that took."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            command = [self.program, "up"]
            self._process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True, stdin=subprocess.DEVNULL
            )
        while time.monotonic() < begun + PATIENCE:
            if self._process.poll() is not None:
                break
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return time.monotonic() - begun
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the server did not get ready:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """kill -9 of the whole process group: API, projector and database at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    @property
    def program(self) -> str:
        return str(Path(sys.executable).with_name("gesta"))

    def gesta(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `gesta` command beside the server."""
        return subprocess.run([self.program, *arguments], env=self.environment, capture_output=True, text=True, check=False)

    def psql(self, statement: str, role: str) -> str:
        """Run SQL in psql as a role of the database; returns what it prints. Raises RuntimeError with psql's words."""
        ended = self.gesta("db", "psql", "--role", role, "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement)
        if ended.returncode != 0:
            raise RuntimeError(ended.stderr)
        return ended.stdout.rstrip()
