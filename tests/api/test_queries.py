"""POST /v1/query: one statement that reads, as a login that the database binds to the tenant."""

import asyncio
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from api.querying import connections, plans
from api.routes import queries
from projections.exporting.tables import Wanted, export
from runtime import analysts
from runtime.pools import connect
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import INSTANT
from tests.conftest import Database

VALUES = """
SELECT 1::int AS one, 9007199254740993::bigint AS big, 0.10::numeric AS money, 1.5::float8 AS half, 'NaN'::float8 AS nan,
       true AS yes, NULL::text AS nothing, '2026-03-02 09:00:00.5+02'::timestamptz AS moment, 'infinity'::timestamptz AS never,
       '2026-03-02'::date AS day, interval '5 minutes' AS span, '{"a": [1, {"b": null}]}'::jsonb AS json,
       ARRAY['a,b', NULL] AS texts, ROW(1, 'x') AS record, '\\x00ff'::bytea AS bytes, 'it' AS it
"""
PRINTED = [
    *(1, "9007199254740993", "0.10", 1.5, "NaN", True, None, "2026-03-02T07:00:00.5Z", "infinity", "2026-03-02", "PT5M"),
    *({"a": [1, {"b": None}]}, ["a,b", None], {"f1": 1, "f2": "x"}, "\\x00ff", "it"),
]
DAY = 86_400_000_000
TIMES = """
SELECT day::date, at::timestamptz FROM (VALUES
       ('infinity', 'infinity'), ('-infinity', '-infinity'), ('0001-12-31 BC', '0001-12-31 00:00:00.000001+00 BC'),
       ('10000-01-01', '10000-01-01 02:00:00+02'), ('2026-03-02', '2026-03-02 00:00:00+00'), (NULL, NULL)) v (day, at)
"""
SLEEPING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(77%%' AND state = 'active' AND pid <> pg_backend_pid()"
)


async def ask(client: Client, sql: str, accept: str = "application/json", **more: Any) -> httpx2.Response:
    return await client.call("POST", "/query", {"sql": sql, **more}, headers={"Accept": accept})


async def told(client: Client, sql: str, **more: Any) -> dict[str, Any]:
    answer = await ask(client, sql, **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_analyst_asks_and_is_answered(gesta: Gesta, acme: Tenant) -> None:
    """The whole story over HTTP: whose rows, which types, parameters, limits, and what is wrong with a statement."""
    globex = await gesta.tenant("globex")
    await acme.publish(INSTANT)
    me = (await acme.member("analyst")).client
    found = await told(me, "SELECT slug, (SELECT max(position) FROM audit_logs) FROM projections.tenants")
    assert found["rows"] == [["acme", found["position"]]]
    assert (await told(globex.admin, "SELECT slug FROM tenants"))["rows"] == [["globex"]]
    assert found["columns"] == [{"name": "slug", "type": "text"}, {"name": "max", "type": "bigint"}]

    printed = await told(me, VALUES)
    assert printed["rows"] == [PRINTED]
    types = {column["name"]: column["type"] for column in printed["columns"]}
    assert (types["big"], types["moment"], types["texts"]) == ("bigint", "timestamp with time zone", "text[]")

    named = "SELECT key FROM workflows WHERE key = $1 AND published_version = $2 AND $3::jsonb ? 'a' AND $4 LIMIT $5;"
    assert (await told(me, named, params=[INSTANT["key"], 1, {"a": 1}, True, 5]))["rows"] == [[INSTANT["key"]]]
    lists = "SELECT $1::text[] AS a, $2::int[] AS b, $3::jsonb AS c, $4::jsonb[] AS d, array_length($5::int[], 2) AS e"
    given = [["a,b", 'c"\\d', "", None, "NULL"], [1, None], [1, {"a": []}], [{"a": "}"}, [1], None], [[1, 2], [3, 4]]]
    assert (await told(me, lists, params=given))["rows"] == [[*given[:4], 2]]
    assert (await told(me, "SELECT slug FROM tenants WHERE slug = ANY($1)", params=[["acme", "globex"]]))["rows"] == [["acme"]]
    endless = "SELECT v.n FROM (VALUES (1), (2)) v (n), generate_series(1, 100000) a, generate_series(1, 100000) b"
    many = await told(me, endless, max_rows=3)
    assert (many["rows"], many["truncated"]) == ([[1], [2], [1]], True)
    exact = await told(me, "VALUES (1), (2) -- both", max_rows=2)
    assert (exact["rows"], exact["truncated"]) == ([[1], [2]], False)

    ended = "SELECT ';--' AS a, e'\\';' AS b, $x$;$$;$x$ AS \"c;d\" /* ; /* ; */ ; */; -- and; /* that */ is it"
    assert (await told(me, ended))["rows"] == [[";--", "';", ";$$;"]]

    wrong = (await ask(me, "SELECT nothing\n  FROM tenants")).json()
    assert (wrong["status"], wrong["code"], wrong["sqlstate"], wrong["position"]) == (400, "sql_error", "42703", 8)
    assert "nothing" in wrong["detail"]
    value = (await ask(me, "SELECT $1::text, $2::int", params=["a", "b"])).json()
    assert [fault["path"] for fault in value["errors"]] == ["/params/1"]
    for statement, status, code in (
        ("SELECT 1/0", 400, "sql_error"),
        ("SELECT 1; SELECT 2", 400, "sql_error"),
        ("SELECT 1) q (c1) OFFSET 0) r UNION ALL SELECT 5, 'x' FROM (SELECT 1 FROM (SELECT 1", 400, "sql_error"),
        ("SELECT $1::int", 422, "wrong_number"),
        ("SET gesta.tenant_id = 'x'", 400, "not_a_query"),
        ("COMMIT", 400, "not_a_query"),
        ("INSERT INTO permissions SELECT * FROM permissions RETURNING 1", 400, "not_a_query"),
        ("WITH gone AS (DELETE FROM roles RETURNING 1) SELECT * FROM gone", 400, "sql_error"),
        ("SELECT data FROM ledger.events", 400, "sql_error"),
        ("SELECT set_config('role', 'gesta_system', false)", 400, "sql_error"),
        ("SELECT pg_sleep(60)", 422, "statement_timeout"),
        ("SELECT repeat('x', 5000000)", 422, "row_too_large"),
        ("SELECT 'a\0b'", 422, "nul"),
        ("SELECT " + ", ".join("1" * 501), 422, "too_many_columns"),
    ):
        refused = await ask(me, statement, timeout_ms=300)
        assert (refused.status_code, refused.json()["code"]) == (status, code), (statement, refused.text)
    assert (await ask((await acme.member("viewer")).client, "SELECT 1")).status_code == 403


async def test_nothing_of_a_statement_stays_in_the_session(acme: Tenant) -> None:
    kept = "SELECT set_config('work_mem', '77MB', false), pg_advisory_lock(42)"
    await told(acme.admin, kept)
    same = await told(acme.admin, "SELECT pg_backend_pid(), current_setting('work_mem')")
    assert same["rows"][0][1] == "16MB"
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42"
    assert (await told(acme.admin, held))["rows"] == [[0]]
    assert (await told(acme.admin, "SELECT pg_backend_pid()"))["rows"][0][0] == same["rows"][0][0], "the session is used again"


async def test_rows_as_csv_and_as_arrow(acme: Tenant) -> None:
    rows = "SELECT n, CASE WHEN n = 1 THEN '' WHEN n = 2 THEN 'a, \"b\"' END AS text, now() AS at FROM generate_series(1, 2000) n"
    answer = await ask(acme.admin, rows, "text/csv", max_rows=1500)
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Gesta-Query-Position"].isdigit()
    assert answer.headers["Gesta-Query-Truncated"] == "true"
    lines = answer.text.split("\n")
    assert lines[0] == "n,text,at"
    assert lines[1].startswith('1,"",20')
    assert lines[2].startswith('2,"a, ""b""",20')
    assert len(lines) == 1500 + 2
    whole = await ask(acme.admin, rows, "text/csv")
    assert (whole.headers["Gesta-Query-Truncated"], whole.text.count("\n")) == ("false", 2001)

    ipc = pytest.importorskip("pyarrow.ipc")
    answer = await ask(acme.admin, rows, "application/vnd.apache.arrow.stream", max_rows=1500)
    table = ipc.open_stream(answer.content).read_all()
    assert (table.num_rows, table.column("n").to_pylist()[-1]) == (1500, 1500)
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert table.column("text").to_pylist()[:3] == ["", 'a, "b"', None]

    answer = await ask(acme.admin, TIMES, "application/vnd.apache.arrow.stream")
    table = ipc.open_stream(answer.content).read_all()
    assert [table.column(name).cast(whole).to_pylist() for name, whole in (("day", "int32"), ("at", "int64"))] == [
        [(1 << 31) - 1, -(1 << 31), -719_163, 2_932_897, 20_514, None],
        [(1 << 63) - 1, -(1 << 63), -719_163 * DAY + 1, 2_932_897 * DAY, 20_514 * DAY, None],
    ]


async def test_csv_is_written_as_an_export_writes_it(gesta: Gesta, acme: Tenant, tmp_path: Path) -> None:
    await acme.publish(INSTANT)
    await acme.admin.get("/roles")  # the tables have reached the ledger's end
    for table in ("roles", "workflow_versions", "tenant_users"):
        async with connect(gesta.database.api_url, name="test") as connection:
            wanted = Wanted(acme.id, "acme", tables=(table,))
            told_of = await export(connection, wanted, tmp_path / f"{table}.csv", lambda _: None)
        key = ", ".join(column["name"] for column in told_of["tables"][0]["columns"] if column["in_key"])
        answer = await ask(acme.admin, f"SELECT * FROM {table} ORDER BY {key}", "text/csv")  # noqa: S608  our own names
        assert answer.content == (tmp_path / f"{table}.csv").read_bytes(), table
    written = (
        "1,9007199254740993,0.10,1.5,NaN,true,,2026-03-02T07:00:00.500000Z,infinity,2026-03-02,PT5M,"
        '"{""a"": [1, {""b"": null}]}","[""a,b"", null]","{""f1"": 1, ""f2"": ""x""}",\\x00ff,it'
    )
    assert (await ask(acme.admin, VALUES, "text/csv")).text.splitlines()[1] == written


@pytest.mark.parametrize("accept", ["text/csv", "application/vnd.apache.arrow.stream"])
async def test_what_fails_late_is_an_error_or_a_broken_transfer_and_never_a_whole_answer(acme: Tenant, accept: str) -> None:
    early = await ask(acme.admin, "SELECT 1/(5000 - n) FROM generate_series(1, 10000) n", accept)
    assert (early.status_code, early.json()["code"]) == (400, "sql_error"), "nothing had been sent"
    assert early.headers["Content-Type"] == "application/problem+json"
    late = "SELECT repeat('x', 500), 1/(5000 - n) FROM generate_series(1, 10000) n"
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete message body"):
        await ask(acme.admin, late, accept)


async def test_a_plan_is_told_of_what_reads_and_nothing_else_is_done(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    for statement in (
        "EXPLAIN (COSTS OFF) SELECT * FROM roles WHERE key = $1 AND name = ANY($2)",
        "-- why\nexplain /* how */ (costs false, verbose) (TABLE roles) -- it is done\n;",
        "EXPLAIN VERBOSE /* all */ WITH r AS (VALUES (1)) SELECT * FROM roles, r",
        "EXPLAIN (GENERIC_PLAN) SELECT * FROM roles WHERE key = $1",
    ):
        values = [["it's", ["a", '\\"']], []]["$2" not in statement]
        plan = await told(acme.admin, statement, params=values)
        assert plan["columns"] == [{"name": "QUERY PLAN", "type": "text"}]
        assert re.search(r"Scan .*on .*roles", str(plan["rows"])), plan
    as_json = await told(acme.admin, "EXPLAIN (FORMAT JSON) SELECT 1")
    assert as_json["rows"][0][0][0]["Plan"]["Node Type"] == "Result"
    wrong = (await ask(acme.admin, "EXPLAIN SELECT nothing FROM roles")).json()
    assert (wrong["sqlstate"], wrong["position"]) == ("42703", 16)
    for statement, code in (
        ("EXPLAIN ANALYZE SELECT 1", "not_a_query"),
        ("EXPLAIN (COSTS, analyze) SELECT 1", "not_a_query"),
        ('EXPLAIN ("analyze" on) SELECT 1', "not_a_query"),
        ("EXPLAIN (BUFFERS) SELECT 1", "not_a_query"),
        ("EXPLAIN (/* */ ANALYZE) SELECT 1", "not_a_query"),
        ("EXPLAIN --\rANALYZE\nSELECT 1", "not_a_query"),
        ("EXPLAIN INSERT INTO permissions SELECT * FROM permissions RETURNING 1", "not_a_query"),
        ("EXPLAIN WITH gone AS (DELETE FROM roles RETURNING 1) SELECT * FROM gone", "sql_error"),
        ("EXPLAIN CREATE TABLE mine AS SELECT 1", "not_a_query"),
        ("EXPLAIN SELECT 1 INTO mine", "not_a_query"),
        ("EXPLAIN DECLARE mine CURSOR FOR SELECT 1", "not_a_query"),
        ("EXPLAIN SELECT 1; COMMIT", "sql_error"),
        ("EXPLAIN SELECT 1) q; COMMIT; SELECT FROM (SELECT 1", "sql_error"),
        ("EXPLAIN SELECT data FROM ledger.events", "sql_error"),
        ("EXPLAIN SELECT $1::int", "wrong_number"),
    ):
        assert (await ask(acme.admin, statement)).json()["code"] == code, statement
    monkeypatch.setattr(plans, "MOST_PLAN_BYTES", 10_000)
    large = "EXPLAIN (VERBOSE) SELECT '" + "x" * 10_000 + "' FROM roles"
    refused = (await ask(acme.admin, large)).json()
    assert (refused["code"], refused["sqlstate"]) == ("sql_error", "54000")


async def test_what_the_server_cannot_do_is_not_the_statement_s_fault(
    gesta: Gesta, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(client: Client, accept: str = "application/json") -> tuple[int, str]:
        answer = await ask(client, "SELECT 1", accept)
        return answer.status_code, answer.json()["code"]

    with monkeypatch.context() as without:
        without.setattr(queries, "find_spec", lambda _name: None)
        assert await refused(acme.admin, "application/vnd.apache.arrow.stream") == (406, "not_installed")
    with monkeypatch.context() as busy:
        busy.setattr(connections, "IN_ALL", 0)
        assert await refused(acme.admin) == (503, "unavailable")
    with monkeypatch.context() as owner:
        owner.setattr(analysts, "ADMIT", "SELECT pg_ls_dir('.')")  # whoever calls it may not
        assert await refused(acme.admin) == (503, "no_logins")
    async with serving(gesta.database, None) as keyless:
        assert await refused(replace(acme.admin, http=keyless)) == (503, "no_master_key")
    assert (await told(acme.admin, "SELECT 1"))["rows"] == [[1]]


async def sleeping(database: Database) -> int:
    async with await psycopg.AsyncConnection.connect(database.superuser_url, autocommit=True) as connection:
        row = await (await connection.execute(SLEEPING)).fetchone()
    assert row is not None
    return int(row[0])


async def until_sleeping(database: Database, number: int) -> None:
    deadline = time.monotonic() + 10
    while await sleeping(database) != number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_who_goes_away_leaves_no_query_behind_and_a_tenant_has_so_many_at_a_time(
    gesta: Gesta, acme: Tenant, database: Database
) -> None:
    globex = await gesta.tenant("globex")
    asked = [asyncio.create_task(ask(acme.admin, "SELECT pg_sleep(77)", timeout_ms=60_000)) for _ in range(connections.OF_TENANT)]
    await until_sleeping(database, connections.OF_TENANT)
    limited = await ask(acme.admin, "SELECT 1")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "1")
    assert (await told(globex.admin, "SELECT 1"))["rows"] == [[1]], "others have their own"
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await until_sleeping(database, 0)
    assert (await told(acme.admin, "SELECT 1"))["rows"] == [[1]]


async def test_a_large_answer_is_cut_off_and_costs_what_it_may(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_JSON_BYTES", 10_000)
    found = await told(acme.admin, "SELECT repeat('x', 999) FROM generate_series(1, 1000)")
    assert (len(found["rows"]), found["truncated"]) == (9, True)
    assert json.dumps(found["rows"]).count("x") == 9 * 999
    monkeypatch.setattr(queries, "MOST_STREAMED_BYTES", 100_000)
    large = "SELECT repeat('x', 999) FROM generate_series(1, 100000)"
    assert (await ask(acme.admin, large, "text/csv")).json()["code"] == "too_much", "nothing had been sent"
    monkeypatch.setattr(queries, "MOST_STREAMED_BYTES", 2_000_000)
    with pytest.raises(httpx2.RemoteProtocolError):
        await ask(acme.admin, large, "text/csv")
    assert (await told(acme.admin, "SELECT 1"))["rows"] == [[1]]


async def test_a_login_whose_password_was_changed_gets_its_own_again(acme: Tenant, database: Database) -> None:
    """So it is with another master key, and after a restore on another server: the role is not part of the database."""
    await told(acme.admin, "SELECT 1")
    with psycopg.connect(database.system_url, autocommit=True) as system:
        (login,) = system.execute("SELECT login FROM runtime.analyst_logins").fetchone() or ("",)
        system.execute("SELECT runtime.dismiss_analyst(%s)", [login])
    assert (await told(acme.admin, "SELECT slug FROM tenants"))["rows"] == [["acme"]]
