"""How the platform is, for /readyz and /metrics: looked at on connections of its own, by one look at a time, soon answered.

However many ask, there is one look at a time, for all of them. It may take `LOOK_SECONDS`, and nobody waits longer than that.
"""

import asyncio
from dataclasses import dataclass

import psycopg

from api.backlog import LagMonitor, TotalLag
from runtime import connecting
from runtime.failing_tasks import FailingTask, failing_tasks
from runtime.pools import Pool
from runtime.schema import Schema
from store import ai_providers
from store.failures import Troubled, troubled

CONNECTIONS = 1
LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Health:
    """What a look found."""

    is_migrated: bool
    lag: TotalLag
    work: Troubled
    failing: list[FailingTask]
    ai_circuits_open: int = 0
    """Providers of AI models that are not asked, because they failed again and again."""


class Doctor:
    """One for a process. `pool`: its own, as gesta_system. `schema`: what this release needs."""

    def __init__(self, pool: Pool, schema: Schema) -> None:
        self._pool = pool
        self._schema = schema
        self.backlog = LagMonitor()
        self._look: asyncio.Task[Health] | None = None

    async def health(self) -> Health:
        """As it is now, or was when a look began that is under way. Raises what `OUT_OF_REACH` lists."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._examine())
            self._look.add_done_callback(_seen)
        done, _ = await asyncio.wait([self._look], timeout=LOOK_SECONDS)
        if not done:
            raise TimeoutError
        return self._look.result()

    async def aclose(self) -> None:
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    async def _examine(self) -> Health:
        async with self._pool.connection(timeout=LOOK_SECONDS) as connection:
            overdue = asyncio.get_running_loop().call_later(LOOK_SECONDS, connecting.cut, connection)
            try:
                state, _ = await self._schema.state(connection)
                if state != "ok":
                    return Health(False, TotalLag(0, 0, 0), Troubled(0, 0, 0), [])
                lag = await self.backlog.count(connection)
                work, failing = await troubled(connection), await failing_tasks(connection)
                return Health(True, lag, work, failing, await ai_providers.open_circuits(connection))
            finally:
                overdue.cancel()


def _seen(look: "asyncio.Task[Health]") -> None:
    """Nobody may wait for its end any more: then nobody else looks at an error."""
    if not look.cancelled():
        look.exception()


OUT_OF_REACH = (psycopg.Error, TimeoutError)
"""What `health` raises."""
