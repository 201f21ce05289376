"""AI tasks in the words of the business: as an analyst of the tenant reads the views, beside a count of what the API answers."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.api.behind import ok
from tests.api.conftest import Gesta, Tenant
from tests.api.test_approval_views import view

Rows = list[dict[str, Any]]


async def counted(gesta: Gesta, tenant: Tenant) -> None:
    """Every view says what the API's answers come to."""
    await gesta.projector.catch_up()
    listed = (await ok(tenant.admin.get("/ai-tasks", limit=200)))["items"]
    tasks = [await ok(tenant.admin.get(f"/ai-tasks/{each['id']}")) for each in listed]
    of = {
        name: await view(gesta.database, tenant, name)
        for name in ("ai_spend", "ai_failures", "ai_outcomes", "ai_tool_use", "ai_reviews")
    }
    spend(of["ai_spend"], [(task, attempt) for task in tasks for attempt in task["attempts"]])
    failures(of["ai_failures"], [task for task in tasks if task["status"] == "failed"])
    outcomes(of["ai_outcomes"], tasks)
    tool_use(of["ai_tool_use"], [(task, call) for task in tasks for call in task["calls"]])
    reviews(of["ai_reviews"], [task for task in tasks if task["status"] in ("completed", "failed")])


def spend(rows: Rows, attempts: list[tuple[Any, Any]]) -> None:
    def at(task: Any, one: Any) -> Any:
        return (one["started_at"][:10], task["workflow_key"], task["node_id"], one["provider"], one["model"], one["currency"])

    names = ("workflow_key", "node_id", "provider", "model", "currency")
    assert by(rows, "calls", "day", *names) == Counter(at(*each) for each in attempts) != Counter()
    assert by(rows, "failed", "day", *names) == Counter(at(*each) for each in attempts if each[1]["status"] == "failed")
    assert total(rows, "input_tokens") == sum(one["input_tokens"] or 0 for _, one in attempts)
    assert total(rows, "cost") == sum(Decimal(one["cost"] or 0) for _, one in attempts)
    assert total(rows, "unpriced") == sum(one["cost"] is None and one["status"] != "running" for _, one in attempts)


def failures(rows: Rows, tasks: Rows) -> None:
    def at(task: Any) -> Any:
        return task["workflow_key"], task["node_id"], task["model"], task["error_details"]["type"]

    assert by(rows, "tasks", "workflow_key", "node_id", "model", "error_type") == Counter(map(at, tasks)) != Counter()
    last = {at(task): task["error"] for task in sorted(tasks, key=lambda task: task["completed_at"])}
    assert {(*at_of(row), row["error_type"]): row["last_message"] for row in rows} == last


def outcomes(rows: Rows, tasks: Rows) -> None:
    assert by(rows, "tasks", "workflow_key", "node_id", "model", "status") == Counter(
        (*at_of(task), task["status"]) for task in tasks
    )
    used = [(task["input_tokens"] or 0) + (task["output_tokens"] or 0) for task in tasks]
    assert (total(rows, "tokens"), total(rows, "further_attempts")) == (sum(used), sum(task["retry_count"] for task in tasks))
    for name in ("turns", "tool_calls"):
        counted = sum(row[f"average_{name}"] * row["tasks"] for row in rows)
        assert abs(counted - sum(task[name] for task in tasks)) < Decimal("0.1"), name


def tool_use(rows: Rows, calls: list[tuple[Any, Any]]) -> None:
    names = ("workflow_key", "node_id", "tool")

    def count(kept: Iterable[tuple[Any, Any]]) -> Any:
        return Counter((task["workflow_key"], task["node_id"], call["tool"]) for task, call in kept)

    assert by(rows, "calls", *names) == count(calls) != Counter()
    assert by(rows, "made", *names) == count(each for each in calls if each[1]["attempts"])
    for status in ("succeeded", "failed", "denied"):
        assert by(rows, status, *names) == count(each for each in calls if each[1]["status"] == status), status
    for row in rows:
        assert row["denial_rate"] == round(Decimal(row["denied"]) / row["calls"], 4)


def reviews(rows: Rows, tasks: Rows) -> None:
    assert by(rows, "tasks", "workflow_key", "node_id", "model") == Counter(map(at_of, tasks))
    assert total(rows, "reviewed") == sum(task["review_outcome"] is not None for task in tasks)


def at_of(of: Any) -> tuple[Any, ...]:
    return of["workflow_key"], of["node_id"], of["model"]


def by(rows: Rows, number: str, *names: str) -> Counter[Any]:
    """What is counted, by columns; without nothing."""
    found = Counter[Any]()
    for row in rows:
        found[tuple(str(row[name]) if name == "day" else row[name] for name in names)] += row[number]
    return +found


def total(rows: Rows, number: str) -> Any:
    return sum(row[number] or 0 for row in rows)
