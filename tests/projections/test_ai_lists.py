"""AI tasks are listed by an index, whatever they are filtered by, from either end, as gesta_api under its policy."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from runtime.postgres import EmbeddedServer
from tests.conftest import Database, temporary_database

BIG = UUID("7e570000-0000-0000-0000-000000000001")
PAGE = 51
COUNT = 20_000

# every fifth task is another tenant's; the ids rise with time, statuses and models take turns
FILL = """
INSERT INTO projections.ai_agent_tasks (tenant_id, id, execution_id, activation_id, node_id, task_name, model, status, priority,
       prompt, configuration, usage, retry_count, version, created_at, updated_at)
SELECT CASE WHEN n % 5 = 0 THEN gen_random_uuid() ELSE '7e570000-0000-0000-0000-000000000001' END,
       (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000001')::uuid,
       (lpad(to_hex(n / 3), 8, '0') || '-0000-7000-8000-000000000002')::uuid, gen_random_uuid(), 'classify', 'T',
       (ARRAY['openai:gpt-4o', 'offline/echo'])[1 + (n % 100 = 1)::int],
       CASE WHEN n % 200 = 3 THEN 'pending' WHEN n % 7 = 0 THEN 'failed' ELSE 'completed' END,
       0, 'P', '{}', '{}', 0, 1, moment, moment
  FROM generate_series(1, 20000) n CROSS JOIN LATERAL (SELECT timestamptz '2026-01-01' + n / 2 * interval '7 seconds') t (moment)
"""

LIST = sql.SQL("""
SELECT id, status, model, actual_cost, created_at
  FROM projections.ai_agent_tasks
 WHERE tenant_id = %(tenant)s {condition} AND (created_at, id) {beyond} (%(at)s, %(id)s)
 ORDER BY created_at {direction}, id {direction}
 LIMIT 51
""")

CONDITIONS = {
    "all": "",
    "status": "AND status = 'failed'",
    "a rare status": "AND status = 'pending'",
    "model": "AND model = 'offline/echo'",
    "execution": "AND execution_id = '00000100-0000-7000-8000-000000000002'",
    "an execution that is not there": "AND execution_id = '0fffffff-0000-7000-8000-000000000002'",
}
FIRST, LAST = ("-infinity", UUID(int=0)), ("infinity", UUID(int=2**128 - 1))
MIDDLE = ("2026-01-01 10:00:00Z", UUID(int=0))


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedServer, template: str) -> Iterator[Database]:
    """Only read."""
    with temporary_database(postgres, template) as database:
        with psycopg.connect(database.superuser_url, autocommit=True) as conn:
            conn.execute("SET session_replication_role = replica")
            conn.execute(FILL)
            conn.execute("VACUUM ANALYZE projections.ai_agent_tasks")
        yield database


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def objections(plan: dict[str, Any]) -> Iterator[str]:
    for node in nodes(plan):
        if node["Node Type"] in ("Seq Scan", "Sort"):
            yield node["Node Type"]
        if "Relation Name" in node:
            read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            if read > 2 * PAGE:
                yield f"{read} rows read"


def test_every_list_of_ai_tasks_is_read_by_an_index(filled: Database) -> None:
    found = []
    with psycopg.connect(filled.api_url) as conn:
        conn.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(BIG)])
        for name, condition in CONDITIONS.items():
            for direction, beyond, places in (("ASC", ">", (FIRST, MIDDLE)), ("DESC", "<", (LAST, MIDDLE))):
                parts = {"condition": condition, "beyond": beyond, "direction": direction}
                statement = LIST.format(**{part: sql.SQL(text) for part, text in parts.items()})
                for at, id_ in places:
                    wanted = {"tenant": BIG, "at": at, "id": id_}
                    row = conn.execute(sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) {}").format(statement), wanted).fetchone()
                    assert row is not None
                    told = [*objections(row[0][0]["Plan"])]
                    if told:
                        found.append(f"{name} {direction} from {at}: {', '.join(told)}")
    assert not found, "\n".join(found)


def test_the_rows_are_there_to_be_found(filled: Database) -> None:
    """What is listed above is neither nothing nor everything."""
    count = "SELECT count(*), count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE model = 'offline/echo')"
    with psycopg.connect(filled.api_url) as conn:
        conn.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(BIG)])
        row = conn.execute((count + " FROM projections.ai_agent_tasks").encode()).fetchone()
    assert row is not None
    assert row[0] == COUNT * 4 // 5
    assert all(PAGE < each < COUNT / 50 for each in row[1:]), row
