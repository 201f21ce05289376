"""Who may decide a request, and how; and why the others may not. Asked of one person at a time.

What decides says it here, too: `domain.access`, `domain.approval.place_of`, `engine.delegating`. Their refusal is the reason.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from domain.access import NotAMember, Platform, Rights, SuspendedTenant, standing
from domain.approval import APPROVAL, Approval, Decider, NotEligible, Outcome, Step, place_of, require_pending
from domain.approval.deciding import AlreadyDecided, Claimed
from domain.approval.events import asks_voters
from domain.approval.overriding import OVERRIDE, OVERRIDE_OWN
from domain.facts import PermissionDenied, Refusal, View
from domain.member import MEMBER
from domain.tenant import TENANT
from engine.context import Engine
from engine.delegating import DECIDE, NoDelegation, standing_in
from engine.executions import ExecutionIsPaused, read_live

Through: TypeAlias = Literal["user", "role", "anyone", "manager_of", "escalation", "ad_hoc"]


class Removed(PermissionDenied):
    """This user is no longer a member of the tenant."""

    code = "removed"


@dataclass(frozen=True)
class Way:
    """One outcome that somebody may choose. `through`: by what they, or who they stand in for, are asked for it."""

    step: int
    outcome: str
    through: Through
    role: str | None = None
    on_behalf_of: UUID | None = None
    passed_on_by: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What somebody may do about a request. `why_not`: where there is no way, the refusal that tells most."""

    user_id: UUID
    ways: tuple[Way, ...] = ()
    why_not: Refusal | None = None
    may_override: bool = False


def judge(view: View, engine: Engine, platform: Platform, request_id: UUID, user_id: UUID, givers: Iterable[UUID] = ()) -> Judged:
    """`givers`: for whom they may stand in; whether they do is asked here."""
    try:
        who = _standing(view, user_id, platform)
    except PermissionDenied as refusal:
        return Judged(user_id, why_not=refusal)
    return choices(view, engine, platform, request_id, who, givers)


def choices(view: View, engine: Engine, platform: Platform, request_id: UUID, who: Rights, givers: Iterable[UUID] = ()) -> Judged:
    """The same of a person with the rights with which they ask: those of a key may be less than theirs."""
    assert who.user_id is not None
    user_id, approval = who.user_id, view.read(APPROVAL, request_id)
    closed = closed_by(view, approval, platform)
    may_override = closed is None and overrides(view, approval, who)
    try:
        who.require(DECIDE)
    except PermissionDenied as refusal:
        return Judged(user_id, why_not=refusal, may_override=may_override)
    if closed is not None and not isinstance(closed, ExecutionIsPaused):
        return Judged(user_id, why_not=closed)
    refusals: list[Refusal] = []
    themselves = Decider(user_id, who.roles, behind=who.behind, acting=who.acting)
    ways = [*_ways(approval, themselves, refusals)]
    for giver in givers:
        try:
            instead = standing_in(view, engine, request_id, themselves, standing(view, giver, platform))
        except PermissionDenied as refusal:
            refusals.append(refusal)
        else:
            ways += _ways(approval, instead, refusals)
    if not ways:
        return Judged(user_id, why_not=most_telling(refusals), may_override=may_override)
    return Judged(user_id, why_not=closed) if closed is not None else Judged(user_id, tuple(ways), may_override=may_override)


def closed_by(view: View, approval: Approval, platform: Platform) -> Refusal | None:
    """What refuses it to everybody; None: it can be decided."""
    if not platform.read(TENANT, view.tenant_id).active:
        return SuspendedTenant()
    try:
        require_pending(approval)
    except Refusal as refusal:
        return refusal
    if approval.execution_id is not None and read_live(view, approval.execution_id).status == "paused":
        return ExecutionIsPaused()
    return None


def overrides(view: View, approval: Approval, who: Rights) -> bool:
    """Whether they may override a request that is pending."""
    return who.allows(OVERRIDE) and (who.user_id not in requesters_of(view, approval) or who.allows(OVERRIDE_OWN))


def requesters_of(view: View, approval: Approval) -> Collection[UUID]:
    """Who asked, and who did so on their behalf."""
    if approval.own is not None:
        return approval.own.requesters
    if approval.execution_id is None:
        return ()
    started = read_live(view, approval.execution_id).started
    assert started is not None
    return started.requesters


def _standing(view: View, user_id: UUID, platform: Platform) -> Rights:
    try:
        return standing(view, user_id, platform)
    except NotAMember:
        if view.read(MEMBER, user_id).term:
            raise Removed from None
        raise


def _ways(approval: Approval, decider: Decider, refusals: list[Refusal]) -> Iterator[Way]:
    for step in approval.open_steps:
        for outcome in step.outcomes:
            try:
                place = place_of(approval, decider, outcome.name, step=step.name or None)
            except Refusal as refusal:
                refusals.append(refusal)
                continue
            through = asked_through(step, outcome, decider.voter)
            yield Way(step.number, outcome.name, through, place.role, decider.on_behalf_of, decider.through)


def asked_through(step: Step, outcome: Outcome, one: UUID) -> Through:
    """By what somebody is asked who may choose an outcome."""
    if one in step.added:
        return "ad_hoc"
    if one in outcome.users:
        if one in (outcome.instead or ()):
            return "escalation"
        return "manager_of" if one in (outcome.managers or ()) else "user"
    if step.voters is not None and asks_voters(outcome, step.outcomes):
        return "role"
    return "role" if outcome.roles or outcome.users else "anyone"


def most_telling(refusals: list[Refusal]) -> Refusal:
    """That they have decided, or are kept from it by name, tells more than that they are not asked."""
    ranked = (AlreadyDecided, Claimed)
    told = [each for kind in ranked for each in refusals if isinstance(each, kind)]
    by_name = [each for each in refusals if each.code in ("excluded", "kept_apart")]
    asked = [each for each in refusals if not isinstance(each, NoDelegation)]
    return next(iter((*told, *by_name, *asked, *refusals)), NotEligible())
