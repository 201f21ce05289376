"""An execution for each time of a cron expression, by the clock of a time zone.

Summer time, as Debian's cron has it. A time of day that does not exist, because the clock is put forward, is the first minute
that does. One that comes twice, because it is put back, is the first of the two. Expressions whose minutes or hours are `*` or
`*/n` go on by real time: an hour that is left out has no times, and one that comes twice has them twice.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from domain.facts import Json
from domain.trigger import SCHEDULE as NAME
from domain.trigger import Clock
from domain.working_time import NoSuchZone, zone_of
from engine.durations import duration
from engine.invalid import InvalidValue
from engine.nodes.kind import Fault
from engine.triggers.kind import STARTING, TriggerSpec
from engine.triggers.overlap import POLICIES

LONGEST_CRON = 200
CATCH_UP, SHORTEST_CATCH_UP = timedelta(days=1), timedelta(minutes=1)
LONGEST_JITTER = timedelta(days=1)
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
"""No time of a schedule is looked for before it: in a zone west of Greenwich there is no moment a day earlier."""


@dataclass(frozen=True)
class Schedule:
    cron: str
    zone: ZoneInfo
    jitter: timedelta = timedelta(0)
    overlap: str = "skip"
    catch_up: timedelta = CATCH_UP

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Its times after a moment, in UTC, in their order and each once. There may be none."""
        last = moment
        for found in CronSim(self.cron, moment.astimezone(self.zone)):
            at = found.astimezone(UTC)
            if at > last:  # two times of day that do not exist are the same minute; one that comes twice may lie behind us
                last = at
                yield at

    def next(self, moment: datetime) -> datetime | None:
        return next(self.after(moment), None)

    def between(self, start: datetime, end: datetime, most: int) -> list[datetime]:
        """Its times from one moment to another, both included, and no more than so many."""
        times = []
        for at in islice(self.after(max(start, EARLIEST) - timedelta(microseconds=1)), most):
            if at > end:
                break
            times.append(at)
        return times

    def clock(self, trigger_id: UUID, moment: datetime) -> Clock:
        """When it is due after a moment."""
        at = self.next(moment)
        return Clock() if at is None else Clock(at, at + self._shift(trigger_id, at))

    def _shift(self, trigger_id: UUID, at: datetime) -> timedelta:
        """The jitter of a time: different for each trigger and time, and always the same."""
        if not self.jitter:
            return timedelta(0)
        digest = hashlib.sha256(f"{trigger_id} {at.isoformat()}".encode()).digest()
        return self.jitter * (int.from_bytes(digest[:8]) / 2**64)


def schedule_of(config: Json) -> Schedule:
    """Read what `lint` found sound. Raises ValueError, InvalidValue."""
    zone = zone_of(config.get("timezone", "UTC"))
    read = Schedule(config["cron"], zone, overlap=config.get("overlap", "skip"))
    jitter = duration(config["jitter"]) if "jitter" in config else read.jitter
    catch_up = duration(config["catch_up"]) if "catch_up" in config else read.catch_up
    return Schedule(read.cron, zone, jitter, read.overlap, max(catch_up, SHORTEST_CATCH_UP))


def cron_fault(cron: str) -> str | None:
    """What is wrong with an expression, if anything is."""
    if len(cron.split()) != 5:
        return "A cron expression has five fields: minute, hour, day of the month, month, day of the week."
    try:
        first = next(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except (CronSimError, AssertionError, ValueError, TypeError) as error:
        return f"This is not a cron expression: {error}." if str(error) else "This is not a cron expression."
    return "There is no such day in fifty years." if first is None else None


def lint(config: Json) -> Iterator[Fault]:
    fault = cron_fault(config["cron"])
    if fault is not None:
        yield Fault("/cron", "invalid_cron", fault)
    try:
        zone_of(config.get("timezone", "UTC"))
    except NoSuchZone:
        yield Fault("/timezone", "unknown_zone", "There is no such time zone, as Europe/Berlin.")
    for field, most in (("jitter", LONGEST_JITTER), ("catch_up", None)):
        try:
            if field in config and most is not None and duration(config[field]) > most:
                yield Fault(f"/{field}", "invalid_value", f"{field} must not be longer than a day")
            elif field in config:
                duration(config[field])
        except InvalidValue as error:
            yield Fault(f"/{field}", "invalid_value", str(error))


def seen_at(at: datetime) -> Mapping[str, Json]:
    """What its expressions see of a time."""
    return {"scheduled_at": at.isoformat().replace("+00:00", "Z")}


SCHEDULE = TriggerSpec(
    NAME,
    {
        "cron": {"type": "string", "minLength": 1, "maxLength": LONGEST_CRON},
        "timezone": {"type": "string", "minLength": 1, "maxLength": 100},
        "jitter": {"type": "string"},
        "overlap": {"enum": list(POLICIES)},
        "catch_up": {"type": "string"},
        **STARTING,
    },
    ("cron",),
    {"scheduled_at": {"type": "string", "format": "date-time"}},
    lint,
    starts_as="scheduled",
    acts_as="schedule",
    by_hand=lambda now, _payload: seen_at(now),
)
