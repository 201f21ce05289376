"""Labels over HTTP: given at the start, changed in two processes, found; and ranges of search attributes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest

from projections.execution_attributes import moment_of
from projections.verify import verify
from tests.api.behind import ok
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import APPROVAL, INSTANT
from tests.api.test_reads import everything

NUMBERS: list[Any] = [-2.5, 0, 1, 2**53, 2**53 + 1, 10**40, 1e300, "7", "2026-03-01", True, None]
MOMENTS: list[Any] = [
    "2026-02-28T23:59:59.999999Z",
    "2026-03-01",
    "2026-03-01T02:00:00+01:00",
    "2026-03-01t12:00:00.123456789z",
    "2026-02-30",
    "2026-03-01T12:00:00",
    "soon",
    20260301,
]


@pytest.fixture
async def shop(gesta: Gesta) -> Tenant:
    made = await gesta.tenant()
    await made.publish(APPROVAL)
    return made


@pytest.fixture
async def elsewhere(gesta: Gesta, shop: Tenant) -> AsyncIterator[Client]:
    async with serving(gesta.database) as http:
        yield Client(http, shop.admin.token, shop.admin.headers)


async def started(shop: Tenant, **labels: str) -> str:
    body = {"workflow_key": "purchase", "input": {"amount": 1}, "labels": labels}
    return str((await ok(shop.admin.post("/executions", body)))["id"])


async def found(shop: Tenant, **params: str) -> set[str]:
    return {row["id"] for row in await everything(shop.admin, "/executions", limit="2", **params)}


async def patched(client: Client, id: str, body: Any) -> httpx2.Response:
    return await client.call("PATCH", f"/executions/{id}", body)


async def assert_verified(gesta: Gesta, shop: Tenant) -> None:
    await gesta.projector.catch_up()
    async with await psycopg.AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        verdict = await verify(conn, shop.id)
    assert verdict.holds, verdict.broken
    assert verdict.comparison.equal


async def test_executions_are_found_by_their_labels_of_now(gesta: Gesta, shop: Tenant) -> None:
    north, south, none = await started(shop, team="north", tier="gold"), await started(shop, team="south"), await started(shop)
    assert await found(shop, **{"label.team": "north"}) == {north}
    changed = await patched(shop.admin, south, {"labels": {"team": "north", "tier": "tin"}, "priority": 9})
    assert (changed.status_code, changed.json()["id"]) == (200, south)
    assert await found(shop, **{"label.team": "north"}) == {north, south}
    assert await found(shop, **{"label.team": "north", "label.tier": "tin"}) == {south}
    assert await found(shop, **{"label.team": "south"}) == set()
    assert await found(shop, **{"label.team": "north", "attr.amount": "1", "status": "running", "order": "created_at"}) == {
        north,
        south,
    }
    row = await ok(shop.admin.get(f"/executions/{south}"))
    assert (row["labels"], row["priority"]) == ({"team": "north", "tier": "tin"}, 9)
    assert (await patched(shop.admin, north, {"labels": {"team": None}})).status_code == 200
    assert await found(shop, **{"label.team": "north"}) == {south}
    assert none not in await found(shop, **{"label.tier": "gold"})
    [logged] = (await ok(shop.admin.get("/audit-logs", action="execution.changed", resource_id=south)))["items"]
    assert logged["metadata"]["after"] == {"labels": {"team": "north", "tier": "tin"}, "priority": 9}
    await assert_verified(gesta, shop)


async def test_two_processes_change_different_labels_at_once(gesta: Gesta, shop: Tenant, elsewhere: Client) -> None:
    id = await started(shop)
    clients = [shop.admin, elsewhere] * 5
    answers = await asyncio.gather(
        *(patched(client, id, {"labels": {f"l{number}": "x"}}) for number, client in enumerate(clients))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert (await ok(shop.admin.get(f"/executions/{id}")))["labels"] == {f"l{number}": "x" for number in range(10)}
    await assert_verified(gesta, shop)


async def test_a_label_that_cannot_be_is_named(shop: Tenant) -> None:
    body = {"workflow_key": "purchase", "input": {"amount": 1}, "labels": {"Team": "x"}}
    wrong = await shop.admin.post("/executions", body)
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/labels/Team")
    wrong = await patched(shop.admin, await started(shop), {"labels": {"team": 1}})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/labels/team")


async def test_many_at_once_have_labels_of_their_own(shop: Tenant) -> None:
    items = [{"input": {"amount": 1}, "labels": {"batch": name}} for name in ("a", "b", "a")]
    await ok(shop.admin.post("/executions/bulk", {"workflow_key": "purchase", "items": items}))
    assert len(await found(shop, **{"label.batch": "a"})) == 2


async def with_values(gesta: Gesta, values: list[Any]) -> Tenant:
    acme = await gesta.tenant()
    await acme.publish({**INSTANT, "search_attributes": {"a": "=input.a"}})
    items = [{"business_key": str(number), "input": {"a": value}} for number, value in enumerate(values)]
    await ok(acme.admin.post("/executions/bulk", {"workflow_key": "instant", "items": items}))
    return acme


async def within(acme: Tenant, **params: str) -> list[int]:
    """Which of the values, by their places."""
    named = {f"attr.a.{ending}": text for ending, text in params.items()}
    rows = await everything(acme.admin, "/executions", limit="2", **named)
    return sorted(int(row["business_key"]) for row in rows)


async def test_ranges_of_numbers_are_exact(gesta: Gesta) -> None:
    acme = await with_values(gesta, NUMBERS)
    cases: list[tuple[dict[str, str], list[int]]] = [
        ({"gte": "0"}, [1, 2, 3, 4, 5, 6]),
        ({"gt": "0.0"}, [2, 3, 4, 5, 6]),
        ({"lt": "1e0"}, [0, 1]),
        ({"lte": "-2.5"}, [0]),
        ({"gt": "-2.5", "lte": "1"}, [1, 2]),
        ({"gt": str(2**53)}, [4, 5, 6]),
        ({"lte": str(2**53)}, [0, 1, 2, 3]),
        ({"gte": "1" + "0" * 39 + "1"}, [6]),
        ({"gte": "1e299"}, [6]),
        ({"lt": "1e999"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"gt": "1e999"}, []),
    ]
    for params, expected in cases:
        assert await within(acme, **params) == expected, params
    both = await everything(acme.admin, "/executions", **{"attr.a.gte": "1", "attr.a": "1"})
    assert [row["business_key"] for row in both] == ["2"]


async def test_ranges_of_moments(gesta: Gesta) -> None:
    acme = await with_values(gesta, MOMENTS)
    cases: list[tuple[dict[str, str], list[int]]] = [
        ({"gte": "2026-03-01"}, [1, 2, 3]),
        ({"gt": "2026-03-01"}, [2, 3]),
        ({"lt": "2026-03-01T00:00:00Z"}, [0]),
        ({"lte": "2026-03-01T01:00:00Z"}, [0, 1, 2]),
        ({"gte": "2026-03-01T12:00:00.123456Z", "lt": "2026-03-02"}, [3]),
    ]
    for params, expected in cases:
        assert await within(acme, **params) == expected, params


async def test_what_is_no_bound_is_refused(shop: Tenant) -> None:
    for name, value in (("attr.a.gte", "soon"), ("attr.a.lt", "2026-02-30"), ("attr.a.like", "x"), ("label.a.gte", "1")):
        refused = await shop.admin.get("/executions", **{name: value})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, name)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13-01", "0999-01-01", "9999-12-31", "2026-03-01T24:00:00Z", "2026-3-1", ""])
def test_what_is_no_moment(text: str) -> None:
    assert moment_of(text) is None
