"""One-time passwords of a member (RFC 6238: SHA-1, six digits, thirty seconds), as proof of who decides.

Their secret is one of the tenant's (`domain.secret`), under a name that follows from the member, and pinned by its value: one
that was given another value proves nothing. A code counts once; wrong ones are counted here, in the member's own stream, so that
whoever tries out codes at many processes at once is stopped all the same.
"""

import hmac
from base64 import b32encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never
from urllib.parse import quote, urlencode
from uuid import UUID, uuid5

from domain import secret
from domain.approval.proof import HEADER, ProofFailed
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Json, NotFound, PermissionDenied, RuleViolation, View
from domain.secret import SECRET, secret_id_of
from domain.wording import because

SECRET_BYTES = 20
DIGITS, SECONDS = 6, 30
AROUND = 1
"""Time steps before and after the one of now whose codes are taken too: clocks differ, and people type slowly."""
WRONG = "The code is wrong, or was used before."
MOST_FAILURES = 5
"""Wrong codes in a row, after which none is taken for a while; from then on after each wrong one."""
LOCKED_FOR = timedelta(minutes=15)


@dataclass(frozen=True)
class TotpEnrolled(Event):
    """To be confirmed by a code. `value_id`: which sealed text it is; `number`: of the member's enrolments."""

    user_id: UUID
    number: int
    value_id: UUID


@dataclass(frozen=True)
class TotpConfirmed(Event):
    """`counter`: the time step of the code, which is used by it."""

    user_id: UUID
    counter: int


@dataclass(frozen=True)
class TotpUsed(Event):
    """`request_id`: the approval request that was decided by it."""

    user_id: UUID
    counter: int
    request_id: UUID | None = None


@dataclass(frozen=True)
class TotpRefused(Event):
    """A wrong code, or one that was used before. `failures`: in a row."""

    user_id: UUID
    failures: int
    locked_until: datetime | None = None


@dataclass(frozen=True)
class TotpRemoved(Event):
    """`by_themselves`: by a code; otherwise it was reset for them."""

    user_id: UUID
    by_themselves: bool
    reason: str | None = None


TotpEvent = TotpEnrolled | TotpConfirmed | TotpUsed | TotpRefused | TotpRemoved


@dataclass(frozen=True)
class Totp:
    """`pending`, `value_id`: the sealed text that is to be confirmed, and the one that proves."""

    number: int = 0
    pending: UUID | None = None
    value_id: UUID | None = None
    counter: int = -1
    """The last time step of which a code was used."""
    failures: int = 0
    locked_until: datetime | None = None


def evolve(state: Totp, event: TotpEvent) -> Totp:
    match event:
        case TotpEnrolled():
            return replace(state, number=event.number, pending=event.value_id)
        case TotpConfirmed():
            return Totp(state.number, None, state.pending, event.counter)
        case TotpUsed():
            return replace(state, counter=event.counter, failures=0, locked_until=None)
        case TotpRefused():
            return replace(state, failures=event.failures, locked_until=event.locked_until)
        case TotpRemoved():
            return Totp(state.number)
        case _:
            assert_never(event)


TOTP: Aggregate[Totp] = Aggregate(
    "totp",
    Totp(),
    evolve,
    (
        EventType(
            TotpEnrolled,
            "totp.enrolled.v1",
            lambda _e, _: "A member was given one-time passwords, to be confirmed by a code.",
            note="In the stream of the member's one-time passwords. Never the secret: `value_id` names the sealed text.",
        ),
        EventType(
            TotpConfirmed,
            "totp.confirmed.v1",
            lambda _e, _: "A member confirmed their one-time passwords.",
            severity="warning",
            note="From now on they prove who decides. `counter`: the time step of the code.",
        ),
        EventType(
            TotpUsed,
            "totp.used.v1",
            lambda _e, _: "A member proved who they are by a one-time password.",
            note="Together with the `approval.decided` of `request_id`.",
        ),
        EventType(
            TotpRefused,
            "totp.refused.v1",
            lambda e, _: f"A one-time password was wrong or used before, {e.failures} in a row.",
            severity="warning",
            note="`locked_until`: until when no code is taken.",
        ),
        EventType(
            TotpRemoved,
            "totp.removed.v1",
            lambda e, _: (
                f"A member's one-time passwords were {'removed by a code' if e.by_themselves else 'reset'}{because(e.reason)}."
            ),
            severity="warning",
        ),
    ),
    "access",
)


class AlreadyEnrolled(RuleViolation):
    """You have one-time passwords already: remove them by a code, or have them reset."""

    code = "already_enrolled"


class NotEnrolled(RuleViolation):
    """There are no one-time passwords to confirm: begin anew."""

    code = "not_enrolled"


class TooManyCodes(PermissionDenied):
    """Too many codes were wrong."""

    code = "too_many_codes"


@dataclass(frozen=True)
class Code:
    """What a code comes to that was presented. `value_id`: of the sealed secret that it was held against; None: there was none.

    `counter`: the time step of about now whose code it is; None: of none. `at`: now, by the clock.
    """

    value_id: UUID | None
    counter: int | None
    at: datetime


def totp_of(tenant_id: UUID, user_id: UUID) -> UUID:
    """The stream of a member's one-time passwords."""
    return uuid5(tenant_id, f"totp:{user_id}")


def secret_name(user_id: UUID, number: int) -> str:
    return f"totp-{user_id.hex}-{number}"


def code_at(key: bytes, counter: int) -> str:
    """RFC 4226, 5.3."""
    digest = hmac.digest(key, counter.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def counter_of(key: bytes, code: str, now: datetime) -> int | None:
    """The time step of about now whose code this is. All are compared, whichever it is."""
    current = int(now.timestamp()) // SECONDS
    found = [
        counter
        for counter in range(current - AROUND, current + AROUND + 1)
        if hmac.compare_digest(code_at(key, counter).encode(), code.encode())
    ]
    return found[-1] if found else None


def uri_of(key: bytes, account: str, issuer: str) -> str:
    """What authenticator apps read, also as a QR code."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': text_of(key), 'issuer': issuer}, quote_via=quote)}"


def text_of(key: bytes) -> str:
    return b32encode(key).decode()


def enrol(view: View, user_id: UUID, number: int, value_id: UUID) -> Decided:
    """`number`, `value_id`: of the sealed text that was written. What was begun before is given up."""
    stream = totp_of(view.tenant_id, user_id)
    state = view.read(TOTP, stream)
    if state.value_id is not None:
        raise AlreadyEnrolled
    if number != state.number + 1:
        raise EnrolledMeanwhile
    name = secret_name(user_id, number)
    made = secret.create(view, secret_id_of(view.tenant_id, name), name, value_id, description="Proves who a member is")
    before = _deleted(view, user_id, state.number) if state.pending is not None else ()
    return _answer(view, user_id, (TotpEnrolled(user_id, number, value_id),), (*before, *made.facts))


class EnrolledMeanwhile(RuleViolation):
    """One-time passwords were begun with at the same moment."""

    code = "enrolled_meanwhile"


def confirm(view: View, user_id: UUID, code: Code) -> Decided:
    """Where the code is wrong, that is recorded, and the result has `failed`."""
    state = view.read(TOTP, totp_of(view.tenant_id, user_id))
    if state.pending is None:
        raise NotEnrolled
    counter = _counted(view, user_id, state, state.pending, code)
    event = _refused(state, user_id, code) if counter is None else TotpConfirmed(user_id, counter)
    return _answer(view, user_id, (event,), failed=counter is None)


def use(view: View, user_id: UUID, code: Code, request_id: UUID) -> TotpUsed | TotpRefused:
    """What becomes of a code by which a request is to be decided. Raises ProofFailed, TooManyCodes."""
    state = view.read(TOTP, totp_of(view.tenant_id, user_id))
    if state.value_id is None:
        raise ProofFailed("You have no one-time passwords yet: POST /v1/totp begins.", HEADER)
    counter = _counted(view, user_id, state, state.value_id, code)
    return _refused(state, user_id, code) if counter is None else TotpUsed(user_id, counter, request_id)


def remove(view: View, user_id: UUID, code: Code) -> Decided:
    """By themselves, by a code. Where it is wrong, that is recorded, and the result has `failed`."""
    state = view.read(TOTP, totp_of(view.tenant_id, user_id))
    if state.value_id is None:
        raise NotFound
    if _counted(view, user_id, state, state.value_id, code) is None:
        return _answer(view, user_id, (_refused(state, user_id, code),), failed=True)
    return _answer(view, user_id, (TotpRemoved(user_id, True),), _deleted(view, user_id, state.number))


def reset(view: View, user_id: UUID, reason: str | None = None) -> Decided:
    """For a member who lost them."""
    state = view.read(TOTP, totp_of(view.tenant_id, user_id))
    if state.value_id is None and state.pending is None:
        raise NotFound
    return _answer(view, user_id, (TotpRemoved(user_id, False, reason),), _deleted(view, user_id, state.number))


def secret_of(view: View, user_id: UUID) -> UUID:
    """The id of the secret by which a member proves who they are."""
    number = view.read(TOTP, totp_of(view.tenant_id, user_id)).number
    return secret_id_of(view.tenant_id, secret_name(user_id, number))


def _counted(view: View, user_id: UUID, state: Totp, value_id: UUID, code: Code) -> int | None:
    """The time step of a code that counts, once; None where it does not."""
    if state.locked_until is not None and code.at < state.locked_until:
        until = state.locked_until.isoformat(timespec="seconds").replace("+00:00", "Z")
        raise TooManyCodes(f"Too many codes were wrong: none is taken until {until}.", HEADER)
    if view.read(SECRET, secret_of(view, user_id)).value_id != value_id:
        raise ProofFailed("The secret of these one-time passwords was replaced or deleted: have them reset.", HEADER)
    if code.value_id != value_id:
        raise ProofFailed("These one-time passwords were changed at the same moment.", HEADER)
    return code.counter if code.counter is not None and code.counter > state.counter else None


def _refused(state: Totp, user_id: UUID, code: Code) -> TotpRefused:
    failures = state.failures + 1
    return TotpRefused(user_id, failures, code.at + LOCKED_FOR if failures >= MOST_FAILURES else None)


def _deleted(view: View, user_id: UUID, number: int) -> tuple[Fact, ...]:
    """Somebody with the right to secrets may have deleted it before."""
    secret_id = secret_id_of(view.tenant_id, secret_name(user_id, number))
    return secret.delete(view, secret_id).facts if view.read(SECRET, secret_id).exists else ()


def _answer(
    view: View, user_id: UUID, events: tuple[TotpEvent, ...], others: tuple[Fact, ...] = (), *, failed: bool = False
) -> Decided:
    stream = totp_of(view.tenant_id, user_id)
    state = view.read(TOTP, stream)
    for event in events:
        state = evolve(state, event)
    status = "enabled" if state.value_id is not None else "pending" if state.pending is not None else "none"
    result: dict[str, Json] = {"user_id": str(user_id), "status": status, "version": view.version(stream) + len(events)}
    facts = tuple(Fact(stream, event) for event in events)
    return Decided((*facts, *others), result={**result, "failed": WRONG} if failed else result)
