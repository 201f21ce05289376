"""Working time, beside an oracle that walks minute by minute and asks the clock on the wall."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from domain import calendar
from domain.calendar import CALENDAR, CalendarChanged, CalendarCreated, calendar_id_of
from domain.facts import Due, Invalid
from domain.openings import pass_back, pass_through
from domain.working_time import Span, TooFar, WorkingHours, openings_for, openings_until, working_hours
from tests.given import TENANT_ID, given

MINUTE = timedelta(minutes=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns")
"""Lord Howe's clocks change by half an hour; Apia left out 30 December 2011."""
AROUND = (
    datetime(2026, 3, 28, 20, tzinfo=UTC),  # Europe: forward
    datetime(2026, 10, 24, 20, tzinfo=UTC),  # and back
    datetime(2026, 3, 8, 3, tzinfo=UTC),  # New York, St John's
    datetime(2026, 11, 1, 3, tzinfo=UTC),
    datetime(2026, 4, 4, 12, tzinfo=UTC),  # Lord Howe
    datetime(2026, 10, 3, 12, tzinfo=UTC),
    datetime(2011, 12, 30, 8, tzinfo=UTC),  # Apia
    datetime(2026, 6, 1, 7, 13, tzinfo=UTC),
)


def is_worked(hours: WorkingHours, moment: datetime) -> bool:
    wall = moment.astimezone(hours.zone)
    at = timedelta(hours=wall.hour, minutes=wall.minute)
    return wall.date() not in hours.holidays and any(span.start <= at < span.end for span in hours.week[wall.weekday()])


def walked(hours: WorkingHours, minutes: int, start: datetime) -> datetime:
    """The end of so many worked minutes. The start is a whole minute."""
    moment = start
    while minutes > 0:
        minutes -= is_worked(hours, moment)
        moment += MINUTE
    return moment


def walked_back(hours: WorkingHours, minutes: int, end: datetime) -> datetime:
    """The beginning of so many worked minutes before a moment."""
    moment = end
    while minutes > 0:
        moment -= MINUTE
        minutes -= is_worked(hours, moment)
    return moment


def reached(hours: WorkingHours, duration: timedelta, start: datetime) -> datetime:
    """When it has passed, as a due moment by a calendar is reckoned. Raises TooFar."""
    return pass_through(openings_for(hours, duration, start, start), duration, start)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[tuple[Span, ...], ...]:
    """By chance, with hours at night, where clocks change. One day at least is worked."""
    week = []
    for _ in range(7):
        edges = draw(st.lists(st.integers(0, 96), max_size=4, unique=True).map(sorted))
        pairs = zip(edges[::2], edges[1::2], strict=False)
        week.append(tuple(Span(15 * start * MINUTE, 15 * end * MINUTE) for start, end in pairs))
    week[draw(st.integers(0, 6))] = (Span(timedelta(0), timedelta(days=1)),)
    return tuple(week)


@settings(max_examples=25, deadline=None)
@forall(
    week=weeks(),
    zone=st.sampled_from(ZONES),
    start=st.tuples(st.sampled_from(AROUND), st.integers(-600, 600)).map(lambda drawn: drawn[0] + drawn[1] * MINUTE),
    minutes=st.integers(0, 600),
    away=st.sets(st.integers(0, 9), max_size=3),
)
def test_it_is_as_the_clock_on_the_wall_says(
    week: tuple[tuple[Span, ...], ...], zone: str, start: datetime, minutes: int, away: set[int]
) -> None:
    holidays = frozenset(start.date() + timedelta(days=days) for days in away)
    hours = WorkingHours(ZoneInfo(zone), week, holidays)
    expected = walked(hours, minutes, start)
    assert reached(hours, minutes * MINUTE, start) == expected
    openings = openings_for(hours, minutes * MINUTE, start - timedelta(days=1), start + timedelta(hours=5))
    assert pass_through(openings, minutes * MINUTE, start) == expected
    before = openings_until(hours, start - timedelta(days=20), start + timedelta(hours=5))
    assert pass_back(before, minutes * MINUTE, start) == walked_back(hours, minutes, start)


def test_going_back_ends_where_the_openings_begin() -> None:
    openings = openings_until(OFFICE, berlin("2026-06-01T10:00"), berlin("2026-06-01T15:00"))
    assert pass_back(openings, timedelta(hours=9), berlin("2026-06-01T15:00")) == berlin("2026-06-01T10:00")
    with pytest.raises(TooFar):
        openings_until(OFFICE, datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))


OFFICE = working_hours(
    "Europe/Berlin",
    {day: [{"from": "09:00", "to": "12:30"}, {"from": "13:30", "to": "18:00"}] for day in ("mon", "tue", "wed", "thu", "fri")},
    ["2026-12-25"],
)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("duration", "start", "end"),
    [
        (timedelta(hours=8), "2026-06-01T09:00", "2026-06-01T18:00"),  # the break does not count
        (timedelta(hours=9), "2026-06-01T09:00", "2026-06-02T10:00"),
        (timedelta(hours=1), "2026-06-05T17:30", "2026-06-08T09:30"),  # over the weekend
        (timedelta(minutes=30), "2026-06-05T17:30", "2026-06-05T18:00"),  # Friday's end, not Monday's beginning
        (timedelta(hours=1), "2026-12-24T17:30", "2026-12-28T09:30"),  # over Christmas
        (timedelta(hours=1), "2026-03-27T17:30", "2026-03-30T09:30"),  # summer time begins
        (timedelta(hours=1), "2026-10-23T17:30", "2026-10-26T09:30"),  # and ends
        (timedelta(0), "2026-06-06T12:00", "2026-06-06T12:00"),
    ],
)
def test_office_hours(duration: timedelta, start: str, end: str) -> None:
    assert reached(OFFICE, duration, berlin(start)) == berlin(end)


def test_an_hour_that_the_clocks_skip_is_not_worked_and_one_that_they_repeat_is_worked_twice() -> None:
    night = WorkingHours(ZoneInfo("Europe/Berlin"), ((Span(timedelta(hours=2), timedelta(hours=3)),),) * 7)
    assert reached(night, timedelta(minutes=30), datetime(2026, 3, 28, 12, tzinfo=UTC)) == berlin("2026-03-30T02:30")
    assert reached(night, timedelta(hours=2), datetime(2026, 10, 24, 12, tzinfo=UTC)) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def test_what_is_not_reached_within_ten_years_is_refused() -> None:
    rare = working_hours("UTC", {"mon": [{"from": "00:00", "to": "00:01"}]}, [])
    with pytest.raises(TooFar):
        reached(rare, timedelta(hours=9), datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(TooFar):
        openings_for(OFFICE, timedelta(days=3000), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(TooFar):
        reached(OFFICE, timedelta(days=3000), datetime(9999, 12, 1, tzinfo=UTC))


def test_a_moment_by_openings_is_reckoned_from_the_time_of_the_append() -> None:
    asked, written = berlin("2026-06-05T17:59:30"), berlin("2026-06-05T18:00:10")
    openings = openings_for(OFFICE, timedelta(hours=1), asked - timedelta(days=1), asked + timedelta(days=1))
    due = Due(timedelta(hours=1), openings=openings)
    assert due.moment(asked) == berlin("2026-06-08T09:59:30")
    assert due.moment(written) == berlin("2026-06-08T10:00")


SPAN = [{"from": "09:00", "to": "17:00"}]


@pytest.mark.parametrize(
    ("zone", "hours", "holidays", "path"),
    [
        ("Mars/Olympus", {"mon": SPAN}, [], "/time_zone"),
        ("../../etc/passwd", {"mon": SPAN}, [], "/time_zone"),
        ("Europe", {"mon": SPAN}, [], "/time_zone"),
        ("UTC", {}, [], "/hours"),
        ("UTC", {"mon": []}, [], "/hours"),
        ("UTC", {"monday": SPAN}, [], "/hours"),
        ("UTC", {"mon": SPAN * 11}, [], "/hours/mon"),
        ("UTC", {"mon": SPAN * 2}, [], "/hours/mon/1/from"),
        ("UTC", {"mon": [{"from": "17:00", "to": "09:00"}]}, [], "/hours/mon/0/to"),
        ("UTC", {"mon": [{"from": "9:00", "to": "17:00"}]}, [], "/hours/mon/0/from"),
        ("UTC", {"mon": [{"from": "09:00", "to": "24:01"}]}, [], "/hours/mon/0/to"),
        ("UTC", {"mon": [{"from": "٠٩:00", "to": "17:00"}]}, [], "/hours/mon/0/from"),
        ("UTC", {"mon": SPAN}, ["2026-02-29"], "/holidays/0"),
        ("UTC", {"mon": SPAN}, ["2026-01-01", "20260102"], "/holidays/1"),
        ("UTC", {"mon": SPAN}, ["2026-01-01"] * 1001, "/holidays"),
    ],
)
def test_a_calendar_names_what_is_wrong(zone: str, hours: dict[str, Any], holidays: list[str], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        working_hours(zone, hours, holidays)
    assert path in {error.path for error in refused.value.errors}
    given().when(lambda view: calendar.create(view, "de", "DE", zone, hours, holidays)).then_refused("invalid", path)


def test_a_calendar_is_created_once_and_changed_in_what_is_named() -> None:
    id = calendar_id_of(TENANT_ID, "de")
    story = given().when(lambda view: calendar.create(view, "de", "Germany", "UTC", {"mon": SPAN}, ["2026-12-26", "2026-12-25"]))
    story.then(CalendarCreated("de", "Germany", "UTC", {"mon": SPAN}, ("2026-12-25", "2026-12-26")))
    story.when(lambda view: calendar.create(view, "de", "Other", "UTC", {"mon": SPAN})).then_refused("name_taken", "/key")
    story = story.when(lambda view: calendar.change(view, id, {"time_zone": "Europe/Berlin"}))
    story.then(CalendarChanged("Germany", "Europe/Berlin", {"mon": SPAN}, ("2026-12-25", "2026-12-26")))
    story.when(lambda view: calendar.change(view, id, {"name": "Germany", "holidays": ["2026-12-26", "2026-12-25"]})).then()
    story.when(lambda view: calendar.change(view, id, {"hours": {}})).then_refused("invalid", "/hours")
    story.when(lambda view: calendar.change(view, TENANT_ID, {})).then_refused("not_found")
    hours = story.view.read(CALENDAR, id).working_hours
    assert (hours.zone.key, date(2026, 12, 25) in hours.holidays) == ("Europe/Berlin", True)
