"""Working time: when people work, by weekday, time zone and holidays, and when so much of it has passed.

Hours are of the clock on the wall. So a span that the clocks skip in spring is not worked, and one that they go through twice in
autumn is worked twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.facts import FieldError, Invalid, Json
from domain.openings import Opening

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MOST_SPANS = 10
"""Of one weekday."""
MOST_HOLIDAYS = 1_000
LONGEST_SEARCH = 366 * 10
"""Days that are looked at for so much working time."""
LAST_DAY = date(9998, 12, 31)
MOST_OPENINGS = 2_000


class NoSuchZone(ValueError):
    """There is no such time zone."""


class TooFar(ValueError):
    """So much working time is not reached within ten years, or in very many spans."""


@dataclass(frozen=True)
class Span:
    """Of a day, from midnight by the clock on the wall; `end` up to a day."""

    start: timedelta
    end: timedelta


@dataclass(frozen=True)
class WorkingHours:
    """`week`: the spans of each weekday from Monday on, in order and apart from each other; one of them at least."""

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    holidays: frozenset[date] = frozenset()


def openings_for(hours: WorkingHours, duration: timedelta, start: datetime, until: datetime) -> tuple[Opening, ...]:
    """Openings enough for `duration`, wherever between `start` and `until` it begins. Raises TooFar."""
    found: list[Opening] = []
    left = duration
    for one in openings_from(hours, start):
        found.append(one)
        if one.closes > until:
            left -= one.closes - max(one.opens, until)
        if left <= timedelta(0) and one.closes > until:
            return tuple(found)
        if len(found) >= MOST_OPENINGS:
            break
    raise TooFar


def openings_until(hours: WorkingHours, start: datetime, until: datetime) -> tuple[Opening, ...]:
    """All from `start` on, up to `until`. Raises TooFar."""
    found: list[Opening] = []
    for one in openings_from(hours, start):
        if one.opens > until:
            return tuple(found)
        found.append(one)
        if len(found) >= MOST_OPENINGS:
            break
    raise TooFar


def openings_from(hours: WorkingHours, start: datetime) -> Iterator[Opening]:
    """What is worked from a moment on, in order, for ten years, and not beyond the year 9998."""
    begin = start.astimezone(UTC)
    first = begin.astimezone(hours.zone).date()
    for number in range(min(LONGEST_SEARCH, (LAST_DAY - first).days)):
        day = first + number * DAY
        for opens, closes in _openings_on(hours, day):
            if closes > begin:
                yield Opening(max(opens, begin), closes)


def _openings_on(hours: WorkingHours, day: date) -> list[tuple[datetime, datetime]]:
    """Those of one day, by its own clock."""
    spans = () if day in hours.holidays else hours.week[day.weekday()]
    if not spans:
        return []
    midnight = datetime.combine(day, time(), UTC)
    found = []
    for begins, ends, offset in _offsets(hours.zone, midnight - DAY, midnight + 2 * DAY):
        for span in spans:
            opens, closes = max(midnight + span.start - offset, begins), min(midnight + span.end - offset, ends)
            if opens < closes:
                found.append((opens, closes))
    return sorted(found)


def _offsets(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """From moment to moment, how far the zone's clocks are ahead of UTC: where that changes, to the second."""
    before, after = _offset(zone, begin), _offset(zone, end)
    if before == after:
        yield begin, end, before
        return
    low, high = begin, end
    while high - low > SECOND:
        middle = low + (high - low) // 2 // SECOND * SECOND
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    yield begin, high, before
    yield high, end, after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    found = moment.astimezone(zone).utcoffset()
    assert found is not None
    return found


# From JSON: {"mon": [{"from": "09:00", "to": "12:30"}], …}, "24:00" is the end of a day; holidays are dates as 2026-12-25.


def zone_of(name: str) -> ZoneInfo:
    """Raises NoSuchZone."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise NoSuchZone(name) from None


def working_hours(time_zone: str, hours: Mapping[str, Json], holidays: Sequence[str]) -> WorkingHours:
    """Raises Invalid, which names each field at fault."""
    faults: list[FieldError] = []
    zone: ZoneInfo | None = None
    try:
        zone = zone_of(time_zone)
    except NoSuchZone:
        faults.append(FieldError("/time_zone", "unknown_zone", "There is no such time zone, as Europe/Berlin."))
    faults += [
        FieldError("/hours", "unknown_field", f"{name[:20]!r} is no weekday: {', '.join(WEEKDAYS)}.")
        for name in hours
        if name not in WEEKDAYS
    ][:1]
    week = tuple(tuple(_spans(day, hours.get(day, ()), faults)) for day in WEEKDAYS)
    days = set(_holidays(holidays, faults))
    if not any(week) and not faults:
        faults.append(FieldError("/hours", "no_hours", "There must be working hours on one day of the week at least."))
    if faults or zone is None:
        raise Invalid("The calendar is not valid.", faults[0].path, tuple(faults))
    return WorkingHours(zone, week, frozenset(days))


def _spans(day: str, given: Sequence[Mapping[str, str]], faults: list[FieldError]) -> Iterator[Span]:
    if len(given) > MOST_SPANS:
        faults.append(FieldError(f"/hours/{day}", "too_many", f"A day has {MOST_SPANS} spans at most."))
        return
    before = timedelta(0)
    for number, span in enumerate(given):
        path = f"/hours/{day}/{number}"
        start, end = _wall(span["from"]), _wall(span["to"])
        if start is None or end is None:
            told = "A time of day is written as 09:00, or 24:00 for the end of the day."
            faults.append(FieldError(f"{path}/{'from' if start is None else 'to'}", "invalid_time", told))
        elif start >= end:
            faults.append(FieldError(f"{path}/to", "invalid_span", "A span ends after it begins."))
        elif start < before:
            faults.append(FieldError(f"{path}/from", "overlapping", "Spans stand in their order, apart from each other."))
        else:
            before = end
            yield Span(start, end)


def _wall(text: str) -> timedelta | None:
    if len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdecimal() or not text.isascii():
        return None
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour > 24 or (hour == 24 and minute > 0):
        return None
    return timedelta(hours=hour, minutes=minute)


def _holidays(given: Sequence[str], faults: list[FieldError]) -> Iterator[date]:
    if len(given) > MOST_HOLIDAYS:
        faults.append(FieldError("/holidays", "too_many", f"There may be {MOST_HOLIDAYS} holidays at most."))
        return
    for number, text in enumerate(given):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or day.isoformat() != text:
            faults.append(FieldError(f"/holidays/{number}", "invalid_date", "A holiday is a date as 2026-12-25."))
        else:
            yield day
