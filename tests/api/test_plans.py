"""Every list, with each filter and in each order, first and last page, is read by an index, as gesta_api under its policies."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from starlette.datastructures import QueryParams

from api.listing import DEFAULT_LIMIT, Listing, PageRequest
from api.queries import (
    access,
    ai_providers,
    ai_tasks,
    approvals,
    audit,
    budgets,
    bulk_operations,
    delegations,
    evaluations,
    executions,
    jobs,
    notifications,
    prompts,
    retention,
    workflows,
)
from api.reads import PLANNED_EACH_TIME, SET_TENANT, Question
from domain.envelope import PLATFORM
from projections.views import VIEWS
from tests.api.volume import BIG, fill, made
from tests.conftest import Database

EXPLAIN = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}")
VIEW = sql.SQL("SELECT * FROM projections.{}")
PAGE = DEFAULT_LIMIT + 1
MOST_READ = 3 * PAGE
SMALL = UUID(int=BIG.int + 1)
"""Of the tenant's some hundred executions among a hundred thousand."""
MOST_READ_BY_A_VIEW = 5_000
OF_ONE_TENANT_HERE = "budget_use"
"""All rows of its table are the big tenant's, so that the planner believes that any tenant has as many."""

NOW = datetime(2026, 2, 1, tzinfo=UTC)
EARLY, MIDDLE, LATE = "2026-01-01T12:00:00Z", "2026-01-05T00:00:00Z", "2026-01-09T00:00:00Z"


@dataclass(frozen=True)
class Case:
    """A list, who asks, what the route adds, and values for its filters."""

    listing: Listing
    values: dict[str, tuple[str, ...]]
    tenant_id: UUID = BIG
    fixed: dict[str, Any] | None = None


CASES = (
    Case(
        executions.EXECUTIONS,
        {
            "status": executions.STATUSES,
            "workflow_key": ("flow-00002", "absent"),
            "business_key": ("again", "B-1", "absent"),
            "node_id": ("review", "start", "absent"),
            "created_from": (EARLY, MIDDLE, LATE),
            "created_to": (EARLY, MIDDLE, LATE),
            "attr.region": ("north", "absent"),
            "attr.size.gte": ("104950", "1", "200000"),
            "attr.size.lt": ("50", "200000", "1"),
            "attr.size.lte": ("50",),
            "attr.due.gt": ("2026-01-09T12:06:00Z", "2026-01-01", "2030-01-01"),
            "label.team": ("red", "absent"),
        },
    ),
    Case(
        approvals.approvals(3),
        {
            "status": approvals.STATUSES,
            "execution_id": (str(made(7, 100)), str(made(7, 10**7))),
            "role": ("approver", "rare", "absent"),
            "mine": ("true",),
            "overdue": ("true",),
        },
        fixed={
            "now": NOW,
            "me": made(2, 1),
            "my_kinds": ["anyone", "role", "role"],
            "my_values": ["", "approver", "rare"],
            "my_ids": [str(made(2, 1))],
            "of_others": False,
        },
    ),
    Case(
        approvals.approvals(2),
        {"mine": ("true",)},
        fixed={
            "me": None,
            "my_kinds": ["role", "user"],
            "my_values": ["rare", str(made(2, 1))],
            "my_ids": [],
            "of_others": False,
        },
    ),
    Case(
        audit.AUDIT_LOGS,
        {
            "resource": ("execution", "absent"),
            "resource_id": (str(made(11, 7)), str(made(11, 10**7))),
            "user_id": (str(made(2, 7)), str(made(2, 10**7))),
            "action": ("approval.decided", "absent"),
            "category": ("workflow", "ai"),
            "severity": ("warning", "critical"),
            "correlation_id": (str(made(12, 7)),),
            "from": (EARLY, MIDDLE, LATE),
            "to": (EARLY, MIDDLE, LATE),
        },
    ),
    Case(
        ai_tasks.AI_TASKS,
        {
            "status": ai_tasks.STATUSES,
            "model": ("usual", "rare", "absent"),
            "execution_id": (str(made(7, 100)), str(made(7, 10**7))),
            "workflow_key": ("usual", "rare", "absent"),
        },
    ),
    Case(
        retention.ARCHIVED_EXECUTIONS,
        {
            "workflow_key": ("usual", "rare", "absent"),
            "month": ("2026-01", "2025-01"),
            "business_key": ("archived-7", "absent"),
        },
    ),
    Case(retention.PARTS, {}, fixed={"id": made(61, 100)}),
    Case(retention.POLICIES, {}),
    Case(jobs.DEAD_JOBS, {"type": ("usual", "rare", "absent")}),
    Case(
        jobs.JOBS,
        {
            "status": jobs.STATUSES,
            "type": ("usual", "rare", "absent"),
            "unique_key": ("again", "K-1", "absent"),
            "created_from": (EARLY, MIDDLE, LATE),
            "created_to": (EARLY, MIDDLE, LATE),
        },
    ),
    Case(workflows.WORKFLOWS, {"status": ("active", "archived"), "key": ("flow-00002", "absent")}),
    Case(workflows.WORKFLOW_VERSIONS, {}, fixed={"id": made(6, 2)}),
    Case(prompts.PROMPTS, {"status": ("active", "archived"), "key": ("prompt-00002", "absent")}),
    Case(prompts.VERSIONS, {}, fixed={"id": made(23, 2)}),
    Case(access.TENANTS, {"slug": ("tenant-7", "absent")}, PLATFORM),
    Case(access.USERS, {"email": ("somebody",)}, PLATFORM, {"email_owner": made(2, 7)}),
    Case(access.OWN_USERS, {"email": ("somebody",)}, fixed={"email_owner": made(2, 8)}),
    Case(access.MEMBERS, {"manager_id": (str(made(2, 1)), str(made(2, 77)), str(made(2, 10**7)))}),
    Case(
        delegations.DELEGATIONS,
        {"from_user_id": (str(made(2, 7)), str(made(2, 10**7))), "to_user_id": (str(made(2, 8)), str(made(2, 10**7)))},
    ),
    Case(ai_providers.PROVIDERS, {"key": ("provider-00002", "absent")}),
    Case(ai_providers.MODELS, {"key": ("model-00002", "absent")}),
    Case(access.CALENDARS, {"key": ("calendar-00002", "absent")}),
    Case(evaluations.EVALUATIONS, {"status": ("running", "completed"), "name": ("suite-2", "absent")}),
    Case(evaluations.RESULTS, {"variant": ("variant-3", "absent"), "passed": ("true", "false")}, fixed={"id": made(28, 2)}),
    Case(budgets.BUDGETS, {}),
    Case(budgets.PERIODS, {"subject": ("subject-7", "absent")}, fixed={"budget_id": made(26, 2)}),
    Case(bulk_operations.BULK_OPERATIONS, {"status": ("running", "completed", "failed"), "action": ("fork", "cancel", "pause")}),
    Case(
        notifications.DELIVERIES,
        {
            "endpoint_id": (str(made(19, 1)), str(made(19, 10**7))),
            "status": ("failed", "delivered", "pending"),
            "event_type": ("approval.expired", "execution.completed", "absent"),
            "resource_id": (str(made(7, 7)), str(made(7, 10**7))),
            "user_id": (str(made(2, 7)), str(made(2, 10**7))),
        },
    ),
    Case(access.ROLES, {"key": ("role-00002",)}),
    Case(access.PERMISSIONS, {}),
    Case(access.API_KEYS, {}),
)


def wanted(case: Case) -> Iterator[PageRequest]:
    """The first page of the list with no filter and with each one, in each order that goes with it."""
    values = [{}, *({name: value} for name, values in case.values.items() for value in values)]
    for filters in values:
        for order in case.listing.orders:
            if order in case.listing.orders_for(QueryParams(filters)):
                query = QueryParams({**filters, "order": order})
                yield case.listing.parse(query, case.tenant_id, case.fixed or {})


def last_page(connection: psycopg.Connection[Any], first: PageRequest) -> PageRequest:
    """Where the page before the last one ends: the row before a page's worth of rows, seen from the other end."""
    other = first.order.removeprefix("-") if first.order.startswith("-") else f"-{first.order}"
    question = replace(first, order=other).question()
    rows = connection.cursor(row_factory=dict_row).execute(question.statement, question.params).fetchall()
    return first if len(rows) < PAGE else replace(first, last=tuple(rows[-1][name] for name in first.source.names))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def objections(connection: psycopg.Connection[Any], question: Question, most_read: int = MOST_READ) -> Iterator[str]:
    row = connection.execute(EXPLAIN.format(sql.SQL("{}").format(question.statement)), question.params).fetchone()
    assert row is not None
    read = 0
    for node in nodes(row[0][0]["Plan"]):
        kind, loops = node["Node Type"], node["Actual Loops"]
        rows = node["Actual Rows"] * loops
        if "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read += rows + removed * loops
            if kind == "Seq Scan" and (rows or removed):
                yield f"Seq Scan on {node['Relation Name']}"
        if "Sort" in kind and rows > most_read:
            yield f"{kind} of {rows} rows"
    if read > most_read:
        yield f"{read:.0f} rows read"


def test_every_list_and_every_view_is_read_by_an_index(database: Database) -> None:
    fill(database)
    found = []
    pages = 0
    with psycopg.connect(database.api_url) as connection:
        for case in CASES:
            for first in wanted(case):
                with connection.transaction():
                    connection.execute(SET_TENANT, {"tenant_id": str(case.tenant_id), "plans": PLANNED_EACH_TIME})
                    for name, page in (("first", first), ("last", last_page(connection, first))):
                        pages += 1
                        told = [*objections(connection, page.question())]
                        if told:
                            found.append(f"{case.listing.name} {dict(first.filters)} {first.order} {name}: {', '.join(told)}")
        for view in (each for each in VIEWS if each.name != OF_ONE_TENANT_HERE):
            with connection.transaction():
                connection.execute(SET_TENANT, {"tenant_id": str(SMALL), "plans": PLANNED_EACH_TIME})
                whole = Question(VIEW.format(sql.Identifier(view.name)), {})
                found += [f"{view.name}: {each}" for each in objections(connection, whole, MOST_READ_BY_A_VIEW)]
    assert not found, "\n".join(found)
    assert pages > 150


def test_every_filter_is_walked() -> None:
    """A filter without a value here would go unnoticed."""
    for listing in {case.listing.name: case.listing for case in CASES}.values():
        values = {_without_name(name, listing) for case in CASES if case.listing.name == listing.name for name in case.values}
        endings = {f"{prefix}{ending}" for prefix, each in listing.prefixed.items() for ending in each.endings}
        assert values == {*listing.filters, *listing.prefixed, *endings}


def _without_name(filter: str, listing: Listing) -> str:
    """`attr.` of attr.region, `attr.gte` of attr.size.gte."""
    prefix = next((prefix for prefix in listing.prefixed if filter.startswith(prefix)), None)
    return filter if prefix is None else prefix + filter.removeprefix(prefix).partition(".")[2]
