"""``gesta db studio`` on a test's own database, for as long as it is needed."""

import asyncio
import re
import signal
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.master_keys import KEY_BYTES
from tests.cli.test_db import GESTA, environment_of
from tests.cli.test_doctor import addresses
from tests.conftest import Database

DEADLINE = 60.0  # seconds: the machine may be busy
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/studio#once=(\S+)$")


@dataclass
class Studio:
    process: asyncio.subprocess.Process

    async def address(self) -> tuple[str, str]:
        """The next one that it prints: of the server, and the code."""
        assert self.process.stdout is not None
        while line := (await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)).decode():
            if found := ADDRESS.search(line.rstrip()):
                return found[1], found[2]
        raise AssertionError("it printed no address")

    async def close(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), DEADLINE)


@asynccontextmanager
async def studio(directory: Path, database: Database, *options: str) -> AsyncIterator[Studio]:
    process = await asyncio.create_subprocess_exec(
        *(*GESTA, "db", "studio", *options),
        cwd=directory,
        env=environment_of(**addresses(database, GESTA_MASTER_KEY=b64encode(b"k" * KEY_BYTES).decode())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    running = Studio(process)
    try:
        yield running
    finally:
        await running.close()
