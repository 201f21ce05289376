"""How the database is reached: directly or through a pooler, and whether what is said there is heard."""

import asyncio
from collections.abc import AsyncIterator

import psycopg

from cli.diagnostics.finding import CheckResult, fail, ok, warn
from runtime.addresses import Addresses
from runtime.errors import OperatorError
from runtime.limits import LIMITS
from runtime.poolers import shares_servers
from runtime.pools import Connection, connect
from runtime.roles import refuse_deaf_role
from store.reconnecting import ReconnectingConnection

RECIPE = "docs/how-to/run.md, “Through PgBouncer”"
CHANNEL = "gesta_doctor"
NOTIFY = "SELECT pg_notify(%s, %s)"
HEARD_WITHIN = 5.0  # seconds
TIME_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
SETTING = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
WRITER_WAITS = "SELECT set_config('lock_timeout', '5s', true)"


async def examine(addresses: Addresses) -> AsyncIterator[CheckResult]:
    """Of addresses that can be reached; the others are told of elsewhere."""
    reached: dict[str, str] = {}
    for role in ("owner", "system", "api", "listen"):
        try:
            url = getattr(addresses, role)
            shared = await asyncio.to_thread(shares_servers, url)
        except (OperatorError, psycopg.Error):
            continue
        reached[role] = url
        try:
            yield await way(role, url, shared=shared)
            if role in ("system", "api"):
                yield await limits(role, url)
        except (OperatorError, psycopg.Error) as error:
            yield fail(f"way of {role}", _in_a_line(error), f"pool_mode = transaction; see {RECIPE}")
    if "system" in reached:
        yield await writer(reached["system"])
        if "listen" in reached:
            yield await hints(reached["system"], reached["listen"])


async def way(role: str, url: str, *, shared: bool) -> CheckResult:
    """`shared`: clients meet on one server."""
    if role == "owner" and shared:
        words = "through a pooler in transaction mode: migrations could not keep their lock"
        return fail("way of owner", words, f"DATABASE_URL names a direct connection; see {RECIPE}")
    if role == "listen" and shared:
        words = "through a pooler in transaction mode: notifications are lost"
        return fail("way of listen", words, f"GESTA_LISTEN_DATABASE_URL names a direct connection; see {RECIPE}")
    if not shared:
        return ok(f"way of {role}", "a session of its own")
    async with connect(url, name="gesta doctor") as connection:
        if connection.prepare_threshold is None:
            words = "through a pooler that keeps no track of prepared statements: each is planned anew"
            return warn(f"way of {role}", words, f"PgBouncer 1.22 or later, max_prepared_statements = 200; see {RECIPE}")
    return ok(f"way of {role}", "through a pooler in transaction mode that keeps track of prepared statements")


async def limits(role: str, url: str) -> CheckResult:
    """Time limits come from the role, so that they hold through a pooler too."""
    async with connect(url, name="gesta doctor") as connection:
        found = dict(await (await connection.execute(SETTING, [list(TIME_LIMITS)])).fetchall())
        login = connection.info.user
    missing = {name: LIMITS[f"gesta_{role}"][name] for name in TIME_LIMITS if found[name] == "0"}
    if missing:
        remedy = " ".join(f"ALTER ROLE {login} SET {name} = '{value}';" for name, value in missing.items())
        return warn(f"time limits of {role}", f"none for {', '.join(missing)}", remedy)
    return ok(f"time limits of {role}", ", ".join(f"{name} {int(found[name]) // 1000} s" for name in TIME_LIMITS))


async def writer(url: str) -> CheckResult:
    """What the writer needs: several statements in a transaction, sent without waiting, and a setting for that long."""
    reconnecting = ReconnectingConnection(url, "gesta doctor")
    try:
        connection = await reconnecting.open()
        async with connection.pipeline(), connection.transaction():
            await connection.execute(WRITER_WAITS)
            await connection.execute("SELECT 1", prepare=True)
    except psycopg.Error as error:
        return fail("writer", _in_a_line(error), f"GESTA_SYSTEM_DATABASE_URL: pool_mode = transaction; see {RECIPE}")
    finally:
        await reconnecting.close()
    return ok("writer", "runs transactions as the ledger needs them")


async def hints(url: str, listen_url: str) -> CheckResult:
    """What is said on the way of the system must be heard on that of the listeners."""
    remedy = f"GESTA_LISTEN_DATABASE_URL leads, directly and as gesta_system, to the system's database; see {RECIPE}"
    reconnecting = ReconnectingConnection(url, "gesta doctor")
    try:
        async with connect(listen_url, name="gesta doctor") as listening:
            await refuse_deaf_role(listening)
            await listening.execute(f"LISTEN {CHANNEL}".encode())
            word = f"{listening.info.backend_pid}-{id(reconnecting)}"
            await (await reconnecting.open()).execute(NOTIFY, (CHANNEL, word))
            if await _hears(listening, word):
                return ok("notifications", "notifications arrive")
            return fail("notifications", f"notifications do not arrive within {HEARD_WITHIN:.0f} s", remedy)
    except (OperatorError, psycopg.Error) as error:
        return fail("notifications", _in_a_line(error), remedy)
    finally:
        await reconnecting.close()


async def _hears(listening: Connection, word: str) -> bool:
    return any([hint.payload == word async for hint in listening.notifies(timeout=HEARD_WITHIN, stop_after=1)])


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())
