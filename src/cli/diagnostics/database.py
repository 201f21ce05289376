"""The database as each role finds it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from cli.diagnostics.finding import CheckResult, fail, ok, warn
from domain.envelope import PLATFORM
from projections.freshness import lagging
from projections.poison_events import read_poison_events
from runtime import migrations, schema
from runtime.addresses import Addresses
from runtime.errors import OperatorError
from runtime.failing_tasks import failing_tasks
from runtime.pools import Connection, connect
from runtime.roles import OLDEST_SERVER, refuse_dangerous_role
from store.failures import troubled

LONG_TRANSACTION, LONG_WAIT = "5 minutes", "10 seconds"
SKEW, LARGE_SKEW = 1.0, 60.0  # seconds

UNPROTECTED = """
SELECT c.oid::regclass::text FROM pg_class c
 WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('ledger', 'runtime', 'projections'))
   AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
 ORDER BY 1
"""
# What a dump without its rows leaves behind, or a restore of a part: things that came from events, and no events.
WITHOUT_EVENTS = """
WITH known AS (
    SELECT %s::uuid AS tenant_id, false AS used
    UNION ALL SELECT tenant_id, true FROM projections.freshness WHERE position > 0
    UNION ALL SELECT DISTINCT tenant_id, true FROM runtime.commands
    UNION ALL SELECT id, true FROM projections.tenants
)
SELECT k.tenant_id::text, bool_or(h.tenant_id IS NOT NULL)
  FROM known k
  LEFT JOIN ledger.heads h ON h.tenant_id = k.tenant_id
 WHERE h.tenant_id IS NULL OR k.used AND NOT EXISTS (SELECT FROM ledger.events e WHERE e.tenant_id = k.tenant_id)
 GROUP BY k.tenant_id ORDER BY k.tenant_id
"""
CLOCK = "SELECT clock_timestamp()"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND waitstart < clock_timestamp() - %s::interval"
MIGRATING = """
SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND classid = (%(key)s::int8 >> 32)::oid AND objid = (%(key)s::int8 & 4294967295)::oid AND objsubid = 1
"""
# A login sees the transactions of its own role: those of the processes that serve.
OLD_TRANSACTIONS = """
SELECT pid, application_name FROM pg_stat_activity
 WHERE datname = current_database() AND xact_start < clock_timestamp() - %s::interval
 UNION ALL
SELECT NULL, 'prepared transaction ' || gid FROM pg_prepared_xacts
 WHERE database = current_database() AND prepared < clock_timestamp() - %s::interval
"""
SHADOWS = r"SELECT datname::text FROM pg_database WHERE datname LIKE 'gesta\_shadow\_%' ORDER BY 1"
# A shadow in use has somebody connected; who works in which database is for everybody to see.
USED = "SELECT DISTINCT datname::text FROM pg_stat_activity WHERE datname IS NOT NULL"


async def examine(addresses: Addresses) -> AsyncIterator[CheckResult]:
    """The database by the addresses of its roles; drift is looked for elsewhere."""
    async with AsyncExitStack() as stack:
        system: Connection | None = None
        for role in ("owner", "system", "api", "listen"):
            try:
                connection = await stack.enter_async_context(connect(getattr(addresses, role), name="gesta doctor"))
            except OperatorError as error:
                yield _unreachable(role, str(error))
                continue
            yield _version(role, connection)
            if role in ("system", "api"):
                yield await safe(role, connection)
            if role == "system":
                system = connection
        if system is None:
            return
        yield await clock(system)
        yield await locks(system)
        async for finding in shadows(system):
            yield finding
        schema = await current(system)
        yield schema
        if schema.state == "ok":
            yield await protected(system)
            yield await recorded(system)
            yield await behind(system)
            yield await stopped(system)
            yield await work(system)
            yield await background(system)


def _unreachable(role: str, words: str) -> CheckResult:
    if role == "owner" and "is not set" in words:
        return warn("database as owner", "no DATABASE_URL", "right for a process that serves; migrations need it")
    return fail(f"database as {role}", words, "see docs/how-to/run.md, “On a server of your own”; is the server up?")


def _version(role: str, connection: Connection) -> CheckResult:
    major = connection.info.server_version // 10_000
    if major < OLDEST_SERVER:
        return fail(f"database as {role}", f"PostgreSQL {major}", f"Gesta needs PostgreSQL {OLDEST_SERVER} or later")
    return ok(f"database as {role}", f"PostgreSQL {major}, as {connection.info.user}")


async def safe(role: str, connection: Connection) -> CheckResult:
    try:
        await refuse_dangerous_role(connection)
    except OperatorError as error:
        return fail(f"rights of {role}", str(error), "row-level security does not bind such a login; name a lesser one")
    return ok(f"rights of {role}", "no superuser, no owner, no BYPASSRLS")


async def clock(connection: Connection) -> CheckResult:
    """The machine's clock against the database's, as exactly as the way there and back allows."""
    before = datetime.now(UTC)
    cursor = await connection.execute(CLOCK)
    row = await cursor.fetchone()
    after = datetime.now(UTC)
    assert row is not None
    apart = max((before - row[0]).total_seconds(), (row[0] - after).total_seconds(), 0.0)
    words = f"{apart:.1f} s apart from the database's"
    if apart > LARGE_SKEW:
        return fail("clock", words, "set the machines' clocks by NTP: times of events come from both")
    if apart > SKEW:
        return warn("clock", words, "set the machines' clocks by NTP")
    return ok("clock", words)


async def locks(connection: Connection) -> CheckResult:
    waiting = await _one(connection, WAITING, [LONG_WAIT])
    if waiting:
        return warn(
            "locks", f"{waiting} sessions have waited for more than {LONG_WAIT}", "SELECT * FROM pg_locks WHERE NOT granted"
        )
    cursor = await connection.execute(MIGRATING, {"key": migrations.ADVISORY_LOCK})
    if (row := await cursor.fetchone()) is not None:
        return warn("locks", f"a migration runs, or hangs (process {row[0]})", "wait for it, or end that session")
    cursor = await connection.execute(OLD_TRANSACTIONS, [LONG_TRANSACTION, LONG_TRANSACTION])
    old = [f"{name} (process {pid})" if pid else str(name) for pid, name in await cursor.fetchall()]
    if old:
        return warn(
            "locks", f"open for more than {LONG_TRANSACTION}: {', '.join(old)}", "end it: what is dead cannot be cleaned up"
        )
    return ok("locks", "nobody waits for long, no transaction is old")


async def shadows(connection: Connection) -> AsyncIterator[CheckResult]:
    """Databases that `gesta db check` could not drop, because it was killed."""
    left = {row[0] for row in await (await connection.execute(SHADOWS)).fetchall()}
    left -= {row[0] for row in await (await connection.execute(USED)).fetchall()}
    if left:
        yield warn("shadow databases", f"left behind: {', '.join(sorted(left))}", "DROP DATABASE them")


async def current(connection: Connection) -> CheckResult:
    state, words = await schema.of_this_release().state(connection)
    if state == "ok":
        return ok("migrations", words)
    if state == "older":
        return fail("migrations", words, "gesta db migrate")
    return fail("migrations", "not those of this version", "run the version that migrated, or restore; see gesta db status")


async def protected(connection: Connection) -> CheckResult:
    open_tables = [row[0] for row in await (await connection.execute(UNPROTECTED)).fetchall()]
    if open_tables:
        return fail(
            "row-level security", f"not forced on {', '.join(open_tables)}", "ALTER TABLE … ENABLE, FORCE ROW LEVEL SECURITY"
        )
    return ok("row-level security", "forced on every table of tenants")


async def recorded(connection: Connection) -> CheckResult:
    """Whether everything that came from a ledger has one."""
    lost = await (await connection.execute(WITHOUT_EVENTS, [PLATFORM])).fetchall()
    if lost:
        tenant, has_head = lost[0]
        words = f"{len(lost)} ledgers are missing; {tenant} has {'no events' if has_head else 'no ledger'}"
        return fail("ledgers", words, "restore a backup made by gesta db backup; see docs/how-to/back-up.md")
    return ok("ledgers", "every tenant has its events")


async def behind(connection: Connection) -> CheckResult:
    lags = await lagging(connection)
    events = sum(lag.head - lag.position for lag in lags.values())
    if events:
        return warn("tables", f"{events} events of {len(lags)} ledgers are not in them yet", "does gesta projector run?")
    return ok("tables", "as current as the ledgers")


async def stopped(connection: Connection) -> CheckResult:
    known = await read_poison_events(connection)
    if known:
        first = next(iter(known.values()))
        words = f"{len(known)} ledgers stand still; {first.tenant_id} before {first.position}: {first.error}"
        return fail("projection", words, "gesta projections status, then retry")
    return ok("projection", "no event is held up")


async def work(connection: Connection) -> CheckResult:
    found = await troubled(connection)
    if found.jobs_failing or found.timers_failing:
        words = f"{found.jobs_failing} jobs and {found.timers_failing} timers fail and are put off"
        return fail("work", words, "gesta jobs list says why; gesta jobs retry, once that is fixed")
    if found.jobs_dead:
        return warn("work", f"{found.jobs_dead} jobs were given up", "gesta jobs list --state dead, then retry")
    return ok("work", "no job and no timer fails")


async def background(connection: Connection) -> CheckResult:
    found = await failing_tasks(connection)
    if found:
        first = found[0]
        words = f"{len(found)} keep failing; {first.task} of {first.process}, {first.failures} times: {first.error}"
        return fail("background tasks", words, "the process restarts them by itself; its log has the whole error")
    return ok("background tasks", "none keeps failing")


async def _one(connection: Connection, statement: str, parameters: list[str] | None = None) -> int:
    row = await (await connection.execute(statement.encode(), parameters)).fetchone()
    assert row is not None
    return int(row[0])
