"""Times of cron expressions, on the days when the clock is changed, too."""

from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import pytest

from engine.triggers.schedule import schedule_of


def times(cron: str, zone: str, after: str, count: int) -> list[str]:
    """In UTC."""
    schedule = schedule_of({"cron": cron, "timezone": zone})
    start = datetime.fromisoformat(after).astimezone(UTC)
    return [at.strftime("%m-%d %H:%M") for at in islice(schedule.after(start), count)]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        # Berlin, 29 March 2026: at 02:00 it is 03:00. What was to be in between is at 03:00, which is 01:00 UTC.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ["03-29 01:00", "03-30 00:00", "03-30 00:30"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ["03-29 01:00", "03-30 00:00"]),
        # Berlin, 25 October 2026: at 03:00 it is 02:00 again. A time of day is the first of the two.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["10-25 00:30", "10-26 01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", ["10-26 01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", ["10-26 01:30"]),  # asked within the second one
        # What goes on by the hour or the minute goes on by real time.
        ("0 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ["03-29 01:00", "03-29 02:00"]),
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        (
            "*/30 * * * *",
            "America/New_York",
            "2026-11-01T05:15:00Z",
            ["11-01 05:30", "11-01 06:00", "11-01 06:30", "11-01 07:00"],
        ),
        # New York, 8 March 2026; Lord Howe, where the clock is moved by half an hour; Kathmandu, a quarter off.
        ("15 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", ["03-08 07:00", "03-09 06:15"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", ["10-03 15:30", "10-04 15:15"]),
        ("0 9 * * 1-5", "Asia/Kathmandu", "2026-01-02T12:00:00Z", ["01-05 03:15", "01-06 03:15"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", ["02-29 00:00"]),
        ("0 12 L * *", "UTC", "2026-01-01T00:00:00Z", ["01-31 12:00", "02-28 12:00"]),
    ],
)
def test_times_as_they_come(cron: str, zone: str, after: str, expected: list[str]) -> None:
    assert times(cron, zone, after, len(expected)) == expected


def test_each_time_follows_from_the_one_before_over_a_whole_year() -> None:
    """Asked one by one, as a trigger does, or all in a row."""
    for cron in ("0 * * * *", "30 1,2 * * *", "*/20 2 * * 0", "15 */3 * * *"):
        schedule = schedule_of({"cron": cron, "timezone": "Europe/Berlin"})
        moment, start = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
        for expected in islice(schedule.after(start), 2_000):
            found = schedule.next(moment)
            assert found == expected
            assert found > moment
            moment = found


def test_a_jitter_is_always_the_same_and_differs_between_triggers() -> None:
    schedule = schedule_of({"cron": "0 * * * *", "jitter": "PT1H"})
    moment = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    found = {schedule.clock(UUID(int=number), moment).due_at for number in range(100)}
    assert len(found) == 100
    assert schedule.clock(UUID(int=1), moment) == schedule.clock(UUID(int=1), moment)


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_the_first_moment_there_is_may_be_the_beginning(zone: str) -> None:
    schedule = schedule_of({"cron": "0 * * * *", "timezone": zone})
    assert len(schedule.between(datetime.min.replace(tzinfo=UTC), datetime(1, 1, 3, tzinfo=UTC), 10)) == 10
    assert schedule.between(datetime.min.replace(tzinfo=UTC), datetime(1, 1, 1, 0, 10, tzinfo=UTC), 10) == []
