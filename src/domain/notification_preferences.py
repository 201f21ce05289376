"""What somebody wants to be told by mail: at once, of which kinds; and whether what waits for them is put together at times.

Each person has a stream, whose id follows from theirs, and the tenant has one with what holds for those who say nothing. The next
digest of a stream is a timer of the ledger's. When it falls due, a job looks whose inbox is not empty; the delivery's id follows
from the person and the period, so that there is one for each, however often that is done.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

from domain.facts import (
    Aggregate,
    Decided,
    Due,
    Event,
    EventType,
    Fact,
    Fence,
    FieldError,
    Invalid,
    Job,
    Json,
    Timer,
    View,
    timer_id,
)
from domain.wording import listed
from domain.working_time import NoSuchZone, zone_of

MailKind: TypeAlias = Literal["requested", "reminded", "escalated", "question", "decided", "expired", "overridden"]
KINDS: tuple[MailKind, ...] = ("requested", "reminded", "escalated", "question", "decided", "expired", "overridden")
Every: TypeAlias = Literal["never", "hour", "day"]
TOLD_AT = "08:00"
DIGEST = "gesta.digest"
"""The type of the jobs, and the purpose of the timers."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Digest:
    """How often what waits is put together. `at`, `time_zone`: of a day, when, by whose clocks."""

    every: Every
    at: str = TOLD_AT
    time_zone: str = "UTC"


NEVER = Digest("never")


@dataclass(frozen=True)
class PreferencesChanged(Event):
    """As they are from now on. `user_id`: None: what holds for those who say nothing. None elsewhere: nothing is said of it.

    `due`: when the next digest is; `turn`: of its timer.
    """

    user_id: UUID | None = None
    mail: tuple[MailKind, ...] | None = None
    digest: Digest | None = None
    due: datetime | None = None
    turn: int = 0


@dataclass(frozen=True)
class DigestFellDue(Event):
    """The one of a period: whose inbox is not empty is looked at by a job. `due`: when the next one is; `turn`: of that."""

    user_id: UUID | None
    period: str
    due: datetime
    turn: int


@dataclass(frozen=True)
class DigestAskedFor(Event):
    """For so many people, of this turn. Who has it already, or has nothing that waits, is not among them."""

    user_id: UUID | None
    period: str
    turn: int
    people: int


PreferencesEvent = PreferencesChanged | DigestFellDue | DigestAskedFor


@dataclass(frozen=True)
class Preferences:
    user_id: UUID | None = None
    mail: tuple[MailKind, ...] | None = None
    digest: Digest | None = None
    due: datetime | None = None
    turn: int = 0


def evolve(state: Preferences, event: PreferencesEvent) -> Preferences:
    match event:
        case PreferencesChanged():
            return Preferences(event.user_id, event.mail, event.digest, event.due, event.turn)
        case DigestFellDue():
            return replace(state, due=event.due, turn=event.turn)
        case DigestAskedFor():
            return state
        case _:
            assert_never(event)


def _whose(user_id: UUID | None) -> str:
    return "for those who say nothing" if user_id is None else "of a member"


NOTIFICATION_PREFERENCES: Aggregate[Preferences] = Aggregate(
    "notification_preferences",
    Preferences(),
    evolve,
    (
        EventType(
            PreferencesChanged,
            "notification_preferences.changed.v1",
            lambda e, _: (
                f"The preferences {_whose(e.user_id)} were changed: "
                f"{'nothing is said of mail' if e.mail is None else f'mail of {listed(e.mail)}' if e.mail else 'no mail'}."
            ),
            note="In whole. Without `user_id`: what holds for those who say nothing. `due`: when the next digest is.",
        ),
        EventType(
            DigestFellDue,
            "notification_preferences.digest_fell_due.v1",
            lambda e, _: f"The digest {_whose(e.user_id)} of {e.period} is due.",
            severity="debug",
            note="`period`: a date, or an hour of UTC. A job looks whose inbox is not empty.",
        ),
        EventType(
            DigestAskedFor,
            "notification_preferences.digest_asked_for.v1",
            lambda e, _: f"The digest {_whose(e.user_id)} of {e.period} goes to {e.people}.",
            severity="debug",
            note="`people`: whose inbox is not empty, and who did not have it yet.",
        ),
    ),
    "system",
)


def preferences_of(tenant_id: UUID, user_id: UUID | None) -> UUID:
    """The stream of a person, or of what holds for those who say nothing."""
    return uuid5(tenant_id, f"notification preferences:{user_id or ''}")


def effective(own: Preferences, default: Preferences) -> Preferences:
    """What holds for somebody. Where nobody says anything: all mail, and no digest."""
    mail = next((each for each in (own.mail, default.mail) if each is not None), KINDS)
    digest = next((each for each in (own.digest, default.digest) if each is not None), NEVER)
    return replace(own, mail=mail, digest=digest)


def wants(view: View, user_id: UUID, kind: MailKind) -> bool:
    own, default = (view.read(NOTIFICATION_PREFERENCES, preferences_of(view.tenant_id, one)) for one in (user_id, None))
    return kind in (effective(own, default).mail or ())


def change(view: View, user_id: UUID | None, mail: tuple[str, ...] | None, digest: Digest | None) -> Decided:
    """result {mail, digest, next_digest_at, version}. Raises Invalid."""
    kinds = _kinds(mail)
    if digest is not None:
        require_digest(digest)
    stream = preferences_of(view.tenant_id, user_id)
    state = view.read(NOTIFICATION_PREFERENCES, stream)
    due = None if digest is None or digest.every == "never" else next_moment(digest, view.now)
    event = PreferencesChanged(user_id, kinds, digest, due, state.turn + (due is not None))
    if (kinds, digest) == (state.mail, state.digest):
        return Decided(result=told(state, view.version(stream)))
    return Decided(
        (Fact(stream, event),),
        timers=() if due is None else (_timer(stream, due, event.turn),),
        dropped_timers=() if state.due is None else (timer_of(stream, state.turn),),
        result=told(evolve(state, event), view.version(stream) + 1),
    )


def told(state: Preferences, version: int) -> dict[str, Json]:
    due = None if state.due is None else state.due.isoformat().replace("+00:00", "Z")
    return {
        "mail": None if state.mail is None else list(state.mail),
        "digest": shown(state.digest),
        "next_digest_at": due,
        "version": version,
    }


def shown(digest: Digest | None) -> Json:
    if digest is None:
        return None
    return {"every": digest.every, "at": digest.at, "time_zone": digest.time_zone}


def _kinds(given: tuple[str, ...] | None) -> tuple[MailKind, ...] | None:
    if given is None:
        return None
    faults = tuple(
        FieldError(f"/mail/{number}", "unknown", f"There is no kind {name[:50]!r}: {', '.join(KINDS)}.")
        for number, name in enumerate(given)
        if name not in KINDS
    )
    if faults:
        raise Invalid("Unknown kind.", "/mail", faults)
    return tuple(kind for kind in KINDS if kind in given)


def require_digest(digest: Digest) -> None:
    try:
        zone_of(digest.time_zone)
    except NoSuchZone:
        raise Invalid("There is no such time zone, as Europe/Berlin.", "/digest/time_zone") from None
    if _wall(digest.at) is None:
        raise Invalid("A time of day is written as 08:00.", "/digest/at")


def _wall(text: str) -> time | None:
    if len(text) != 5 or text[2] != ":" or not text.isascii():
        return None
    try:
        return time.fromisoformat(text)
    except ValueError:
        return None


def next_moment(digest: Digest, after: datetime) -> datetime:
    """The first one later than this. A day has one, also where its clocks are changed; an hour is one of UTC."""
    if digest.every == "hour":
        return after.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    zone, wall = zone_of(digest.time_zone), _wall(digest.at)
    assert wall is not None, "it was checked when it was given"
    day = after.astimezone(zone).date()
    for number in (0, 1, 2):
        moment = datetime.combine(day + number * DAY, wall, zone).astimezone(UTC)
        if moment > after:
            return moment
    raise AssertionError("one of the next days is later")


def period_of(digest: Digest, due: datetime) -> str:
    """By which it is known that somebody has had the one of a time: a date by their clocks, or an hour."""
    if digest.every == "hour":
        return due.astimezone(UTC).strftime("%Y-%m-%dT%HZ")
    return due.astimezone(zone_of(digest.time_zone)).date().isoformat()


def timer_of(stream: UUID, turn: int) -> UUID:
    return timer_id(stream, DIGEST, turn)


def job_of(stream: UUID, turn: int) -> UUID:
    return uuid5(stream, f"digest {turn}")


def digest_delivery(tenant_id: UUID, user_id: UUID, period: str) -> UUID:
    return uuid5(preferences_of(tenant_id, user_id), f"digest of {period}")


def _timer(stream: UUID, due: datetime, turn: int) -> Timer:
    return Timer(timer_of(stream, turn), Due(at=due), DIGEST, NOTIFICATION_PREFERENCES.name, stream)


def fall_due(view: View, stream: UUID, timer: UUID) -> Decided:
    """A timer is due: somebody has to look, once, however many periods went by while nobody was there to fire it."""
    state = view.read(NOTIFICATION_PREFERENCES, stream)
    if state.due is None or state.digest is None or timer != timer_of(stream, state.turn):
        return Decided(dropped_timers=(timer,))
    due = next_moment(state.digest, max(view.now, state.due))
    event = DigestFellDue(state.user_id, period_of(state.digest, state.due), due, state.turn + 1)
    job = Job(job_of(stream, state.turn), DIGEST, {"preferences": str(stream), "turn": state.turn, "period": event.period})
    return Decided((Fact(stream, event),), jobs=(job,), timers=(_timer(stream, due, event.turn),), dropped_timers=(timer,))


def asked_for(view: View, stream: UUID, turn: int, period: str, fence: int, people: int) -> Decided:
    """What the job of a turn came to."""
    state = view.read(NOTIFICATION_PREFERENCES, stream)
    event = DigestAskedFor(state.user_id, period, turn, people)
    return Decided((Fact(stream, event),), fences=(Fence(job_of(stream, turn), fence, "done"),))
