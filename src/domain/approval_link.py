"""A link to decide by: for one person, one outcome of one step of one approval request; it works once, until it expires.

Whoever has its address has the proof. The address is never recorded: a link keeps a hash of its secret. It dies with what it is
for (the request, the membership), without an event of its own: what it is worth is asked when it is used.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID, uuid5

from domain.bearer_text import LINK, BearerText, hash_secret, written
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Json, NotFound, RuleViolation, View
from domain.member import Member
from domain.wording import because

SEED_BYTES = 32
"""Random ones, or such that nobody can guess: what the secrets of links follow from that are made together."""
USUAL_LIFETIME = timedelta(days=7)
LONGEST_LIFETIME = timedelta(days=90)


@dataclass(frozen=True)
class ApprovalLinkMade(Event):
    """`secret_hash`: hex SHA-256 of the secret. `term`, `suspensions`: of which membership it is, and after how many suspensions.

    `behind`: the people whose key made it for somebody else. They decide by it in fact, where they keep it to themselves.
    """

    request_id: UUID
    user_id: UUID
    step: int
    outcome: str
    secret_hash: str
    expires_at: datetime
    term: int
    suspensions: int = 0
    made_by: UUID | None = None
    behind: tuple[UUID, ...] = ()

    @property
    def acting(self) -> UUID | None:
        """The person whose own key made it for somebody else: what is chosen by it is their say as well."""
        return self.made_by if self.made_by in self.behind else None


@dataclass(frozen=True)
class ApprovalLinkUsed(Event):
    request_id: UUID
    decision_id: UUID


@dataclass(frozen=True)
class ApprovalLinkRevoked(Event):
    reason: str | None = None


ApprovalLinkEvent = ApprovalLinkMade | ApprovalLinkUsed | ApprovalLinkRevoked


@dataclass(frozen=True)
class ApprovalLink:
    status: Literal["absent", "open", "used", "revoked"] = "absent"
    made: ApprovalLinkMade | None = None
    decision_id: UUID | None = None

    def expired(self, now: datetime) -> bool:
        return self.made is not None and self.made.expires_at <= now

    def is_of(self, member: Member) -> bool:
        """Whether it was made for the membership as it stands: not for one that has ended, or was suspended since."""
        made = self.made
        return made is not None and member.active and (member.term, member.suspensions) == (made.term, made.suspensions)


def evolve(state: ApprovalLink, event: ApprovalLinkEvent) -> ApprovalLink:
    match event:
        case ApprovalLinkMade():
            return ApprovalLink("open", event)
        case ApprovalLinkUsed():
            return replace(state, status="used", decision_id=event.decision_id)
        case ApprovalLinkRevoked():
            return replace(state, status="revoked")
        case _:
            assert_never(event)


APPROVAL_LINK: Aggregate[ApprovalLink] = Aggregate(
    "approval_link",
    ApprovalLink(),
    evolve,
    (
        EventType(
            ApprovalLinkMade,
            "approval_link.made.v1",
            lambda e, _: f"A link was made for a member, to decide {e.outcome}.",
            note="A stream of its own. The audit log shows no `secret_hash`. `behind`: whose key made it for somebody else.",
        ),
        EventType(
            ApprovalLinkUsed,
            "approval_link.used.v1",
            lambda _e, _: "A member decided by a link.",
            note="Together with `approval.decided`, whose `link_id` it is.",
        ),
        EventType(
            ApprovalLinkRevoked,
            "approval_link.revoked.v1",
            lambda e, _: f"A link was revoked{because(e.reason)}.",
        ),
    ),
    "approval",
)


class LinkUsed(RuleViolation):
    """This link was used already."""

    code = "link_used"


class LinkExpired(RuleViolation):
    """This link has expired."""

    code = "link_expired"


class LinkRevoked(RuleViolation):
    """This link was revoked."""

    code = "link_revoked"


class RequestChanged(RuleViolation):
    """What is asked has changed since the page was shown."""

    code = "request_changed"


def link_id_of(request_id: UUID, user_id: UUID, step: int, outcome: str, seed: bytes) -> UUID:
    """The same seed gives the same link: who writes a mail again makes no other."""
    named = json.dumps([str(user_id), step, outcome, hashlib.sha256(b"gesta link" + seed).hexdigest()])
    return uuid5(request_id, f"link {named}")


def secret_of(seed: bytes, link_id: UUID) -> bytes:
    return hmac.digest(seed, b"gesta link secret" + link_id.bytes, "sha256")


def address_of(tenant_id: UUID, link_id: UUID, seed: bytes) -> str:
    """A path. Whoever has it can decide: it is told once, and neither logged nor stored."""
    return f"/approve/{written(LINK, BearerText(tenant_id, link_id, secret_of(seed, link_id)))}"


def hash_of(seed: bytes, link_id: UUID) -> str:
    return hash_secret(secret_of(seed, link_id))


def found(view: View, link_id: UUID, secret_hash: str) -> ApprovalLinkMade:
    """What a link is for whose secret has this hash. Raises NotFound."""
    made = view.read(APPROVAL_LINK, link_id).made
    if made is None or not hmac.compare_digest(made.secret_hash, secret_hash):
        raise NotFound
    return made


def require_usable(view: View, link_id: UUID) -> None:
    """By itself: what it is for is another question. Raises LinkUsed, LinkRevoked, LinkExpired."""
    state = view.read(APPROVAL_LINK, link_id)
    if state.status == "used":
        raise LinkUsed
    if state.status == "revoked":
        raise LinkRevoked
    if state.expired(view.now):
        raise LinkExpired


def revoke(view: View, link_id: UUID, of: UUID | None, reason: str | None = None) -> Decided:
    """`of`: who revokes their own; None: somebody who may revoke everybody's."""
    state = view.read(APPROVAL_LINK, link_id)
    if state.made is None or of not in (None, state.made.user_id):
        raise NotFound
    if state.status == "used":
        raise LinkUsed
    if state.status == "revoked":
        raise LinkRevoked
    event = ApprovalLinkRevoked(reason)
    return Decided((Fact(link_id, event),), result={"id": str(link_id), "revoked": True, "version": view.version(link_id) + 1})


def described(link_id: UUID, made: ApprovalLinkMade) -> Json:
    """As the command's result names it."""
    return {
        "id": str(link_id),
        "request_id": str(made.request_id),
        "user_id": str(made.user_id),
        "step": made.step,
        "outcome": made.outcome,
        "expires_at": made.expires_at.isoformat().replace("+00:00", "Z"),
        "version": 1,
    }
