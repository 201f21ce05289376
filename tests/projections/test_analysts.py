"""Attacks of an analyst on the walls between tenants, one each. What is left open is in SECURITY.md, with its reason."""

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, Connection
from psycopg.errors import DatabaseError, InsufficientPrivilege, OperationalError

from domain.role import RoleCreated
from projections.generation import SERVING_SCHEMA
from projections.projector import Projector
from projections.rebuilding.rebuild import RebuildOptions, rebuild
from runtime import analysts, migrations
from runtime.analysts import LoginLimits
from runtime.postgres import EmbeddedServer
from runtime.postgres.bootstrap import DATABASE
from store.notifications import channels
from store.notifications.listening import listen
from store.notifications.sending import notify
from tests.conftest import Database, temporary_database
from tests.projections.analysing import PASSWORD, admitted, rows, session
from tests.projections.story import ACME, GLOBEX, Ledgers, an_id

RELATIONS = """
SELECT n.nspname, c.relname, c.relkind,
       ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r
              WHERE has_table_privilege('gesta_analyst', c.oid, r)) AS rights,
       has_any_column_privilege('gesta_analyst', c.oid, 'SELECT'), c.relrowsecurity AND c.relforcerowsecurity,
       coalesce(c.reloptions @> '{security_invoker=true}', false),
       ARRAY(SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
              WHERE p.polrelid = c.oid AND p.polroles && ARRAY['gesta_analyst'::regrole::oid, 0])
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('ledger', 'runtime', 'projections', 'gesta_meta') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""
CALLABLE = """
SELECT p.oid::regproc::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname IN ('ledger', 'runtime', 'projections', 'gesta_meta')
   AND has_function_privilege('gesta_analyst', p.oid, 'EXECUTE')
"""
OF_PLATFORM = {"tenants", "users", "permissions"}
OTHERS = re.compile(rf"globex|{GLOBEX}", re.IGNORECASE)


@pytest.fixture(scope="module")
def place(postgres: EmbeddedServer, seeded_story: tuple[str, Any]) -> Iterator[Database]:
    """A database with the rows of two tenants, as `gesta db migrate` leaves it."""
    with temporary_database(postgres, seeded_story[0]) as made:
        with migrations.owner_connection(made.owner_url) as owner:
            analysts.forbid_temporary_tables(owner)
        yield made


@pytest.fixture(scope="module")
def login(place: Database) -> str:
    return asyncio.run(admitted(place, ACME))


@pytest.fixture(scope="module")
def other(place: Database) -> str:
    """Of globex."""
    return asyncio.run(admitted(place, GLOBEX))


@pytest.fixture
def analyst(place: Database, login: str) -> Iterator[Connection[Any]]:
    """Of acme."""
    with session(place, login) as connection:
        yield connection


def superuser(place: Database, statement: str, **parts: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(place.superuser_url, autocommit=True) as connection:
        return rows(connection, statement, **parts)


def relations(place: Database) -> list[str]:
    return [row[1] for row in superuser(place, RELATIONS) if row[0] == SERVING_SCHEMA]


def test_every_table_and_view_can_be_read_and_nothing_besides(place: Database) -> None:
    """New ones included: whoever forgets a grant or a policy is told here."""
    for schema, name, kind, rights, any_column, forced, invoker, rules in superuser(place, RELATIONS):
        if schema != SERVING_SCHEMA:
            assert (rights, any_column) == ([], False), f"{schema}.{name}"
        else:
            assert rights == ["SELECT"], name
            assert invoker if kind == "v" else (kind == "r" and forced), name
            assert len(rules) == (0 if kind == "v" else 1), name
            assert all("analyst_tenant()" in rule for rule in rules), name
    assert superuser(place, CALLABLE) == [("runtime.analyst_tenant",)]


def seen(analyst: Connection[Any], place: Database) -> dict[str, list[Any]]:
    return {
        name: [row[0] for row in rows(analyst, "SELECT to_jsonb(t) FROM projections.{t} t", t=name)] for name in relations(place)
    }


def test_an_analyst_sees_the_own_tenant_in_every_table_and_view(analyst: Connection[Any], place: Database, other: str) -> None:
    found = seen(analyst, place)
    assert [name for name, those in found.items() if not those] == []
    for name, those in found.items():
        if name not in OF_PLATFORM:
            assert {row["tenant_id"] for row in those} == {str(ACME)}, name
    assert [row["slug"] for row in found["tenants"]] == ["acme"]
    with session(place, other) as globex:
        theirs = seen(globex, place)
    assert [row["slug"] for row in theirs["tenants"]] == ["globex"]
    assert theirs["audit_logs"]
    assert {row["tenant_id"] for row in theirs["audit_logs"]} == {str(GLOBEX)}


def settings() -> list[str]:
    """All that functions and policies of ours ask for."""
    texts = [path.read_text("utf-8") for path in migrations.DIRECTORY.rglob("*.sql")]
    return sorted({name for text in texts for name in re.findall(r"current_setting\('(gesta\.\w+)'", text)})


def test_no_setting_opens_another_tenant(analyst: Connection[Any]) -> None:
    assert {"gesta.tenant_id", "gesta.backup"} <= set(settings())
    before = rows(analyst, "SELECT count(*) FROM audit_logs")
    for name in settings():
        for value in (str(GLOBEX), "on", "00000000-0000-0000-0000-000000000001", ""):
            analyst.execute("SELECT set_config(%s, %s, false)", [name, value])
            assert rows(analyst, "SELECT slug FROM projections.tenants") == [("acme",)]
            assert rows(analyst, "SELECT count(*) FROM projections.audit_logs") == before


REFUSED = {
    "set role": "SET ROLE gesta_system",
    "set role to the owner": "SET ROLE gesta_owner",
    "set role to the API": "SELECT set_config('role', 'gesta_api', false)",
    "session authorization": "SET SESSION AUTHORIZATION gesta_system",
    "the ledger": "SELECT data FROM ledger.events",
    "secrets": "SELECT ciphertext FROM runtime.secrets",
    "who is bound to what": "SELECT login FROM runtime.analyst_logins",
    "the runner's table": "SELECT 1 FROM gesta_meta.migrations",
    "a function that makes logins": "SELECT runtime.dismiss_analyst('gesta_analyst_0000000000000000')",
    "a function that appends": "SELECT ledger.open('00000000-0000-0000-0000-00000000000a')",
    "insert": "INSERT INTO projections.permissions SELECT * FROM projections.permissions",
    "update": "UPDATE projections.roles SET name = 'x'",
    "delete": "DELETE FROM projections.roles",
    "truncate": "TRUNCATE projections.roles",
    "lock rows": "SELECT 1 FROM projections.roles FOR KEY SHARE",
    "a table": "CREATE TABLE public.mine (a int)",
    "a temporary table": "CREATE TEMPORARY TABLE mine (a int)",
    "a schema": "CREATE SCHEMA mine",
    "a view": "CREATE VIEW projections.mine AS SELECT 1",
    "a leaky function": "CREATE FUNCTION public.peek(text) RETURNS bool LANGUAGE sql COST 0.0001 AS 'SELECT true'",
    "a temporary function": "CREATE FUNCTION pg_temp.peek(text) RETURNS bool LANGUAGE sql AS 'SELECT true'",
    "an extension": "CREATE EXTENSION dblink",
    "a database": "CREATE DATABASE mine",
    "a role": "CREATE ROLE mine",
    "an index": "CREATE INDEX ON projections.roles (name)",
    "statistics": "CREATE STATISTICS mine ON key, name FROM projections.roles",
    "a publication": "CREATE PUBLICATION mine FOR TABLE projections.roles",
    "a slot": "SELECT pg_create_physical_replication_slot('mine')",
    "a grant": "GRANT gesta_system TO CURRENT_USER",
    "row-level security put off": "ALTER TABLE projections.roles DISABLE ROW LEVEL SECURITY",
    "a program": "COPY projections.roles TO PROGRAM 'cat'",
    "a program's output": "COPY projections.roles FROM PROGRAM 'cat'",
    "a file": "COPY projections.roles TO '/tmp/gesta'",
    "files of the server": "SELECT pg_ls_dir('.')",
    "the text of a file": "SELECT pg_read_file('postgresql.conf')",
    "a large object from a file": "SELECT lo_import('/etc/passwd')",
    "passwords": "SELECT rolpassword FROM pg_authid",
    "statistics of columns": "SELECT stavalues1 FROM pg_statistic",
    "statistics of expressions": "SELECT * FROM pg_statistic_ext_data",
    "triggers put off": "SET session_replication_role = replica",
    "temporary files without bound": "SET temp_file_limit = -1",
    "a setting of the server": "ALTER SYSTEM SET max_connections = 1",
    "settings read anew": "SELECT pg_reload_conf()",
    "statistics reset": "SELECT pg_stat_reset()",
    "more connections": "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1",
    "more time": "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
    "a superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "an end to row-level security": "ALTER ROLE CURRENT_USER BYPASSRLS",
    "a vacuum without end": "ALTER TABLE projections.roles SET (autovacuum_enabled = off)",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=[name.replace(" ", "_") for name in REFUSED])
def test_what_is_no_analyst_s_is_refused(analyst: Connection[Any], statement: str) -> None:
    with pytest.raises(InsufficientPrivilege) as refused:
        rows(analyst, statement)
    assert OTHERS.search(str(refused.value)) is None


def test_nobody_is_kept_from_writing_by_a_lock(analyst: Connection[Any]) -> None:
    for mode in ("ROW SHARE", "ROW EXCLUSIVE", "SHARE", "ACCESS EXCLUSIVE"):
        with pytest.raises(InsufficientPrivilege), analyst.transaction():
            analyst.execute(f"LOCK TABLE projections.roles IN {mode} MODE".encode())


def test_row_security_cannot_be_switched_off(analyst: Connection[Any]) -> None:
    analyst.execute("SET row_security = off")
    with pytest.raises(DatabaseError, match="row-level security"):
        rows(analyst, "SELECT * FROM projections.roles")


def test_others_passwords_and_logins_are_out_of_reach(analyst: Connection[Any], place: Database, other: str) -> None:
    for change in ("PASSWORD 'x'", "SET search_path = pg_temp", "NOLOGIN"):
        with pytest.raises(InsufficientPrivilege):
            rows(analyst, f"ALTER ROLE {other} {change}")
    with pytest.raises(InsufficientPrivilege):
        rows(analyst, f"SET ROLE {other}")
    stored = superuser(place, "SELECT rolpassword FROM pg_authid WHERE rolname = '{login}'", login=other)[0][0]
    assert stored.startswith("SCRAM-SHA-256$")
    assert PASSWORD not in stored


LEAKY = {
    "a division": "SELECT count(*) FROM projections.{t} t WHERE t.tenant_id <> '{acme}' AND 1 / (length(t::text) * 0) = 1",
    "a cast": "SELECT count(*) FROM projections.{t} t WHERE t.tenant_id <> '{acme}' AND to_jsonb(t)::text::int = 1",
    "a cast of a row": "SELECT count(*) FROM (TABLE projections.{t}) t WHERE t.tenant_id = '{globex}' AND t::text::int = 1",
    "a join": "SELECT count(*) FROM projections.{t} t JOIN (VALUES ('{globex}'::uuid)) v (id) ON v.id = t.tenant_id",
    "a function in FROM": "SELECT count(*) FROM projections.{t} t, LATERAL json_object_keys((t.tenant_id::text || '!')::json) "
    "WHERE t.tenant_id = '{globex}'",
    "an aggregate": "SELECT count(*) FROM (SELECT 1 FROM projections.{t} t GROUP BY tenant_id HAVING tenant_id <> '{acme}') g",
}


@pytest.mark.parametrize("attack", LEAKY.values(), ids=[name.replace(" ", "_") for name in LEAKY])
def test_leaky_operators_never_see_rows_of_others(analyst: Connection[Any], place: Database, attack: str) -> None:
    """What can fail would tell the value in its error; a policy is judged before all that is not proof against that."""
    for name in relations(place):
        if name in OF_PLATFORM:
            continue
        assert rows(analyst, attack, t=name, acme=ACME, globex=GLOBEX) == [(0,)], name


def test_errors_of_a_cast_name_no_user_of_others(analyst: Connection[Any]) -> None:
    assert rows(analyst, "SELECT count(*) FROM projections.users u WHERE u.email LIKE '%globex%' AND u.email::int > 0") == [(0,)]
    with pytest.raises(DatabaseError) as told:
        rows(analyst, "SELECT count(*) FROM projections.users u WHERE u.email::int > 0")
    assert OTHERS.search(str(told.value)) is None


HOLDERS = {
    "a prepared statement": ("PREPARE mine AS SELECT slug FROM projections.tenants", "EXECUTE mine"),
    "a cursor with hold": ("DECLARE held CURSOR WITH HOLD FOR SELECT slug FROM projections.tenants", "FETCH ALL FROM held"),
    "a block": ("DO $$ BEGIN PERFORM set_config('gesta.tenant_id', 'x', false); END $$", "SELECT slug FROM projections.tenants"),
    "a copy": ("SELECT 1", "SELECT slug FROM (TABLE projections.tenants) t"),
}


@pytest.mark.parametrize(("first", "then"), HOLDERS.values(), ids=[name.replace(" ", "_") for name in HOLDERS])
def test_what_holds_a_query_is_bound_as_well(analyst: Connection[Any], first: str, then: str) -> None:
    analyst.execute(first.encode())
    assert rows(analyst, then) == [("acme",)]


def test_statistics_of_columns_are_hidden(analyst: Connection[Any], place: Database) -> None:
    """Histograms and most common values are of all tenants."""
    with psycopg.connect(place.superuser_url, autocommit=True) as connection:
        connection.execute("ANALYZE projections.audit_logs, projections.roles")
    assert superuser(place, "SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'projections'") == [(True,)]
    assert rows(analyst, "SELECT * FROM pg_stats WHERE schemaname IN ('projections', 'runtime', 'ledger')") == []
    assert rows(analyst, "SELECT * FROM pg_stats_ext") == []


def test_what_others_ask_is_hidden(analyst: Connection[Any], place: Database, other: str) -> None:
    with session(place, other) as theirs:
        theirs.execute("SELECT 'of globex'")
        mine = [row[0] for row in rows(analyst, "SELECT to_jsonb(a) FROM pg_stat_activity a WHERE usename <> current_user")]
    assert any(row["usename"] == other for row in mine)
    assert OTHERS.search(str(mine)) is None
    assert {row["query"] for row in mine if row["usename"] == other} == {"<insufficient privilege>"}


KNOWING = ("SELECT runtime.secret_channel('gesta_events')", "SELECT suffix FROM runtime.notification_secret")
SEEN = """
SELECT query FROM pg_stat_activity UNION ALL SELECT prosrc FROM pg_proc UNION ALL SELECT setconfig::text FROM pg_db_role_setting
UNION ALL SELECT description FROM pg_description UNION ALL SELECT pg_listening_channels()
"""


async def test_who_listens_hears_nothing(place: Database, login: str, seeded_story: tuple[str, datetime]) -> None:
    """PostgreSQL has no right to LISTEN that could be withheld: so the channels' names are a secret. The last word is the
    analyst's own: notifications come in the order of their commits."""
    ours = [one for one in vars(channels).values() if isinstance(one, channels.Channel)]
    async with (
        await AsyncConnection.connect(place.server.url(login, place.name), password=PASSWORD, autocommit=True) as analyst,
        await AsyncConnection.connect(place.system_url, autocommit=True) as system,
        await AsyncConnection.connect(place.superuser_url, autocommit=True) as superuser,
    ):
        ledgers = Ledgers(superuser)
        ledgers.now = seeded_story[1]
        for name in ("mine", *(channel.name for channel in ours)):
            await analyst.execute(f"LISTEN {name}".encode())
        await listen(system, [channel.name for channel in ours])  # as our processes do: what names does anybody see?
        for attack in KNOWING:
            with pytest.raises(InsufficientPrivilege):
                await analyst.execute(attack.encode())
        cursor = await analyst.execute(SEEN.encode())
        assert [row[0] for row in await cursor.fetchall() if re.search(r"gesta_events_[0-9a-f]", row[0])] == []
        await ledgers.append(GLOBEX, (an_id("told"), RoleCreated("of_globex", "Of Globex", ())))
        await Projector(place.system_url).catch_up()
        await notify(system, channels.JOBS, channels.job_name(GLOBEX, "resize"))
        for channel in ours:
            await notify(system, channel)
        await superuser.execute("NOTIFY mine, 'the end'")
        heard = [note async for note in system.notifies(timeout=10, stop_after=len(ours) + 2)]
        said = [note.payload async for note in analyst.notifies(timeout=10, stop_after=1)]
    assert {str(GLOBEX), f"{GLOBEX}:resize"} <= {note.payload for note in heard}
    assert said == ["the end"]


def test_the_names_of_logins_tell_nothing(analyst: Connection[Any], other: str) -> None:
    names = [row[0] for row in rows(analyst, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'gesta\\_analyst\\_%'")]
    assert other in names
    assert [name for name in names if re.fullmatch(r"gesta_analyst_[0-9a-f]{16,32}", name) is None] == []


def test_a_view_and_a_table_are_read_by_the_tenant_s_index_and_the_login_is_looked_up_once(analyst: Connection[Any]) -> None:
    with analyst.transaction():
        analyst.execute("SET LOCAL enable_seqscan = off")
        for name in ("audit_logs", "workflow_executions", "ai_spend"):
            plan = "\n".join(row[0] for row in rows(analyst, "EXPLAIN (VERBOSE) SELECT * FROM projections.{t}", t=name))
            assert "Output: runtime.analyst_tenant()" in plan, plan
            assert "Index Cond: (" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert re.search(r"Filter:.*analyst_tenant\(\)", plan) is None, plan


def test_there_are_no_more_sessions_than_the_login_may_have(place: Database) -> None:
    login = asyncio.run(admitted(place, ACME, LoginLimits(connections=2)))
    with session(place, login), session(place, login), pytest.raises(OperationalError, match="too many connections"):
        psycopg.connect(place.server.url(login, place.name))


async def ended(place: Database) -> list[tuple[str, str]]:
    async with await AsyncConnection.connect(place.system_url, autocommit=True) as system:
        return [(each.login, each.reason) for each in (await analysts.end_beyond_limits(system))[0] if each.ended]


def ended_in_the_end(place: Database, wanted: set[tuple[str, str]]) -> None:
    found: set[tuple[str, str]] = set()
    deadline = time.monotonic() + 20
    while not wanted <= found:
        assert time.monotonic() < deadline, found
        found.update(asyncio.run(ended(place)))
        time.sleep(0.05)
    assert found == wanted


def test_sessions_beyond_their_limits_are_ended_whatever_they_have_set(place: Database) -> None:
    """A snapshot that is held, a transaction that idles, a statement without end: each could be set to last for ever."""
    short = {
        "a transaction took too long": LoginLimits(transaction_seconds=1),
        "a transaction was idle for too long": LoginLimits(idle_seconds=1),
        "a statement took too long": LoginLimits(statement_seconds=1),
        "advisory locks are not for analysts": LoginLimits(),
    }
    logins = {reason: asyncio.run(admitted(place, ACME, limits)) for reason, limits in short.items()}
    elsewhere = asyncio.run(admitted(place, ACME, LoginLimits(statement_seconds=1)))
    patient = asyncio.run(admitted(place, ACME))
    opened = {reason: psycopg.connect(place.server.url(login, place.name), autocommit=True) for reason, login in logins.items()}
    with session(place, patient) as untouched:
        untouched.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        untouched.execute("SELECT 1")
        for connection in opened.values():
            connection.execute(
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET transaction_read_only = off"
            )
        for reason in list(opened)[:2]:
            opened[reason].execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            opened[reason].execute("SELECT count(*) FROM projections.audit_logs")
        opened["a statement took too long"].pgconn.send_query(b"SELECT pg_sleep(600)")
        opened["in another database"] = psycopg.connect(place.server.url(elsewhere, DATABASE), autocommit=True)
        opened["in another database"].execute("SET statement_timeout = 0")
        opened["in another database"].pgconn.send_query(b"SELECT pg_sleep(600)")
        opened["advisory locks are not for analysts"].execute("SELECT pg_advisory_lock(%s)", [migrations.ADVISORY_LOCK])
        ended_in_the_end(
            place, {(login, reason) for reason, login in (*logins.items(), ("a statement took too long", elsewhere))}
        )
        assert rows(untouched, "SELECT 1") == [(1,)]
    for connection in opened.values():
        connection.close()


async def test_nobody_keeps_the_queue_of_notifications_full(place: Database, login: str, other: str) -> None:
    """Full, it would stop whoever notifies in a transaction, which is every tenant's commands."""
    with session(place, login) as listening, session(place, other) as reading:
        listening.execute("LISTEN mine")
        listening.execute("BEGIN")
        listening.execute("SELECT 1")
        reading.execute("SELECT count(pg_notify('theirs', i || repeat('x', 7900))) FROM generate_series(1, 5) i")
        assert await ended(place) == []
        async with await AsyncConnection.connect(place.system_url, autocommit=True) as system:
            found, _ = await analysts.end_beyond_limits(system, 1e-9)
        assert [tuple(vars(each).values()) for each in found] == [(login, "the queue of notifications fills", True)]
        assert rows(reading, "SELECT 1") == [(1,)]
        listening.close()


def test_in_databases_that_nobody_looks_after_there_are_no_analysts(place: Database, login: str) -> None:
    for name in ("postgres", "template1"):
        with pytest.raises(OperationalError, match="permission denied for database"):
            psycopg.connect(place.server.url(login, name))
    with (
        psycopg.connect(place.server.url(login, DATABASE), autocommit=True) as connection,
        pytest.raises(InsufficientPrivilege),
    ):
        connection.execute("SELECT pg_logical_emit_message(false, 'gesta', 'what is no event')")


async def test_another_password_takes_back_what_was_set_for_sessions_to_come(place: Database) -> None:
    login = await admitted(place, ACME)
    with session(place, login) as found_out:
        for of in ("", f"IN DATABASE {place.name} "):
            found_out.execute(f"ALTER ROLE {login} {of}SET search_path = pg_temp".encode())
        async with await AsyncConnection.connect(place.system_url, autocommit=True) as system:
            await analysts.admit(system, ACME, login, PASSWORD, LoginLimits())
            await analysts.end_sessions(system, login)
        with pytest.raises(OperationalError):
            found_out.execute("SELECT 1")
    with session(place, login) as again:
        assert rows(again, "SHOW search_path") == [("projections",)]


def test_large_objects_are_removed(place: Database, analyst: Connection[Any]) -> None:
    """Nobody but a superuser can forbid them, and they fill a disk."""
    (number,) = rows(analyst, "SELECT lo_from_bytea(0, 'much')")[0]
    asyncio.run(ended(place))
    assert superuser(place, "SELECT 1 FROM pg_largeobject_metadata WHERE oid = {oid}", oid=number) == []


def test_of_long_statements_a_tenant_has_so_many_at_a_time(place: Database) -> None:
    login = asyncio.run(admitted(place, ACME, LoginLimits(connections=3)))
    connections = [psycopg.connect(place.server.url(login, place.name), autocommit=True) for _ in range(3)]
    for connection in connections:
        connection.pgconn.send_query(b"SELECT pg_sleep(600)")
    deadline = time.monotonic() + 10
    found: list[tuple[Any, ...]] = []
    with psycopg.connect(place.system_url, autocommit=True) as system:
        while not found:
            assert time.monotonic() < deadline
            found = rows(system, "SELECT login, reason, ended FROM runtime.end_analysts(at_a_time => 2, long_seconds => 0)")
    assert found == [(login, "long statements of the tenant run already", True)]
    for connection in connections:
        connection.close()


def test_a_migration_does_not_wait_for_an_analyst(place: Database, analyst: Connection[Any]) -> None:
    analyst.execute("SELECT pg_advisory_lock(%s)", [migrations.ADVISORY_LOCK])
    with migrations.owner_connection(place.owner_url) as owner:
        owner.execute("SET lock_timeout = '10s'")
        assert migrations.migrate(owner, migrations.load()) == []
    with pytest.raises(OperationalError):
        analyst.execute("SELECT 1")


async def test_who_has_expired_or_is_of_a_suspended_tenant_sees_nothing(place: Database, other: str) -> None:
    for change, back in (
        (
            "UPDATE runtime.analyst_logins SET expires_at = now() WHERE login = '{login}' RETURNING 1",
            "UPDATE runtime.analyst_logins SET expires_at = NULL WHERE login = '{login}' RETURNING 1",
        ),
        (
            "INSERT INTO runtime.suspended_tenants VALUES ('{tenant}', now()) RETURNING 1",
            "DELETE FROM runtime.suspended_tenants WHERE tenant_id = '{tenant}' RETURNING 1",
        ),
    ):
        with session(place, other) as theirs:
            assert len(rows(theirs, "SELECT 1 FROM projections.tenants")) == 1
            superuser(place, change, login=other, tenant=GLOBEX)
            assert rows(theirs, "SELECT 1 FROM projections.tenants UNION ALL SELECT 1 FROM projections.permissions") == []
            assert [login for login, _ in await ended(place)] == [other]
            superuser(place, back, login=other, tenant=GLOBEX)


async def test_a_login_is_bound_for_good_and_only_logins_of_analysts_can_be_made(place: Database, other: str) -> None:
    async with await AsyncConnection.connect(place.system_url, autocommit=True) as system:
        with pytest.raises(DatabaseError, match="bound to another tenant"):
            await analysts.admit(system, ACME, other, PASSWORD, LoginLimits())
        for name in ("gesta_api", "postgres", "gesta_analyst_x"):
            with pytest.raises(DatabaseError, match="no login of an analyst"):
                await analysts.admit(system, ACME, name, PASSWORD, LoginLimits())
        with pytest.raises(DatabaseError, match="no such tenant"):
            await analysts.admit(system, UUID(int=1), analysts.new_login(), PASSWORD, LoginLimits())
        await analysts.dismiss(system, gone := await admitted(place, ACME))
    assert superuser(place, "SELECT 1 FROM pg_roles WHERE rolname = '{login}'", login=gone) == []
    with psycopg.connect(place.api_url, autocommit=True) as api, pytest.raises(InsufficientPrivilege):
        api.execute("SELECT runtime.dismiss_analyst(%s)", [other])


async def test_rights_and_policies_go_along_when_tables_are_exchanged(place: Database, login: str) -> None:
    await rebuild(place.owner_url, place.system_url, RebuildOptions(groups=("people", "work"), reason="test"))
    with session(place, login) as analyst:
        test_every_table_and_view_can_be_read_and_nothing_besides(place)
        assert {row["tenant_id"] for row in seen(analyst, place)["approver_load"]} == {str(ACME)}
        with pytest.raises(InsufficientPrivilege):
            rows(analyst, "SELECT 1 FROM projections_old.roles")
