"""What somebody wishes to be told by mail, and the moments of digests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.facts import Fact
from domain.notification_preferences import (
    KINDS,
    NEVER,
    Digest,
    DigestAskedFor,
    DigestFellDue,
    Preferences,
    PreferencesChanged,
    asked_for,
    change,
    effective,
    fall_due,
    job_of,
    next_moment,
    period_of,
    preferences_of,
    timer_of,
    wants,
)
from tests.given import MOMENT, TENANT_ID, Story, given

ANN = UUID(int=0xA1)
STREAM = preferences_of(TENANT_ID, ANN)
DAILY = Digest("day", "08:00", "Europe/Berlin")
TOMORROW = datetime(2026, 1, 6, 7, 0, tzinfo=UTC)
"""Eight o'clock in Berlin, on the day after `MOMENT`."""


def daily() -> Story:
    return given().when(lambda view: change(view, ANN, ("requested",), DAILY))


def at(story: Story, moment: datetime) -> Story:
    return replace(story, view=replace(story.view, now=moment))


def test_preferences_are_set_in_whole_with_a_timer_for_the_next_digest() -> None:
    story = daily().then(PreferencesChanged(ANN, ("requested",), DAILY, TOMORROW, 1))
    (timer,) = story.timers.values()
    assert (timer.id, timer.due.at, timer.owner_id) == (timer_of(STREAM, 1), TOMORROW, STREAM)
    assert story.result["next_digest_at"] == "2026-01-06T07:00:00Z"
    assert story.when(lambda view: change(view, ANN, ("requested",), DAILY)).then().timers == story.timers
    hourly = story.when(lambda view: change(view, ANN, None, Digest("hour")))
    assert [timer.due.at for timer in hourly.timers.values()] == [datetime(2026, 1, 5, 10, 0, tzinfo=UTC)]
    assert hourly.when(lambda view: change(view, ANN, None, NEVER)).timers == {}


def test_a_digest_falls_due_once_and_the_next_one_is_set() -> None:
    story = at(daily(), TOMORROW).when(lambda view: fall_due(view, STREAM, timer_of(STREAM, 1)))
    after = TOMORROW + timedelta(days=1)
    story.then(DigestFellDue(ANN, "2026-01-06", after, 2))
    assert list(story.jobs) == [job_of(STREAM, 1)]
    assert list(story.timers) == [timer_of(STREAM, 2)]
    again = story.when(lambda view: fall_due(view, STREAM, timer_of(STREAM, 1)))
    assert again.then().jobs == story.jobs, "another process found it as well"
    done = story.when(lambda view: asked_for(view, STREAM, 1, "2026-01-06", 1, 1))
    assert done.then(DigestAskedFor(ANN, "2026-01-06", 1, 1)).jobs == {}


def test_what_fell_due_while_nobody_was_there_is_one() -> None:
    late = TOMORROW + timedelta(days=9, hours=3)
    story = at(daily(), late).when(lambda view: fall_due(view, STREAM, timer_of(STREAM, 1)))
    story.then(DigestFellDue(ANN, "2026-01-06", TOMORROW + timedelta(days=10), 2))


@pytest.mark.parametrize(
    ("digest", "after", "expected"),
    [
        (Digest("hour"), "2026-01-05T09:00:00+00:00", "2026-01-05T10:00:00+00:00"),
        (Digest("hour"), "2026-01-05T23:59:59+00:00", "2026-01-06T00:00:00+00:00"),
        (DAILY, "2026-01-05T06:59:59+00:00", "2026-01-05T07:00:00+00:00"),
        (DAILY, "2026-01-05T07:00:00+00:00", "2026-01-06T07:00:00+00:00"),
        (DAILY, "2026-03-28T07:00:00+00:00", "2026-03-29T06:00:00+00:00"),  # summer time begins in that night
        (Digest("day", "02:30", "Europe/Berlin"), "2026-03-28T12:00:00+00:00", "2026-03-29T01:30:00+00:00"),  # there is none
        (Digest("day", "02:30", "Europe/Berlin"), "2026-10-24T12:00:00+00:00", "2026-10-25T00:30:00+00:00"),  # there are two
        (Digest("day", "02:30", "Europe/Berlin"), "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"),
        (Digest("day", "00:00", "Pacific/Auckland"), "2026-01-05T11:00:00+00:00", "2026-01-06T11:00:00+00:00"),
    ],
)
def test_a_day_has_one_moment_by_the_clocks_of_its_zone(digest: Digest, after: str, expected: str) -> None:
    assert next_moment(digest, datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


def test_each_day_of_years_has_one_period() -> None:
    moment, periods = datetime(2025, 1, 1, tzinfo=UTC), list[str]()
    digest = Digest("day", "02:30", "Europe/Berlin")
    while moment < datetime(2027, 1, 1, tzinfo=UTC):
        moment = next_moment(digest, moment)
        periods.append(period_of(digest, moment))
    assert len(periods) == len(set(periods)) == 731


def test_what_one_does_not_say_the_default_says_and_else_all_is_told() -> None:
    nothing, default = Preferences(), Preferences(mail=("decided",), digest=DAILY)
    assert effective(nothing, nothing).mail == KINDS
    assert effective(nothing, nothing).digest == NEVER
    assert effective(nothing, default).mail == ("decided",)
    own = effective(Preferences(mail=(), digest=NEVER), default)
    assert (own.mail, own.digest) == ((), NEVER)
    story = given((Fact(preferences_of(TENANT_ID, None), PreferencesChanged(mail=("decided",))),), now=MOMENT)
    assert wants(story.view, ANN, "decided")
    assert not wants(story.view, ANN, "requested")
    assert wants(story.when(lambda view: change(view, ANN, ("requested",), None)).view, ANN, "requested")


@pytest.mark.parametrize(
    ("mail", "digest", "path"),
    [
        (("requested", "shouted"), None, "/mail/1"),
        (None, Digest("day", "8:00"), "/digest/at"),
        (None, Digest("day", "25:00"), "/digest/at"),
        (None, Digest("day", "08:00", "Mars/Olympus"), "/digest/time_zone"),
        (None, Digest("day", "08:00", "../../etc/passwd"), "/digest/time_zone"),
    ],
)
def test_preferences_that_make_no_sense_are_refused(mail: tuple[str, ...] | None, digest: Digest | None, path: str) -> None:
    given().when(lambda view: change(view, ANN, mail, digest)).then_refused("invalid", path)
