"""Budgets of AI tasks: how much they may use, and what they have used of it."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands, headers
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import NO_REASON, Body, Reason
from api.queries import budgets as queries
from api.requests import StrictRequest
from api.routing import router
from api.schemas import resources, results
from domain import budget
from domain.budget import BUDGET, Limits, Wish, budgets_id_of
from domain.facts import Decided, View
from store.errors import VersionMismatch

routes = router("budgets")

MOST = 10**15
Count = Annotated[int, Field(ge=0, le=MOST)]
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,10}(\.[0-9]{1,10})?$", description="A decimal number, as text: it is exact.")]


class CostGiven(Body):
    amount: Amount
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class LimitsGiven(Body):
    cost: CostGiven | None = None
    tokens: Count | None = None
    calls: Count | None = None
    tool_calls: Count | None = None


EXAMPLE: Any = {
    "scope": "workflow",
    "subject": "travel",
    "period": "month",
    "time_zone": "Europe/Berlin",
    "limits": {"cost": {"amount": "50.00", "currency": "EUR"}, "calls": 2000},
    "soft": 0.8,
}


class BudgetGiven(Body):
    scope: Literal["tenant", "workflow", "prompt", "execution", "task"]
    subject: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    period: Literal["day", "month", "total"]
    time_zone: Annotated[str, Field(min_length=1, max_length=100)] = "UTC"
    limits: LimitsGiven
    soft: Annotated[float, Field(gt=0, le=1)] | None = None
    hard: bool = True
    unknown: Literal["refuse", "allow"] = "refuse"

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


@routes.put("/budgets/{key}", **documented("Set a budget, or change its limits", "The budget", results.BUDGET_RESULT))
async def set_one(call: Calling, key: str, body: BudgetGiven) -> Response:
    """Calls of models and tools are then taken from it. What it is of, its period, time zone and currency stay as they were set
    first (409 `budget_is_other`); its limits hold from the next call on."""
    wish = _wish(body)

    def decide(view: View, _who: object) -> Decided:
        _require_unchanged(call.request, view, key)
        return budget.set_budget(view, key, wish)

    return await call.command(commands.BUDGET_SET, decide)


@routes.get("/budgets", **paged("List the budgets in force, with what was used", queries.BUDGETS, resources.BUDGET))
async def list_budgets(call: Calling) -> Response:
    call.require("budgets:read")
    return await call.page(queries.BUDGETS)


@routes.get(
    "/budgets/{key}",
    **documented(
        "Get a budget, with what was used in the period that runs",
        "The budget",
        resources.BUDGET,
        parameters=FRESHNESS,
        tagged=False,
    ),
)
async def get(call: Calling, key: str) -> Response:
    call.require("budgets:read")
    return await call.one(queries.BUDGET, {"key": key})


@routes.get("/budgets/{key}/periods", **paged("List what a budget has counted", queries.PERIODS, resources.BUDGET_PERIOD))
async def list_periods(call: Calling, key: str) -> Response:
    """A row for each subject and period in which something was counted, the newest first."""
    call.require("budgets:read")
    found, _ = await call.row(queries.ID_OF, {"key": key})
    return await call.page(queries.PERIODS, budget_id=found["id"])


@routes.delete("/budgets/{key}", **documented("Remove a budget", "The budget", results.BUDGET_REMOVED))
async def remove(call: Calling, key: str, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """Nothing is counted for it any more, and nothing refused. One that is set under its key later begins to count anew."""

    def decide(view: View, _who: object) -> Decided:
        _require_unchanged(call.request, view, key)
        return budget.remove(view, key, body.reason)

    return await call.command(commands.BUDGET_REMOVE, decide)


def _wish(body: BudgetGiven) -> Wish:
    given = body.limits
    return Wish(
        body.scope,
        body.subject,
        body.period,
        body.time_zone,
        Limits(None if given.cost is None else Decimal(given.cost.amount), given.tokens, given.calls, given.tool_calls),
        None if given.cost is None else given.cost.currency,
        None if body.soft is None else Decimal(str(body.soft)),
        body.hard,
        body.unknown,
    )


def _require_unchanged(request: StrictRequest, view: View, key: str) -> None:
    """If-Match is of this budget, and not of the stream that it shares with the tenant's others."""
    expected = headers.if_match(request)
    if expected is None:
        return
    known = view.read(BUDGET, budgets_id_of(view.tenant_id)).of.get(key)
    if known is None or known.version != expected:
        raise VersionMismatch(path="If-Match")
