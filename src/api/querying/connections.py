"""Connections of the logins by which SQL over HTTP is answered: one login for each tenant, made when it is first needed.

Its password follows from the master key, so that every process knows it and nobody stores it. What a session has kept is
discarded before the next statement; one that did not end in order is closed, and what it did is cancelled.
"""

import asyncio
import logging
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runtime import analysts, connecting
from runtime.analysts import LoginLimits
from runtime.master_keys import MasterKeys
from runtime.pools import Connection, Pool, refuse_closed

log = logging.getLogger(__name__)

OF_TENANT = 4
"""Statements of a tenant at a time, in one process."""
IN_ALL = 12
IDLE_SECONDS = 20.0
CANCEL_SECONDS = 2.0
MOST_SECONDS = 60
LIMITS = LoginLimits(3 * OF_TENANT, statement_seconds=MOST_SECONDS, idle_seconds=30, transaction_seconds=2 * MOST_SECONDS)
"""Of the login, over all processes."""
NAME = "gesta query"
BOUND = """
SELECT EXISTS (SELECT FROM runtime.analyst_logins l JOIN pg_roles r ON r.rolname = l.login
                WHERE l.tenant_id = %s AND l.login = %s AND l.analyst_id IS NULL)
"""
FULL = ("too many connections", "remaining connection slots", "too many clients")


class TooMany(Exception):
    """The tenant has as many statements under way as it may."""


class AllBusy(Exception):
    """All tenants together have."""


class NoMasterKey(Exception):
    """There is nothing that a password could follow from."""


@dataclass(frozen=True)
class Idle:
    connection: Connection
    tenant_id: UUID
    since: float


@dataclass
class AnalystConnections:
    """One for a process. `url`: of a direct connection, of which all but the login is taken; `system`: as gesta_system."""

    url: str
    system: Pool
    keys: MasterKeys | None
    _idle: list[Idle] = field(default_factory=list)
    _used: Counter[UUID] = field(default_factory=Counter)
    _admitted: set[UUID] = field(default_factory=set)
    _sweeper: asyncio.TimerHandle | None = None
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def connection(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        """In autocommit. Raises TooMany, AllBusy, NoMasterKey, or OperationalError where there is none to be had."""
        if self._used[tenant_id] >= OF_TENANT:
            raise TooMany
        if self._used.total() >= IN_ALL:
            raise AllBusy
        self._used[tenant_id] += 1
        try:
            connection = await self._take(tenant_id) or await self._connected(tenant_id)
            try:
                yield connection
            finally:
                if await _is_clean(connection):
                    self._keep(Idle(connection, tenant_id, asyncio.get_running_loop().time()))
                else:
                    self._end(connection)
        finally:
            self._used[tenant_id] -= 1
            if not self._used[tenant_id]:
                del self._used[tenant_id]

    async def aclose(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._end(self._idle.pop().connection)
        while self._closing:
            await asyncio.wait(self._closing)

    async def _take(self, tenant_id: UUID) -> Connection | None:
        """One that lies idle, and that the server has not closed meanwhile."""
        while (idle := next((each for each in reversed(self._idle) if each.tenant_id == tenant_id), None)) is not None:
            self._idle.remove(idle)
            try:
                await refuse_closed(idle.connection)
                return idle.connection
            except BaseException as error:
                self._end(idle.connection)
                if not isinstance(error, psycopg.Error):
                    raise
        return None

    def _keep(self, idle: Idle) -> None:
        self._idle.append(idle)
        self._sweep()

    def _sweep(self) -> None:
        """Idle ones go when nobody needed them for a while, and sooner where there are many."""
        now = asyncio.get_running_loop().time()
        most = max(0, IN_ALL - self._used.total())
        going = [idle for idle in self._idle if now - idle.since > IDLE_SECONDS]
        going += [idle for idle in self._idle if idle not in going][: max(0, len(self._idle) - len(going) - most)]
        for idle in going:
            self._idle.remove(idle)
            self._end(idle.connection)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = asyncio.get_running_loop().call_later(IDLE_SECONDS / 2, self._sweep) if self._idle else None

    def _end(self, connection: Connection) -> None:
        """By itself, whoever was cancelled: nobody waits for it but who closes the process."""
        task = asyncio.create_task(_ended(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connected(self, tenant_id: UUID) -> Connection:
        if self.keys is None:
            raise NoMasterKey
        secret = self.keys.fingerprint(b"gesta query login" + tenant_id.bytes)
        password = urlsafe_b64encode(secret).decode().rstrip("=")
        await self._bind(tenant_id, password)
        if self._used.total() + len(self._idle) > IN_ALL:
            self._end(self._idle.pop(0).connection)
        try:
            return await self._open(tenant_id, password)
        except psycopg.OperationalError as error:
            if any(words in str(error) for words in FULL):
                raise TooMany from error
            log.info("The login for SQL over HTTP is made anew: %s", error, extra={"action": "query"})
            await self._admit(tenant_id, password)  # its password was of another master key, or somebody has changed it
            return await self._open(tenant_id, password)

    async def _open(self, tenant_id: UUID, password: str) -> Connection:
        url = make_conninfo(self.url, user=self._login(tenant_id), password=password)
        connection = await connecting.open_connection(url, name=NAME)
        connection.prepare_threshold = None  # each is another statement
        return connection

    async def _bind(self, tenant_id: UUID, password: str) -> None:
        """Whoever asks first in this process looks whether the login is there."""
        if tenant_id in self._admitted:
            return
        async with self.system.connection() as connection:
            row = await (await connection.execute(BOUND, [tenant_id, self._login(tenant_id)])).fetchone()
        if row is None or not row[0]:
            await self._admit(tenant_id, password)
        self._admitted.add(tenant_id)

    async def _admit(self, tenant_id: UUID, password: str) -> None:
        async with self.system.connection() as connection:
            await analysts.admit(connection, tenant_id, self._login(tenant_id), password, LIMITS)

    def _login(self, tenant_id: UUID) -> str:
        return analysts.login_of_api(str(conninfo_to_dict(self.url).get("dbname", "")), tenant_id)


async def _is_clean(connection: Connection) -> bool:
    """Whether nothing of the last statement is left in the session: no transaction, setting, or lock."""
    if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        return False
    try:
        await connection.execute("DISCARD ALL")
    except psycopg.Error:
        return False
    return True


async def _ended(connection: Connection) -> None:
    """What it does is cancelled in the database, which would not notice otherwise that nobody waits for it."""
    if not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        with suppress(psycopg.Error, OSError):
            await connection.cancel_safe(timeout=CANCEL_SECONDS)
    with suppress(psycopg.Error, OSError):
        await connection.close()
