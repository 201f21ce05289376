"""Approvals in the words of the business: as the API's role reads the views, beside a count of what the API answers."""

from collections import Counter
from secrets import token_hex
from statistics import median
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from projections.rebuilding import views
from projections.rebuilding.rebuild import RebuildOptions, drop_old, rebuild
from tests.api.behind import ok
from tests.api.conftest import Gesta, Tenant
from tests.api.test_approval_rules import asking, opened, said
from tests.api.test_own_approvals import asked
from tests.api.working import run_sql
from tests.conftest import Database
from tests.worker.house import worker_of
from worker.maintenance import fire_timers

LATE = "UPDATE runtime.timers SET due_at = clock_timestamp() WHERE kind LIKE 'due%' OR kind LIKE 'start%'"
OF_VIEWS = """
SELECT c.oid::regclass::text, obj_description(c.oid), pg_get_viewdef(c.oid),
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
         AND col_description(c.oid, a.attnum) IS NULL), coalesce(c.reloptions, '{}')
  FROM pg_class c WHERE c.relnamespace = 'projections'::regnamespace AND c.relkind = 'v' ORDER BY 1
"""


async def view(database: Database, tenant: Tenant, name: str) -> list[dict[str, Any]]:
    """What an analyst of the tenant sees, under row-level security."""
    async with await AsyncConnection.connect(database.api_url, row_factory=dict_row) as conn:
        await conn.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(tenant.id)])
        rows = await (await conn.execute(sql.SQL("SELECT * FROM projections.{}").format(sql.Identifier(name)))).fetchall()
    assert {row.pop("tenant_id") for row in rows} <= {tenant.id}
    return rows


async def every_request(tenant: Tenant) -> list[dict[str, Any]]:
    listed = (await ok(tenant.admin.get("/approvals", limit=200)))["items"]
    return [await ok(tenant.admin.get(f"/approvals/{each['id']}")) for each in listed]


async def busy(gesta: Gesta, tenant: Tenant) -> list[Any]:
    """Some requests, decided, late, open; of a workflow, in steps, and of their own."""
    ann, ben = await tenant.member("approver"), await tenant.member("approver")
    await tenant.publish(asking({"type": "single"}, due_in="P1D"))
    for person, outcome, more in (
        (ann, "approved", {}),
        (ben, "rejected", {"reason": "price", "comment": "Too dear."}),
        (ben, "rejected", {"reason": "price", "comment": "Again."}),
        (ann, "rejected", {"reason": "date", "comment": "Too late."}),
    ):
        assert (await said(person.client, await opened(tenant), outcome, **more)).status_code == 200
    late, open_late = await opened(tenant), await opened(tenant)
    steps = [
        {"name": "first", "by": {"users": [ann.user_id]}, "start_in": "PT1H"},
        {"name": "last", "by": {"roles": ["approver"]}},
    ]
    stepped = await asked(tenant.admin, steps=steps)
    await run_sql(gesta.database, LATE)
    async with worker_of(gesta.database) as gestas:
        await fire_timers(gestas.context)
    assert (await said(ann.client, late, "approved")).status_code == 200
    assert (await said(ann.client, stepped, "approved")).status_code == 200
    await asked(tenant.admin)
    await asked(tenant.admin, by={"roles": ["approver"]}, exclude=[ann.user_id])
    await gesta.projector.catch_up()
    return [ann, ben, late, open_late, stepped]


async def test_the_views_say_what_an_independent_count_of_the_requests_does(gesta: Gesta, acme: Tenant) -> None:
    other = await gesta.tenant("globex")
    ann, ben, late, open_late, stepped = await busy(gesta, acme)
    await busy(gesta, other)
    requests = await every_request(acme)
    assert len(requests) == 9

    load = {str(row["user_id"]): row for row in await view(gesta.database, acme, "approver_load")}
    for person in (ann, ben):
        inbox = (await ok(person.client.get("/inbox")))["items"]
        row, theirs = (
            load[person.user_id],
            [each for one in requests for each in one["decisions"] if each["user_id"] == person.user_id],
        )
        assert (row["open_requests"], row["overdue_requests"]) == (len(inbox), sum(item["overdue"] for item in inbox))
        counted = Counter(each["kind"] for each in theirs)
        assert (row["decisions"], row["approvals"], row["rejections"]) == (len(theirs), counted["approve"], counted["reject"])
        assert row["median_response_ms"] <= row["p90_response_ms"]

    def reason(one: dict[str, Any]) -> str | None:
        return next((each["reason"] for each in reversed(one["decisions"]) if each["outcome"] == one["outcome"]), None)

    outcomes = await view(gesta.database, acme, "approval_outcomes")
    assert Counter(
        {(row["workflow_key"], row["status"], row["outcome"], row["reason"]): row["requests"] for row in outcomes}
    ) == Counter((one["workflow_key"], one["status"], one["outcome"], reason(one)) for one in requests)
    assert sum(row["sla_missed"] for row in outcomes) == sum(one["sla_met"] is False for one in requests) == 2
    assert sum(row["sla_met"] for row in outcomes) == sum(one["sla_met"] is True for one in requests) == 4
    [dear] = [row for row in outcomes if row["reason"] == "price"]
    took = [one["turnaround_ms"] for one in requests if reason(one) == "price"]
    assert (dear["requests"], abs(dear["median_turnaround_ms"] - median(took)) <= 1) == (2, True)

    waits = {(row["workflow_key"], row["step_name"]): row for row in await view(gesta.database, acme, "approval_bottlenecks")}
    asked_at = Counter((one["workflow_key"], None) for one in requests if not one["steps"])
    asked_at.update((None, step["name"]) for one in requests for step in one["steps"])
    assert {place: row["asked"] for place, row in waits.items()} == asked_at
    assert waits["several", None]["total_ms"] == sum(one["turnaround_ms"] or 0 for one in requests if one["workflow_key"])
    assert waits["several", None]["share_of_time"] == 1
    assert waits["several", None]["open_now"] == 1

    breaches = {(str(row["request_id"]), row["what"]): row for row in await view(gesta.database, acme, "approval_breaches")}
    assert set(breaches) == {(late, "due"), (open_late, "due"), (stepped, "start")}
    assert [breaches[each, "due"]["open"] for each in (late, open_late)] == [False, True]
    assert breaches[stepped, "start"]["step_name"] == "first"


async def test_load_is_what_inboxes_show_and_what_was_not_late_has_no_delay(gesta: Gesta, acme: Tenant) -> None:
    boss, ann, ben = [await acme.member(role) for role in ("owner", "approver", "approver")]
    beside = [
        {"name": "a", "by": {"users": [ann.user_id]}},
        {"name": "b", "by": {"users": [ben.user_id]}, "parallel_with": "a"},
    ]
    claimed = await asked(acme.admin, steps=beside)
    await ok(ben.client.post(f"/approvals/{claimed}/claim", {"step": "b"}))
    apart = [{"name": "a"}, {"name": "b", "parallel_with": "a", "distinct": ["a"]}]
    for person in (ann, ben):
        decided = await asked(acme.admin, steps=apart)
        assert (await said(person.client, decided, "approved", step="a")).status_code == 200
    overridden = await asked(acme.admin, due_in="P1D")
    await ok(boss.client.post(f"/approvals/{overridden}/override", {"outcome": "approved", "reason": "At once."}))
    by_default = await asked(acme.admin, due_in="P1D", escalate=[{"after": "PT1H", "outcome": "rejected"}])
    await run_sql(gesta.database, "UPDATE runtime.timers SET due_at = clock_timestamp() WHERE kind = 'escalate 1.1'")
    async with worker_of(gesta.database) as gestas:
        await fire_timers(gestas.context)
    await gesta.projector.catch_up()
    load = {str(row["user_id"]): row for row in await view(gesta.database, acme, "approver_load")}
    assert load.keys() == {ann.user_id, ben.user_id}, "an override is no load"
    for person in (ann, ben):
        inbox = (await ok(person.client.get("/inbox")))["items"]
        assert load[person.user_id]["open_requests"] == len(inbox) == 2, "one beside what another has claimed, one not apart"
    [breach] = await view(gesta.database, acme, "approval_breaches")
    assert (str(breach["request_id"]), breach["late_ms"], breach["done_at"]) == (by_default, None, None), "nobody answered it"


async def test_the_views_go_along_when_the_tables_are_exchanged_with_what_others_have_built_on_them(
    gesta: Gesta, acme: Tenant
) -> None:
    database, analyst = gesta.database, f"analyst_{token_hex(8)}"
    role = sql.Identifier(analyst)
    await busy(gesta, acme)
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        await conn.execute(sql.SQL("CREATE ROLE {}").format(role))
        await conn.execute(sql.SQL("GRANT SELECT ON projections.approver_load TO {}").format(role))
        await conn.execute("CREATE SCHEMA july")
        await conn.execute("CREATE VIEW july.load AS SELECT user_id FROM projections.approver_load")
        try:
            before = await (await conn.execute(OF_VIEWS)).fetchall()
            assert [row[0] for row in before] == sorted(views.names())
            assert [row for row in before if row[1] is None or row[3] is not None or "security_invoker=true" not in row[4]] == []
            seen = {name: len(await view(database, acme, name.partition(".")[2])) for name in views.names()}
            found = await rebuild(database.owner_url, database.system_url, RebuildOptions(("work",)))
            assert dict(found.changes) == {}
            assert await drop_old(database.owner_url)
            assert await (await conn.execute(OF_VIEWS)).fetchall() == before, "the file is what the migration says"
            assert {name: len(await view(database, acme, name.partition(".")[2])) for name in views.names()} == seen
            await asked(acme.admin)
            await gesta.projector.catch_up()
            cursor = await conn.execute("SELECT has_table_privilege(%s, 'projections.approver_load', 'SELECT')", [analyst])
            assert await cursor.fetchone() == (True,)
            assert sum(each["requests"] for each in await view(database, acme, "approval_outcomes")) == 10
        finally:
            await conn.execute("DROP VIEW july.load; DROP SCHEMA july")
            await conn.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=role))
