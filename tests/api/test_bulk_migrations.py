"""Many executions go on by another version of their workflow: each is judged on its own."""

import json
from typing import Any
from uuid import uuid4

from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import APPROVAL, INSTANT
from tests.api.test_bulk_operations import begun, counts, ended, other, requested, working
from tests.api.test_children import assert_verified

__all__ = ["other"]

MAPPING = {"review": "check"}
TO_CHECK: dict[str, Any] = json.loads(json.dumps(APPROVAL).replace('"review"', '"check"'))
"""The approval is called otherwise, and no amount is above five."""
TO_CHECK["input_schema"]["properties"]["amount"]["maximum"] = 5


async def republished(tenant: Tenant, workflow_id: str, definition: dict[str, Any] = TO_CHECK) -> None:
    answer = await tenant.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": definition})
    assert answer.status_code == 200, answer.text
    assert (await tenant.admin.post(f"/workflows/{workflow_id}/publish")).status_code == 200


async def versions(tenant: Tenant, ids: list[str]) -> list[tuple[int, list[str]]]:
    found = [(await tenant.admin.get(f"/executions/{id}")).json() for id in ids]
    return [(one["workflow_version"], one["current_nodes"]) for one in found]


async def test_those_that_fit_go_on_by_the_version_and_one_that_cannot_stops_nobody(
    gesta: Gesta, acme: Tenant, other: Any
) -> None:
    workflow_id = await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 8)
    assert (await acme.admin.post(f"/executions/{ids[0]}/cancel")).status_code == 200
    await republished(acme, workflow_id)
    new = await begun(acme, "purchase", 1)
    asked = {"filter": {"workflow_key": "purchase"}, "to_version": 2, "mapping": MAPPING, "reason": "the law"}
    made = await requested(acme.admin, "migrate", **asked)
    async with working(gesta):
        found = await ended(other, made["id"])
    assert (found["status"], counts(found)) == ("completed", (9, 5, 2, 2)), "one was over, one runs that version already"
    assert (found["action"], found["options"]) == ("migrate", {"to_version": 2, "mapping": MAPPING})
    assert [(one["index"], one["execution_id"], one["code"]) for one in found["failures"]] == [
        (6, ids[6], "migration_refused"),
        (7, ids[7], "migration_refused"),
    ]
    assert await versions(acme, ids[1:6]) == [(2, ["check"])] * 5
    assert await versions(acme, ids[6:]) == [(1, ["review"])] * 2
    assert await versions(acme, new) == [(2, ["check"])]
    entries = (await acme.admin.get("/audit-logs", action="execution.migrated", correlation_id=made["id"])).json()["items"]
    assert {entry["resource_id"] for entry in entries} == set(ids[1:6])
    assert {(entry["payload"]["reason"], entry["causation_id"]) for entry in entries} == {("the law", made["id"])}
    await assert_verified(gesta, acme)


async def test_named_ones_are_judged_one_by_one(gesta: Gesta, acme: Tenant) -> None:
    workflow_id = await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 2)
    await republished(acme, workflow_id)
    nobody = str(uuid4())
    named: dict[str, Any] = {"execution_ids": [ids[0], nobody], "to_version": 2}
    async with working(gesta):
        first = await ended(acme.admin, (await requested(acme.admin, "migrate", **named))["id"])
        wrong = await ended(acme.admin, (await requested(acme.admin, "migrate", **named, mapping={"nowhere": "check"}))["id"])
        right = await ended(acme.admin, (await requested(acme.admin, "migrate", **named, mapping=MAPPING))["id"])
    assert [one["code"] for one in first["failures"]] == ["migration_refused", "not_found"]
    assert "review is being visited" in first["failures"][0]["message"]
    assert [one["code"] for one in wrong["failures"]] == ["invalid", "not_found"]
    assert (counts(right), await versions(acme, ids)) == ((2, 1, 1, 0), [(2, ["check"]), (1, ["review"])])


async def test_a_dry_run_says_of_the_first_ten_what_would_become_of_them(acme: Tenant) -> None:
    workflow_id = await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 12)
    await acme.admin.post(f"/executions/{ids[0]}/cancel")
    await republished(acme, workflow_id)
    before = await acme.gesta.events()
    asked = {"action": "migrate", "to_version": 2, "mapping": MAPPING, "dry_run": True}
    told = (await acme.admin.post("/bulk-operations", {**asked, "filter": {"workflow_key": "purchase"}})).json()
    assert (told["matched"], [one["id"] for one in told["sample"]]) == (12, ids[:10])
    assert [one["execution_id"] for one in told["forecasts"]] == ids[:10]
    assert [one["outcome"] for one in told["forecasts"]] == ["skipped"] + ["done"] * 5 + ["failed"] * 4
    assert [each["path"] for each in told["forecasts"][6]["obstacles"]] == ["/input/amount"]
    assert (told["forecasts"][6]["code"], told["forecasts"][1]["code"]) == ("migration_refused", None)
    nobody = str(uuid4())
    named = (await acme.admin.post("/bulk-operations", {**asked, "execution_ids": [ids[1], nobody]})).json()
    assert [(one["outcome"], one["code"]) for one in named["forecasts"]] == [("done", None), ("failed", "not_found")]
    assert await acme.gesta.events() == before


async def test_a_version_is_one_of_a_workflow_that_has_it(acme: Tenant) -> None:
    workflow_id = await acme.publish(APPROVAL)
    await acme.publish(INSTANT)
    (id,) = await begun(acme, "purchase", 1)
    await republished(acme, workflow_id)
    instant = (await acme.admin.post("/executions", {"workflow_key": "instant"})).json()["id"]

    async def fault(**body: Any) -> tuple[str, str]:
        answer = await acme.admin.post("/bulk-operations", {"action": "migrate", **body})
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        return error["path"], error["code"]

    purchases = {"workflow_key": "purchase"}
    for dry_run in (False, True):
        assert await fault(filter=purchases, to_version=3, dry_run=dry_run) == ("/to_version", "unknown_version")
        assert await fault(execution_ids=[id, instant], to_version=2, dry_run=dry_run) == ("/to_version", "unknown_version")
    assert await fault(filter={"status": "running"}, to_version=2) == ("/filter/workflow_key", "required")
    assert await fault(filter=purchases) == ("/to_version", "required")
    assert await fault(filter=purchases, to_version=0) == ("/to_version", "greater_than_equal")
    assert await fault(filter=purchases, to_version=2, node_id="check") == ("/node_id", "not_of_action")
    many = {f"n{number}": "check" for number in range(1_001)}
    assert await fault(filter=purchases, to_version=2, mapping=many) == ("/mapping", "too_long")


async def test_it_needs_what_the_single_command_does(acme: Tenant) -> None:
    workflow_id = await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 1)
    await republished(acme, workflow_id)
    control, read = [await acme.service(f"executions:{verb}") for verb in ("control", "read")]
    named = {"action": "migrate", "execution_ids": ids, "to_version": 2, "mapping": MAPPING}
    for dry_run, status in ((True, 200), (False, 202)):
        assert (await control.post("/bulk-operations", {**named, "dry_run": dry_run})).status_code == status
        assert (await read.post("/bulk-operations", {**named, "dry_run": dry_run})).status_code == 403


async def test_what_runs_that_version_is_skipped_whatever_the_mapping(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", 2)
    made = await requested(acme.admin, "migrate", filter={"workflow_key": "purchase"}, to_version=1, mapping={"old": "new"})
    async with working(gesta):
        assert counts(await ended(acme.admin, made["id"])) == (2, 0, 0, 2)
