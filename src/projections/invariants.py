"""What must hold of a ledger, event by event: told from the events alone, by code that shares nothing with deciders or folds.

Executions end once; people decide only what is open to them; names are held by who claimed them last; AI tasks
(`projections.ai_invariants`) are attempted once at a time.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from domain.approval import (
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalRevoked,
    ApprovalSentToRequester,
    ApprovalStepStarted,
    ApproverAdded,
    Outcome,
    Voter,
)
from domain.approval.events import TALK, asks_voters
from domain.delegation import DelegationEnded, DelegationGiven
from domain.envelope import RecordedEvent, Unread
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ActivationWaiting,
    ExecutionArchived,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
)
from domain.invitation import SCOPE as INVITED
from domain.invitation import InvitationAccepted, InvitationDeclined, InvitationMade, InvitationWithdrawn
from domain.job import JobCancelled, JobCompleted, JobEnqueued, JobFailed, JobRetried
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.role import RoleCreated, RoleDeleted
from domain.tenant import TenantCreated
from domain.trigger import TriggerChanged, TriggerCreated, TriggerRetired
from domain.user import UserRegistered
from domain.workflow import WorkflowDrafted
from projections.ai_invariants import AiInvariants
from projections.approval_link_invariants import ApprovalLinkInvariants
from projections.compensation_invariants import CompensationInvariants
from projections.ids import Ids
from projections.work_invariants import WorkInvariants

TERMINAL = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
MOST = 1000
Name = tuple[str, str]
"""A claim's scope and name."""


WHOLE = 0
"""Who overrides a request decides it in no step."""


@dataclass
class Asked:
    """What a step of a request offers, or a request without steps; where they are fixed, to whom; who was added, who decided."""

    outcomes: tuple[Outcome, ...]
    voters: frozenset[UUID] | None
    added: set[UUID] = field(default_factory=set)
    decided: set[UUID] = field(default_factory=set)
    by_decision: dict[UUID, frozenset[UUID]] = field(default_factory=dict)
    """Of those who decided, by which decision they did: together with whom they stood in for, or who acted in their name."""
    escalated: dict[str, set[str]] = field(default_factory=dict)
    """By outcome: keys of roles that may choose it since an escalation."""
    replaced: set[str] = field(default_factory=set)
    """Outcomes that are no longer for whom they were."""


@dataclass
class Invariants:
    """Sees a ledger's events in order, and keeps what it finds broken.

    Of a stream, a name or a person it keeps some ids, never what an event carries: what is open costs some hundred bytes.
    """

    skipped: frozenset[int] = frozenset()
    """Positions of events that are left out of the tables on purpose: that they cannot be read is no finding."""
    broken: list[str] = field(default_factory=list)
    """The first thousand findings; `more` were made."""
    more: int = 0
    claims: dict[Name, UUID] = field(default_factory=dict)
    """Who holds which name after the events seen so far."""
    _position: int = 0
    _versions: Ids = field(default_factory=Ids)
    _occurred: Ids = field(default_factory=Ids)
    """In microseconds."""
    _recorded: datetime | None = None
    _ended: Ids = field(default_factory=Ids)
    _archived: Ids = field(default_factory=Ids)
    _business_keys: dict[UUID, Name] = field(default_factory=dict)
    _subscriptions: dict[UUID, dict[UUID, Name]] = field(default_factory=dict)
    """By visit: the names of what it waits for."""
    _triggers: dict[UUID, tuple[str, Name | None]] = field(default_factory=dict)
    """By trigger that is live: its workflow's key, and the name that it holds, if it holds one."""
    _asked: dict[UUID, dict[int, Asked]] = field(default_factory=dict)
    """Of open requests: the steps that are or were asked."""
    _closed: Ids = field(default_factory=Ids)
    _plain: set[UUID] = field(default_factory=set)
    """Of open requests: those that do not ask in steps."""
    _recalled: set[UUID] = field(default_factory=set)
    """Those that are with whoever asked."""
    _submitted: dict[UUID, int] = field(default_factory=dict)
    """Of open requests that were resubmitted: the number of their version."""
    _delegations: dict[UUID, DelegationGiven] = field(default_factory=dict)
    """Those that have not ended."""
    _roles: dict[UUID, str] = field(default_factory=dict)
    _members: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    _suspended: set[UUID] = field(default_factory=set)
    _invited: dict[UUID, str] = field(default_factory=dict)
    ai: AiInvariants = field(default_factory=AiInvariants)
    _compensation: CompensationInvariants = field(default_factory=CompensationInvariants)
    _links: ApprovalLinkInvariants = field(default_factory=ApprovalLinkInvariants)
    work: WorkInvariants = field(default_factory=WorkInvariants)

    def see(self, record: RecordedEvent) -> None:
        self._see_order(record)
        held = self.work.queued.name_of(record.stream_id)
        self.work.see(record)
        if isinstance(record.event, Unread):
            if record.position not in self.skipped:
                self._say(record, f"cannot be read: {record.event.why}")
            return
        self._see_executions(record)
        self._see_access(record)
        self._see_approvals(record)
        self._see_triggers(record)
        self._see_jobs(record, held)
        for what in (*self.ai.see(record), *self._compensation.see(record), *self._links.see(record)):
            self._say(record, what)

    def _say(self, record: RecordedEvent, what: str) -> None:
        if len(self.broken) >= MOST:
            self.more += 1
            return
        self.broken.append(f"event {record.position} ({record.topic} of {record.stream_id}): {what}")

    def _see_order(self, record: RecordedEvent) -> None:
        if record.position != self._position + 1:
            self._say(record, f"follows position {self._position}")
        self._position = record.position
        known = self._versions.get(record.stream_id, 0)
        if record.version != known + 1:
            self._say(record, f"has version {record.version} after {known}")
        self._versions[record.stream_id] = record.version
        if self._recorded is not None and record.recorded_at < self._recorded:
            self._say(record, "was recorded before its predecessor")
        occurred = (record.occurred_at - EPOCH) // MICROSECOND
        if occurred < self._occurred.get(record.stream_id, occurred):
            self._say(record, "occurred before its predecessor")
        self._occurred[record.stream_id] = occurred
        self._recorded = record.recorded_at

    def _see_executions(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        if isinstance(event, ExecutionArchived):
            if stream not in self._ended or stream in self._archived:
                self._say(record, "archives an execution that is not over, or was archived before")
            self._archived[stream] = 1
        elif stream in self._ended:
            self._say(record, "came after the execution had ended")
        self._see_subscriptions(record)
        if isinstance(event, ExecutionStarted) and event.business_key is not None:
            name = (f"execution.business_key:{event.workflow_id}", event.business_key)
            self._claim(record, *name)
            self._business_keys[stream] = name
        elif isinstance(event, TERMINAL):
            self._ended[stream] = 1
            held = self._business_keys.pop(stream, None)
            if held is not None:
                self.claims.pop(held, None)

    def _see_subscriptions(self, record: RecordedEvent) -> None:
        """Who waits for events holds a name for each, the id of the wait, until the visit waits for it no longer."""
        event = record.event
        if isinstance(event, ActivationStarted | ActivationWaiting):
            held = self._subscriptions.setdefault(event.activation_id, {})
            for ended in event.ended if isinstance(event, ActivationWaiting) else ():
                self.claims.pop(held.pop(ended, ("", "")), None)
            for wait in event.waits if isinstance(event, ActivationStarted) else event.added:
                if wait.kind == "event":
                    held[wait.id] = (f"event.wait:{wait.about}", str(wait.id))
                    self._claim(record, *held[wait.id])
        elif isinstance(event, ActivationCompleted | ActivationFailed | ActivationCancelled):
            for name in self._subscriptions.pop(event.activation_id, {}).values():
                self.claims.pop(name, None)

    def _see_triggers(self, record: RecordedEvent) -> None:
        """A trigger that events start holds its id as a name, for their type; one that is a tool holds the tool's name."""
        event, stream = record.event, record.stream_id
        if not isinstance(event, TriggerCreated | TriggerChanged | TriggerRetired):
            return
        workflow_key, held = self._triggers.pop(stream, ("", None))
        if held is not None:
            self.claims.pop(held, None)
        if isinstance(event, TriggerRetired):
            return
        workflow_key = event.workflow_key if isinstance(event, TriggerCreated) else workflow_key
        name: Name | None = None
        if event.type == "event":
            name = (f"event.trigger:{event.config['event_type']}", str(stream))
        elif event.type == "mcp":
            name = ("mcp.tool", event.config.get("tool_name", workflow_key))
        self._triggers[stream] = (workflow_key, name)
        if name is not None:
            self._claim(record, *name)

    def _see_jobs(self, record: RecordedEvent, held: Name | None) -> None:
        """A job with a unique key holds it while it is pending. `held`: its name until now."""
        event = record.event
        if isinstance(event, JobEnqueued | JobRetried):
            name = self.work.queued.name_of(record.stream_id)
            if name is not None:
                self._claim(record, *name)
        elif isinstance(event, JobCompleted | JobFailed | JobCancelled) and held is not None:
            self.claims.pop(held, None)

    def _see_access(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        match event:
            case RoleCreated():
                self._roles[stream] = event.key
                self._claim(record, "role.key", event.key)
            case RoleDeleted():
                self._roles.pop(stream, None)
                self.claims.pop(("role.key", event.key), None)
            case MemberAdded() | MemberRolesChanged():
                self._members[event.user_id] = event.role_ids
            case MemberSuspended():
                self._suspended.add(event.user_id)
            case MemberReactivated():
                self._suspended.discard(event.user_id)
            case MemberRemoved():
                self._members.pop(event.user_id, None)
                self._suspended.discard(event.user_id)
            case DelegationGiven():
                self._delegations[event.delegation_id] = event
            case DelegationEnded():
                self._delegations.pop(event.delegation_id, None)
            case InvitationMade():
                self._claim(record, INVITED, event.email.lower())
                self._invited[stream] = event.email.lower()
            case InvitationAccepted() | InvitationDeclined() | InvitationWithdrawn():
                self.claims.pop((INVITED, self._invited.pop(stream)), None)
            case WorkflowDrafted():
                self._claim(record, "workflow.key", event.key)
            case TenantCreated():
                self._claim(record, "tenant.slug", event.slug)
            case UserRegistered():
                self._claim(record, "user.email", event.email.lower())
            case _:
                pass

    def _claim(self, record: RecordedEvent, scope: str, name: str) -> None:
        holder = self.claims.setdefault((scope, name), record.stream_id)
        if holder != record.stream_id:
            self._say(record, f"took the name {name} ({scope}), which {holder} holds")

    def _see_approvals(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        if stream in self._closed and not isinstance(event, TALK):
            self._say(record, "came after the request had closed")
        match event:
            case ApprovalRequested(steps=()):
                self._plain.add(stream)
                self._see_asked(stream, 1, event.outcomes, event.voters)
            case ApprovalStepStarted():
                self._see_asked(stream, event.step, event.outcomes, event.voters)
            case ApproverAdded():
                asked = self._asked[stream][event.step]
                asked.added.add(event.user_id)
            case ApprovalReassigned():
                asked = self._asked[stream][event.step]
                asked.added.add(event.to_user_id)
            case ApprovalEscalated() if event.outcomes:
                self._see_escalated(self._asked[stream][event.step], event)
            case ApprovalRevoked():
                asked = self._asked[stream][event.step]
                if event.user_id not in asked.decided:
                    self._say(record, "takes back what was not decided")
                asked.decided -= asked.by_decision.pop(event.decision_id, frozenset((event.user_id,)))
            case ApprovalReturned():
                for step in event.steps:
                    self._asked.get(stream, {}).pop(step, None)
            case ApprovalRecalled() | ApprovalSentToRequester():
                self._recalled.add(stream)
            case ApprovalResubmitted():
                self._see_version(record, event)
            case ApprovalDecided():
                if stream in self._recalled:
                    self._say(record, "was made while the request was with whoever asked")
                if event.request_version != self._submitted.get(stream, 1):
                    self._say(record, f"was made on version {event.request_version}, which is not asked")
                self._see_decision(record, event)
            case ApprovalOverridden():
                if self._roles_of(event.user_id) is None:
                    self._say(record, "was made by somebody who is not a member")
                self._asked.setdefault(stream, {}).setdefault(WHOLE, Asked((), None)).decided.add(event.user_id)
            case ApprovalResolved() | ApprovalCancelled() | ApprovalExpired():
                self._closed[stream] = 1
                self._plain.discard(stream)
                self._recalled.discard(stream)
                self._submitted.pop(stream, None)
                decided = {one for asked in self._asked.pop(stream, {}).values() for one in asked.decided}
                if isinstance(event, ApprovalResolved) and not decided.issuperset(event.decided_by):
                    self._say(record, "was resolved by somebody who had not decided")
            case _:
                pass

    def _see_version(self, record: RecordedEvent, event: ApprovalResubmitted) -> None:
        """Decisions in the steps that are asked again are asked for again."""
        stream = record.stream_id
        if stream not in self._recalled:
            self._say(record, "was resubmitted without having been recalled")
        self._recalled.discard(stream)
        self._submitted[stream] = event.number
        for step in event.steps:
            asked = self._asked.get(stream, {}).pop(step, None)
            if event.asked is not None:
                self._see_asked(stream, step, event.asked.outcomes, event.asked.voters)
            elif asked is not None and stream in self._plain:
                asked.decided.clear()
                asked.by_decision.clear()
                self._asked[stream][step] = asked

    def _see_asked(self, stream: UUID, step: int, outcomes: tuple[Outcome, ...], voters: tuple[Voter, ...] | None) -> None:
        fixed = None if voters is None else frozenset(voter.user_id for voter in voters)
        self._asked.setdefault(stream, {})[step] = Asked(outcomes, fixed)

    @staticmethod
    def _see_escalated(asked: Asked, event: ApprovalEscalated) -> None:
        if event.replace:
            asked.added.clear()
            asked.replaced.update(event.outcomes)
            asked.voters = None if asked.voters is None else frozenset(asked.decided)
            asked.escalated = {name: roles for name, roles in asked.escalated.items() if name not in event.outcomes}
        asked.added |= {*event.users, *(voter.user_id for voter in event.voters or ())}
        for name in event.outcomes:
            asked.escalated.setdefault(name, set()).update(event.roles)

    def _see_decision(self, record: RecordedEvent, event: ApprovalDecided) -> None:
        asked = self._asked.get(record.stream_id, {}).get(event.step)
        if asked is None:
            self._say(record, f"was made in the step {event.step}, which is not asked")
            return
        if not asked.decided.isdisjoint(event.people):
            self._say(record, "is the same person's second decision")
        asked.decided |= event.people
        asked.by_decision[event.decision_id] = event.people
        offered = next((outcome for outcome in asked.outcomes if outcome.name == event.outcome), None)
        roles = self._roles_of(event.user_id) and self._roles_of(event.voter)
        path = (event.voter, *(event.through or ()), event.user_id)
        if event.on_behalf_of is not None and not all(self._hands_on(record, *pair) for pair in pairwise(path)):
            self._say(record, "was made for somebody who had not delegated it")
        if offered is not None and offered.proof != event.proof:
            self._say(record, f"chose {event.outcome} with another proof than it asks for")
        if offered is None:
            self._say(record, f"chose {event.outcome}, which was not offered")
        elif roles is None:
            self._say(record, "was made by somebody who is not a member")
        elif not event.people.isdisjoint(offered.exclude):
            self._say(record, f"chose {event.outcome}, from which they are excluded")
        elif event.voter in asked.added or (asked.voters is None and event.role in asked.escalated.get(event.outcome, ())):
            pass
        elif event.outcome in asked.replaced and asked.voters is None:
            self._say(record, f"chose {event.outcome} after others were asked instead")
        elif asked.voters is not None and asks_voters(offered, asked.outcomes):
            if event.voter not in asked.voters:
                self._say(record, f"chose {event.outcome} without having been asked")
        elif not self._may_choose(offered, event, {self._roles[role] for role in roles if role in self._roles}):
            self._say(record, f"chose {event.outcome} without the right to")

    def _roles_of(self, user_id: UUID) -> tuple[UUID, ...] | None:
        """Of an active member."""
        return None if user_id in self._suspended else self._members.get(user_id)

    def _hands_on(self, record: RecordedEvent, giver: UUID, taker: UUID) -> bool:
        return any(
            one.to_user_id == taker
            and one.starts_at <= record.occurred_at
            and (one.ends_at is None or record.occurred_at < one.ends_at)
            for one in self._delegations.values()
            if one.from_user_id == giver
        )

    @staticmethod
    def _may_choose(outcome: Outcome, event: ApprovalDecided, roles: set[str]) -> bool:
        if event.role is not None and event.role not in roles:
            return False
        if not outcome.users and not outcome.roles:
            return True
        return event.voter in outcome.users or event.role in outcome.roles
