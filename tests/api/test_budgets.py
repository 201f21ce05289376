"""Budgets over HTTP: set, changed, counted, removed."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from api.positions import Position
from domain.budget import Amounts, Reserved, Subjects, reserve, settle
from domain.envelope import Envelope
from domain.facts import Decided, View
from store.command import Command
from store.handler import open_handler
from tests.api.behind import ok
from tests.api.conftest import Gesta, Tenant
from tests.api.test_approval_views import view

TASK = UUID(int=7)
MONTHLY: dict[str, Any] = {
    "scope": "workflow",
    "subject": "travel",
    "period": "month",
    "time_zone": "Europe/Berlin",
    "limits": {"cost": {"amount": "5.00", "currency": "EUR"}, "calls": 3},
    "soft": 0.8,
}


async def spend(gesta: Gesta, tenant: Tenant, call_id: UUID, took: str) -> Reserved:
    """A call of a model that costs so much, as a worker puts it on record."""
    wanted = Amounts(100, Decimal(took), "EUR", calls=1)
    made: list[Reserved] = []

    def begin(view: View) -> Decided:
        made.append(reserve(view, Subjects(TASK, workflow_key="travel"), call_id, wanted))
        return Decided(made[-1].facts)

    async with open_handler(gesta.database.system_url) as handler:
        done = await handler.handle(Command(tenant.id, "test.reserve", Envelope("system", "test")), begin)
        if made[-1].refused is None:
            settled = made[-1].reservations
            done = await handler.handle(
                Command(tenant.id, "test.settle", Envelope("system", "test")),
                lambda view: Decided(settle(view, TASK, call_id, settled, wanted)),
            )
    assert done.position is not None
    await ok(tenant.admin.get("/budgets", at_least=str(Position(tenant.id, done.epoch, done.position))))
    return made[-1]


async def test_a_budget_is_set_counted_changed_and_removed(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    owner, viewer = await acme.member("owner"), await acme.member("viewer")
    made = await owner.client.call("PUT", "/budgets/monthly", MONTHLY)
    assert made.status_code == 200, made.text
    assert made.json()["limit_cost"] == "5.00"
    read = await viewer.client.get("/budgets/monthly")
    assert read.json()["running"] is None
    assert {name: read.json()[name] for name in made.json()} == made.json()
    assert read.headers["ETag"] == made.headers["ETag"]

    assert (await spend(gesta, acme, UUID(int=1), "4.10")).refused is None
    refused = (await spend(gesta, acme, UUID(int=2), "0.91")).refused
    assert refused is not None
    assert refused.key == "monthly"
    running = (await viewer.client.get("/budgets/monthly")).json()["running"]
    assert (running["subject"], running["used_cost"], running["used_calls"], running["open_calls"]) == ("travel", "4.10", 1, 0)
    assert running["warned_at"] is not None
    assert running["exhausted_at"] is not None
    (listed,) = (await viewer.client.get("/budgets")).json()["items"]
    assert listed["running"] == running
    (period,) = (await viewer.client.get("/budgets/monthly/periods", subject="travel")).json()["items"]
    assert {name for name in period if period[name] != running[name]} <= {"starts_at", "ends_at"}, "written otherwise"
    assert (await viewer.client.get("/budgets/monthly/periods", subject="else")).json()["items"] == []

    tag = made.headers["ETag"]
    more = {**MONTHLY, "limits": {**MONTHLY["limits"], "cost": {"amount": "9", "currency": "EUR"}}}
    await owner.client.call("PUT", "/budgets/another", {**MONTHLY, "scope": "tenant", "subject": None})
    changed = await owner.client.with_headers(If_Match=tag).call("PUT", "/budgets/monthly", more)
    assert changed.status_code == 200, "another budget's change is none of this one's"
    stale = await owner.client.with_headers(If_Match=tag).call("PUT", "/budgets/monthly", MONTHLY)
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert (await spend(gesta, acme, UUID(int=3), "0.91")).refused is None
    other_kind = await owner.client.call("PUT", "/budgets/monthly", {**MONTHLY, "period": "day"})
    assert (other_kind.status_code, other_kind.json()["code"]) == (409, "budget_is_other")

    for tenant in (viewer.client, other.admin):
        status = (await tenant.call("DELETE", "/budgets/monthly")).status_code
        assert status == (403 if tenant is viewer.client else 404)
    assert (await other.admin.get("/budgets/monthly")).status_code == 404
    assert (await other.admin.get("/budgets/monthly/periods")).status_code == 404
    assert (await owner.client.call("DELETE", "/budgets/monthly", {"reason": "No more."})).status_code == 200
    assert (await owner.client.get("/budgets/monthly")).status_code == 404
    for wrong, path in (
        ({"limits": {}}, "/limits"),
        ({"limits": {"cost": {"amount": "1e3", "currency": "EUR"}}}, "/limits/cost/amount"),
        ({"limits": {"cost": {"amount": "9999999999", "currency": "EUR"}}}, "/limits/cost/amount"),
        ({"limits": {"tokens": -1}}, "/limits/tokens"),
        ({"time_zone": "Europe/Nowhere"}, "/time_zone"),
        ({"scope": "tenant"}, "/subject"),
        ({"soft": 80}, "/soft"),
        ({"period": "year"}, "/period"),
    ):
        answer = await owner.client.call("PUT", "/budgets/wrong", {**MONTHLY, **wrong})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), answer.text
    assert (await owner.client.call("PUT", "/budgets/No%20key", MONTHLY)).json()["errors"][0]["path"] == "/key"
    rows = await view(gesta.database, acme, "budget_use")
    assert sorted((row["budget"], row["left_cost"], row["highest_share"], row["running"]) for row in rows) == [
        ("another", Decimal("4.09"), Decimal("0.3333"), True),  # of calls: one of three
        ("monthly", Decimal("3.99"), Decimal("0.6667"), True),
    ]
