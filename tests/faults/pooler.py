"""PgBouncer in transaction mode before a test's database, where it is installed (GESTA_TEST_PGBOUNCER names another one)."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.postgres import drop_privileges
from tests.conftest import Database

PROGRAM = os.environ.get("GESTA_TEST_PGBOUNCER") or shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PATIENCE = 30.0
CONFIGURATION = """
[databases]
{name} = host={sockets} port=5432 dbname={name}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users
pool_mode = {mode}
default_pool_size = {size}
{more}
"""


@dataclass(frozen=True)
class Pooled(Database):
    """A database behind a pooler, but for who listens."""

    port: int

    @property
    def system_url(self) -> str:
        return self._through("gesta_system")

    @property
    def api_url(self) -> str:
        return self._through("gesta_api")

    @property
    def owner_url(self) -> str:
        return self._through("gesta_owner")

    @property
    def listen_url(self) -> str:
        return self.server.url("gesta_system", self.name)

    def _through(self, role: str) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{self.name}"


def version() -> tuple[int, int]:
    """Skips the test where there is no PgBouncer."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed here")
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", told)
    assert found is not None, told
    return int(found[1]), int(found[2])


@contextmanager
def pooled(
    database: Database, directory: Path, *, prepared: int | None = None, mode: str = "transaction", size: int = 8
) -> Iterator[Pooled]:
    """`prepared`: max_prepared_statements, which PgBouncer knows from 1.21 on; None: its default."""
    if version() < (1, 21) and prepared:
        pytest.skip(f"PgBouncer {version()} keeps no track of prepared statements")
    assert PROGRAM is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = f"max_prepared_statements = {prepared}" if prepared is not None and version() >= (1, 21) else ""
    sockets = database.server.socket_directory
    text = CONFIGURATION.format(
        name=database.name, sockets=sockets, port=port, directory=directory, mode=mode, size=size, more=more
    )
    (directory / "pgbouncer.ini").write_text(text)
    (directory / "users").write_text("".join(f'"{role}" ""\n' for role in ("gesta_system", "gesta_api", "gesta_owner")))
    identity = "namespace" if os.geteuid() == 0 else "self"  # it refuses to run as root, who owns the server's socket
    command = [sys.executable, "-I", "-S", drop_privileges.__file__, identity, PROGRAM, str(directory / "pgbouncer.ini")]
    with (directory / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            assert running.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.02)
        yield Pooled(database.name, database.server, port)
    finally:
        running.kill()
        running.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
