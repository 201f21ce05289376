"""Links to decide by: how they are made, what the page behind one shows, and the decision that it makes.

A link decides by the way that every decision goes (`engine.approvals`), for the person as they stand at that moment. Nothing here
appends anything but the making and the decision itself: who looks at a page, be it a scanner of mails, changes nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from domain.access import DeactivatedUser, NotAMember, Platform, Rights, SuspendedMember, standing
from domain.approval import APPROVAL, Approval, ApprovalDecided, Decider, Outcome, Place, Step, place_of
from domain.approval.content import attachments_json
from domain.approval_link import (
    APPROVAL_LINK,
    LONGEST_LIFETIME,
    USUAL_LIFETIME,
    ApprovalLinkMade,
    ApprovalLinkUsed,
    LinkRevoked,
    RequestChanged,
    address_of,
    described,
    found,
    hash_of,
    link_id_of,
    require_usable,
)
from domain.facts import Decided, Fact, Invalid, Json, NotFound, PermissionDenied, Refusal, RuleViolation, View
from domain.member import MEMBER
from domain.tenant import TENANT
from domain.totp import Code
from domain.user import USER
from engine.approvals import DECIDE, NEED_FORM, decide_approval
from engine.context import Engine

__all__ = ["Answer", "Making", "address_of", "make_link", "make_links", "page_of", "use_link"]

NOBODY = (NotAMember, SuspendedMember, DeactivatedUser)


class LinkCannotProve(RuleViolation):
    """This outcome asks for the secret of a key: nobody is to type that into a page that a mail leads to."""

    code = "link_cannot_prove"


@dataclass(frozen=True)
class Making:
    """How links are made. `made_by`, `behind`: the person whose key makes them, and those who act so for somebody else."""

    seed: bytes
    lifetime: timedelta = USUAL_LIFETIME
    made_by: UUID | None = None
    behind: tuple[UUID, ...] = ()

    @property
    def acting(self) -> UUID | None:
        """The person whose own key makes them for somebody else."""
        return self.made_by if self.made_by in self.behind else None


@dataclass(frozen=True)
class Answer:
    """What the page's form says. `seen`: what was shown when it was. `code`: what the one-time password comes to."""

    seen: str
    comment: str | None = None
    reason: str | None = None
    form: Json = None
    code: Code | None = None


# Making -------------------------------------------------------------------------------------------------------------------


def make_links(
    view: View, request_id: UUID, user_id: UUID, platform: Platform, *, seed: bytes, lifetime: timedelta = USUAL_LIFETIME
) -> Decided:
    """One for each outcome that this person may choose now, for what Gesta itself writes to them.

    Where there is nothing for them to choose, there are none, and nobody is refused anything. The same seed gives the same links,
    and appends nothing the second time. result {links: [{id, outcome, kind, step, step_name, expires_at}]}.
    """
    try:
        person = standing(view, user_id, platform)
    except NOBODY:
        return Decided(result={"links": []})
    approval, making = view.read(APPROVAL, request_id), Making(seed, lifetime)
    facts: list[Fact] = []
    told: list[Json] = []
    for step, outcome in _offered(approval):
        try:
            link = _link(view, request_id, person, making, _place(approval, person, making, outcome.name, step.name))
        except (PermissionDenied, RuleViolation, Invalid, NotFound):
            continue
        facts += () if view.read(APPROVAL_LINK, link.id).made is not None else (Fact(link.id, link.made),)
        about = {"id": str(link.id), "outcome": outcome.name, "kind": outcome.kind, "step": step.number}
        told.append({**about, "step_name": step.name or None, "expires_at": described(link.id, link.made)["expires_at"]})
    return Decided(tuple(facts), result={"links": told})


def make_link(view: View, request_id: UUID, person: Rights, outcome: str, step: str | None, making: Making) -> Decided:
    """One, for a person who may choose this outcome now. Raises what refuses them the decision, and LinkCannotProve.

    result {id, request_id, user_id, step, outcome, expires_at, version}.
    """
    if not timedelta(0) < making.lifetime <= LONGEST_LIFETIME:
        raise Invalid(f"A link is valid for {LONGEST_LIFETIME.days} days at most.", "/expires_in")
    link = _link(view, request_id, person, making, _place(view.read(APPROVAL, request_id), person, making, outcome, step))
    return Decided((Fact(link.id, link.made),), result=described(link.id, link.made))


class _Link(NamedTuple):
    id: UUID
    made: ApprovalLinkMade


def _offered(approval: Approval) -> Iterator[tuple[Step, Outcome]]:
    for step in approval.open_steps:
        for outcome in step.outcomes:
            yield step, outcome


def _place(approval: Approval, person: Rights, making: Making, outcome: str, step: str | None) -> Place:
    assert person.user_id is not None
    if not person.allows(DECIDE):
        raise PermissionDenied(f"Who decides needs the permission {DECIDE}.")
    decider = Decider(person.user_id, person.roles, behind=making.behind, acting=making.acting)
    place = place_of(approval, decider, outcome, step=step or None)
    if place.outcome.proof == "key":
        raise LinkCannotProve(path="/outcome")
    return place


def _link(view: View, request_id: UUID, person: Rights, making: Making, place: Place) -> _Link:
    assert person.user_id is not None
    member, step, outcome = view.read(MEMBER, person.user_id), place.step.number, place.outcome.name
    link_id = link_id_of(request_id, person.user_id, step, outcome, making.seed)
    made = ApprovalLinkMade(
        request_id,
        person.user_id,
        step,
        outcome,
        hash_of(making.seed, link_id),
        view.now + making.lifetime,
        member.term,
        member.suspensions,
        making.made_by,
        making.behind,
    )
    return _Link(link_id, view.read(APPROVAL_LINK, link_id).made or made)


# Looking ------------------------------------------------------------------------------------------------------------------


def page_of(view: View, link_id: UUID, secret_hash: str, platform: Platform) -> Decided:
    """What whoever opens a link is shown; it appends nothing, and refuses nothing.

    result {state: absent}; {state: over, code, message, chosen, …}, where `chosen` says whether it was by this link that its
    person decided; or {state: open, …}: what is asked, what the outcome needs, and `seen`, which the page's form gives back.
    """
    try:
        made = _found(view, link_id, secret_hash, platform)
    except NotFound:
        return Decided(result={"state": "absent"})
    approval = view.read(APPROVAL, made.request_id)
    about = _about(made, approval, platform)
    try:
        _, place = _usable(view, link_id, made, approval, platform)
    except Refusal as refusal:
        chosen = view.read(APPROVAL_LINK, link_id).decision_id is not None
        over = {"state": "over", "code": refusal.code, "message": refusal.message, "chosen": chosen}
        return Decided(result={**about, **over})
    outcome = place.outcome
    return Decided(
        result={
            **about,
            "state": "open",
            "description": approval.content.description,
            "context": approval.content.context,
            "attachments": attachments_json(approval.content.attachments),
            "kind": outcome.kind,
            "step_name": place.step.name or None,
            "comment": outcome.comment,
            "reasons": list(outcome.reasons),
            "form": place.step.form if _takes_form(outcome) else None,
            "proof": outcome.proof,
            "means": outcome.means,
            "seen": _seen(approval, place),
        }
    )


def _about(made: ApprovalLinkMade, approval: Approval, platform: Platform) -> dict[str, Json]:
    asked_by, resolution = approval.requested_by, approval.resolution
    return {
        "request_id": str(made.request_id),
        "user_id": str(made.user_id),
        "person": platform.read(USER, made.user_id).display_name,
        "title": approval.content.title,
        "asked_by": None if asked_by is None else platform.read(USER, asked_by).display_name or None,
        "outcome": made.outcome,
        "expires_at": made.expires_at.isoformat().replace("+00:00", "Z"),
        "status": approval.status,
        "resolution": None if resolution is None else resolution.outcome,
    }


def _takes_form(outcome: Outcome) -> bool:
    """Where its data may be left out, it is not asked for here."""
    return outcome.kind in NEED_FORM or outcome.form == "required"


def _seen(approval: Approval, place: Place) -> str:
    """A digest of what is asked and of what choosing the outcome means: whoever confirms it confirms this and nothing else."""
    outcome = replace(place.outcome, users=(), roles=(), exclude=(), fallback=None, managers=None, instead=None)
    shown = [approval.asks, approval.content.as_json, place.step.number, place.step.form, repr(outcome)]
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()


def _found(view: View, link_id: UUID, secret_hash: str, platform: Platform) -> ApprovalLinkMade:
    """In a suspended tenant there is none. Raises NotFound."""
    if not platform.read(TENANT, view.tenant_id).active:
        raise NotFound
    return found(view, link_id, secret_hash)


def _person(view: View, link_id: UUID, made: ApprovalLinkMade, platform: Platform) -> Rights:
    """Whom it is for, as they stand. Raises what they are refused everything for, and LinkRevoked for what they were before."""
    person = standing(view, made.user_id, platform)
    if not view.read(APPROVAL_LINK, link_id).is_of(view.read(MEMBER, made.user_id)):
        raise LinkRevoked("This link was made before its person was suspended or removed.")
    return person


def _usable(view: View, link_id: UUID, made: ApprovalLinkMade, approval: Approval, platform: Platform) -> tuple[Rights, Place]:
    """The person, and where they decide by it. Raises what speaks against it now."""
    require_usable(view, link_id)
    person = _person(view, link_id, made, platform)
    return person, _place(approval, person, _making_of(made), made.outcome, _step_of(approval, made))


def _making_of(made: ApprovalLinkMade) -> Making:
    return Making(b"", made_by=made.made_by, behind=made.behind)


def _step_of(approval: Approval, made: ApprovalLinkMade) -> str | None:
    return approval.steps[made.step - 1].name if approval.in_steps else None


# Deciding -----------------------------------------------------------------------------------------------------------------


def use_link(view: View, engine: Engine, link_id: UUID, secret_hash: str, platform: Platform, answer: Answer) -> Decided:
    """Decide by a link. The result is that of a decision; {failed: why} where the code is wrong: the link stays as it was.

    Raises NotFound, what speaks against the link, RequestChanged, and what refuses a decision.
    """
    made = _found(view, link_id, secret_hash, platform)
    approval = view.read(APPROVAL, made.request_id)
    person, place = _usable(view, link_id, made, approval, platform)
    if answer.seen != _seen(approval, place):
        raise RequestChanged
    decided = decide_approval(
        view,
        engine,
        made.request_id,
        Decider(made.user_id, person.roles, behind=made.behind, acting=made.acting),
        outcome=made.outcome,
        comment=answer.comment,
        reason=answer.reason,
        form=answer.form,
        step=_step_of(approval, made),
        presented=answer.code,
        link_id=link_id,
    )
    decision = next((fact.event for fact in decided.facts if isinstance(fact.event, ApprovalDecided)), None)
    if decision is None:
        return decided
    used = Fact(link_id, ApprovalLinkUsed(made.request_id, decision.decision_id))
    return replace(decided, facts=(*decided.facts, used))
