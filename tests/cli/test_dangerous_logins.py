"""No process serves as a login whom row-level security does not bind: each says so in one line, and ends."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Database

SYSTEM, API, LISTEN = "GESTA_SYSTEM_DATABASE_URL", "GESTA_API_DATABASE_URL", "GESTA_LISTEN_DATABASE_URL"


def start(part: str, directory: Path, database: Database, **urls: str) -> subprocess.CompletedProcess[str]:
    """Run a part until it ends. It listens, if it comes so far, where nobody else does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_") and name != "DATABASE_URL"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    addresses = {SYSTEM: database.system_url, API: database.api_url, **urls}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", part],
        cwd=directory,
        env=kept | addresses | {"GESTA_PORT": port},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("login", "reason"), [("superuser_url", "is a superuser"), ("owner_url", "owns the tables")])
@pytest.mark.parametrize(
    ("part", "variable"),
    [("api", SYSTEM), ("api", API), ("api", LISTEN), ("worker", SYSTEM), ("worker", LISTEN), ("projector", SYSTEM),
     ("projector", LISTEN)],
)  # fmt: skip
def test_a_process_refuses_to_serve(
    part: str, variable: str, login: str, reason: str, tmp_path: Path, database: Database
) -> None:
    ended = start(part, tmp_path, database, **{variable: getattr(database, login)})
    assert ended.returncode == 1, ended.stderr[-2000:]
    assert f", who {reason}" in ended.stderr
    assert "Traceback" not in ended.stderr
