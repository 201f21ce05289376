"""Clashing business keys over HTTP, started at once in two processes: one execution runs, and everybody is told which."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from projections.verify import verify
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import APPROVAL

BODY: dict[str, Any] = {"workflow_key": "purchase", "business_key": "P-1", "input": {"amount": 1}}
ROUNDS = 8


@pytest.fixture
async def shop(gesta: Gesta) -> Tenant:
    made = await gesta.tenant()
    await made.publish(APPROVAL)
    return made


@pytest.fixture
async def elsewhere(gesta: Gesta, shop: Tenant) -> AsyncIterator[Client]:
    async with serving(gesta.database) as http:
        yield Client(http, shop.admin.token, shop.admin.headers)


async def open_ones(shop: Tenant) -> list[dict[str, Any]]:
    rows = (await shop.admin.get("/executions", business_key="P-1", limit="200")).json()["items"]
    return [row for row in rows if row["status"] == "running"]


async def assert_verified(gesta: Gesta, shop: Tenant) -> None:
    await gesta.projector.catch_up()
    async with await psycopg.AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        verdict = await verify(conn, shop.id)
    assert verdict.holds, verdict.broken
    assert verdict.comparison.equal


async def test_the_running_one_is_answered_with_200(gesta: Gesta, shop: Tenant) -> None:
    first = await shop.admin.post("/executions", {**BODY, "on_conflict": "return"}, Idempotency_Key="a")
    assert (first.status_code, first.json().get("existing")) == (201, None)
    second = await shop.admin.post("/executions", {**BODY, "on_conflict": "return"}, Idempotency_Key="b")
    assert (second.status_code, second.json()) == (200, {**first.json(), "existing": True})
    assert second.headers["Location"] == first.headers["Location"]
    again = await shop.admin.post("/executions", {**BODY, "on_conflict": "return"}, Idempotency_Key="b")
    assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (200, second.json(), "true")
    await assert_verified(gesta, shop)


async def test_one_is_started_however_many_ask_at_once(gesta: Gesta, shop: Tenant, elsewhere: Client) -> None:
    for _ in range(ROUNDS):
        asked = {**BODY, "on_conflict": "return"}
        answers = await asyncio.gather(
            *(client.post("/executions", asked) for client in (shop.admin, elsewhere) for _ in range(4))
        )
        assert Counter(answer.status_code for answer in answers) == {200: 7, 201: 1}
        [one] = {answer.json()["id"] for answer in answers}
        assert (await elsewhere.post(f"/executions/{one}/cancel", {})).status_code == 200
    await assert_verified(gesta, shop)


async def test_the_last_one_replaces_all_others(gesta: Gesta, shop: Tenant, elsewhere: Client) -> None:
    asked = {**BODY, "on_conflict": "replace"}
    for _ in range(ROUNDS):
        answers = await asyncio.gather(*(client.post("/executions", asked) for client in (shop.admin, elsewhere)))
        assert [answer.status_code for answer in answers] == [201, 201]
        [running] = await open_ones(shop)
        assert running["id"] in {answer.json()["id"] for answer in answers}
    rows = (await shop.admin.get("/executions", status="cancelled", limit="200")).json()["items"]
    assert len(rows) == 2 * ROUNDS - 1
    await assert_verified(gesta, shop)


async def test_replacing_and_returning_at_once(gesta: Gesta, shop: Tenant, elsewhere: Client) -> None:
    for _ in range(ROUNDS):
        replaced, returned = await asyncio.gather(
            shop.admin.post("/executions", {**BODY, "on_conflict": "replace"}),
            elsewhere.post("/executions", {**BODY, "on_conflict": "return"}),
        )
        assert (replaced.status_code, returned.status_code in (200, 201)) == (201, True)
        [running] = await open_ones(shop)
        assert running["id"] == replaced.json()["id"]
    await assert_verified(gesta, shop)


async def test_a_holder_of_the_key_that_this_process_still_remembers_is_not_believed(shop: Tenant, elsewhere: Client) -> None:
    first = (await shop.admin.post("/executions", BODY)).json()["id"]
    assert (await elsewhere.post(f"/executions/{first}/cancel", {})).status_code == 200
    second = (await elsewhere.post("/executions", BODY)).json()["id"]
    assert (await shop.admin.post(f"/executions/{first}/cancel", {})).status_code == 409  # it knows that the first one is over
    found = await shop.admin.post("/executions", {**BODY, "on_conflict": "return"})
    assert (found.status_code, found.json()["id"]) == (200, second)


async def test_replacing_needs_the_right_to_cancel(shop: Tenant) -> None:
    starter = await shop.service("executions:start")
    refused = await starter.post("/executions", {**BODY, "on_conflict": "replace"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert (await starter.post("/executions", {**BODY, "on_conflict": "return"})).status_code == 201


async def test_a_policy_is_one_of_three_and_is_for_a_business_key(shop: Tenant) -> None:
    wrong = await shop.admin.post("/executions", {**BODY, "on_conflict": "queue"})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/on_conflict")
    keyless = await shop.admin.post("/executions", {**BODY, "business_key": None, "on_conflict": "return"})
    assert (keyless.status_code, keyless.json()["errors"][0]["path"]) == (422, "/on_conflict")


async def test_many_at_once_say_which_ran_already(shop: Tenant) -> None:
    body = {"workflow_key": "purchase", "items": [{"business_key": key, "input": {"amount": 1}} for key in ("a", "b", "a")]}
    answer = await shop.admin.post("/executions/bulk", {**body, "on_conflict": "return"})
    assert sorted(one["status"] for one in answer.json()["items"]) == [200, 201, 201]
    again = await shop.admin.post("/executions/bulk", {**body, "on_conflict": "return"})
    assert [one["status"] for one in again.json()["items"]] == [200, 200, 200]
