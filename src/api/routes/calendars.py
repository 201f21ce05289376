"""Business calendars: when people work, for moments that are reckoned in working time."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import Body, Name
from api.queries import access as queries
from api.routing import router
from api.schemas import resources, results
from domain import calendar
from domain.working_time import MOST_HOLIDAYS, MOST_SPANS

routes = router("calendars")

WallTime = Annotated[str, Field(min_length=5, max_length=5)]
Weekday = Annotated[str, Field(pattern="^(mon|tue|wed|thu|fri|sat|sun)$")]
Zone = Annotated[str, Field(min_length=1, max_length=100)]
Holidays = Annotated[list[Annotated[str, Field(min_length=10, max_length=10)]], Field(max_length=MOST_HOLIDAYS)]


class SpanGiven(Body):
    from_: WallTime = Field(alias="from")
    to: WallTime


Hours = dict[Weekday, Annotated[list[SpanGiven], Field(max_length=MOST_SPANS)]]

WEEK: Any = {
    day: [{"from": "09:00", "to": "12:30"}, {"from": "13:30", "to": "18:00"}] for day in ("mon", "tue", "wed", "thu", "fri")
}
EXAMPLE: Any = {
    "key": "de",
    "name": "Germany",
    "time_zone": "Europe/Berlin",
    "hours": WEEK,
    "holidays": ["2026-12-25", "2026-12-26"],
}


class NewCalendar(Body):
    key: Name
    name: Name
    time_zone: Zone
    hours: Hours
    holidays: Holidays = Field(default_factory=list)

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class CalendarChange(Body):
    name: Name = ""
    time_zone: Zone = ""
    hours: Hours = Field(default_factory=dict)
    holidays: Holidays = Field(default_factory=list)

    model_config = ConfigDict(json_schema_extra={"examples": [{"holidays": ["2026-12-25", "2026-12-26", "2027-01-01"]}]})


@routes.post(
    "/calendars", status_code=201, **documented("Create a business calendar", "Created", results.CALENDAR_RESULT, creates=True)
)
async def create(call: Calling, body: NewCalendar) -> Response:
    return await call.command(
        commands.CALENDAR_CREATE,
        lambda view, _who: calendar.create(view, body.key, body.name, body.time_zone, _hours(body.hours), body.holidays),
        status=201,
        location="/v1/calendars/{id}",
    )


@routes.get("/calendars", **paged("List business calendars", queries.CALENDARS, resources.CALENDAR_SUMMARY))
async def list_calendars(call: Calling) -> Response:
    call.require("workflows:read")
    return await call.page(queries.CALENDARS)


@routes.get("/calendars/{id}", **documented("Get a business calendar", "The calendar", resources.CALENDAR, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    call.require("workflows:read")
    return await call.one(queries.CALENDAR, {"id": id})


@routes.patch("/calendars/{id}", **documented("Change a business calendar", "The calendar", results.CALENDAR_RESULT))
async def change(call: Calling, id: UUID, body: CalendarChange) -> Response:
    """What is given, each in whole. It holds for moments that are reckoned from then on."""
    changes = body.given()
    if "hours" in changes:
        changes["hours"] = _hours(body.hours)
    return await call.command(commands.CALENDAR_CHANGE, lambda view, _who: calendar.change(view, id, changes), id)


def _hours(given: Hours) -> dict[str, Any]:
    return {day: [{"from": span.from_, "to": span.to} for span in spans] for day, spans in given.items()}
