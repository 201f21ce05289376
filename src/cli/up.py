"""``gesta up``: the database, migrated and seeded, and every process of the platform, kept running."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from runtime.parent import VARIABLE

if TYPE_CHECKING:
    from runtime.addresses import Addresses
    from runtime.postgres import EmbeddedServer

log = logging.getLogger(__name__)

PROCESSES = (("api", ("api",)), ("projector", ("projector",)), ("worker", ("worker",)))
"""What runs beside the database: a name for the log, and the arguments of `gesta`."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a process that died is started again; doubled each time
HEALTHY_AFTER = 30.0  # seconds of life after which the pause begins anew
STOP_WITHIN = 20.0  # seconds a process has to drain before it is killed


@dataclass
class Supervised:
    """One process, started again whenever it ends before it was asked to."""

    name: str
    arguments: Sequence[str]
    stopping: asyncio.Event
    process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def run(self) -> None:
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while not self.stopping.is_set():
            begun = loop.time()
            # Its standard input is ours to hold: when this process dies, however it dies, the child reads its end and stops.
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli.main", *self.arguments, stdin=asyncio.subprocess.PIPE, env=self.environment()
            )
            code = await self.process.wait()
            if self.stopping.is_set():
                return
            pause = FIRST_PAUSE if loop.time() - begun > HEALTHY_AFTER else min(pause * 2, LONGEST_PAUSE)
            log.error("%s ended with %s and will be restarted in %.1f s", self.name, code, pause, extra={"action": "restart"})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), pause)

    async def stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN)
        except TimeoutError:
            log.error("%s did not stop within %.0f s and was killed", self.name, STOP_WITHIN, extra={"action": "kill"})
            process.kill()

    @staticmethod
    def environment() -> dict[str, str]:
        return {**os.environ, VARIABLE: "1"}


def up() -> None:
    """Run everything: the database (where none is named), migrations, seeding, the API, the projector and a worker."""
    from api.server import bind
    from runtime import master_keys
    from runtime.addresses import resolve
    from runtime.log import configure_logging
    from runtime.settings import load_settings

    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    if settings.port:
        bind(settings.host, settings.port).close()  # where it is taken, nothing is begun
    master_keys.make_own(settings)
    with resolve(settings) as addresses:
        asyncio.run(_serve(addresses))


async def keep(server: "EmbeddedServer", stopping: asyncio.Event) -> None:
    """The database is kept running like the other processes. Its supervisor starts it again; this is for when that is gone."""
    from runtime.errors import OperatorError

    pause = FIRST_PAUSE
    while not stopping.is_set():
        if await asyncio.to_thread(server.is_kept):
            pause = FIRST_PAUSE
        else:
            log.error("The database ended and is being restarted", extra={"action": "restart"})
            try:
                await asyncio.to_thread(server.revive)
            except OperatorError as error:
                pause = min(pause * 2, LONGEST_PAUSE)
                log.error("The database: %s Trying again in %.1f s", error, pause, extra={"action": "restart"})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)


async def rebuild_wanted(addresses: "Addresses", stopping: asyncio.Event) -> None:
    """Build the tables anew that a migration asks for, once: what is in the way is told, and left to people."""
    from projections.rebuilding.records import records
    from runtime.pools import connect

    async with connect(addresses.system, name="gesta up") as conn:
        wanted = await records(conn, "wanted")
    if wanted:
        log.info("The tables are being rebuilt: %s", "; ".join(one.reason for one in wanted), extra={"action": "rebuild"})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", "rebuild"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=Supervised.environment(),
        )
        await _told_of(process, stopping)
    await stopping.wait()


async def _told_of(process: asyncio.subprocess.Process, stopping: asyncio.Event) -> None:
    """Its end, or ours: what it has built by then is gone on with at the next start."""
    assert process.stdout is not None
    saying, told_to_stop = asyncio.create_task(process.stdout.read()), asyncio.create_task(stopping.wait())
    await asyncio.wait([saying, told_to_stop], return_when=asyncio.FIRST_COMPLETED)
    told_to_stop.cancel()
    if not saying.done():
        process.kill()
    last = (await saying).decode(errors="replace").strip().rpartition("\n")[2]
    if await process.wait() == 0:
        log.info("%s", last, extra={"action": "rebuild"})
    elif not stopping.is_set():
        log.error("The tables were not rebuilt: %s", last, extra={"action": "rebuild"})


async def _serve(addresses: "Addresses") -> None:
    from cli.preparing import prepare
    from runtime.process import stop_asked_for
    from runtime.supervision import supervise

    stopping = stop_asked_for()
    await prepare(addresses)
    supervised = [Supervised(name, arguments, stopping) for name, arguments in PROCESSES]
    tasks = [supervise(f"process {one.name}", one.run, until=stopping) for one in supervised]
    if addresses.has_owner:
        tasks.append(supervise("rebuild", partial(rebuild_wanted, addresses, stopping), until=stopping))
    if addresses.embedded is not None:
        tasks.append(supervise("database", partial(keep, addresses.embedded, stopping), until=stopping))
    await stopping.wait()
    await asyncio.gather(*(one.stop() for one in supervised))
    await asyncio.gather(*tasks)
