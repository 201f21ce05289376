"""A small company's ledgers, written straight into the database: what the projections' tests project."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid5

from psycopg import AsyncConnection

from domain.ai_model import AiModelRemoved, AiModelSet, ModelDefaults
from domain.ai_provider import AiLimits, AiPrice, AiProviderRemoved, AiProviderSet
from domain.ai_task import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Bounds,
    Configuration,
    PromptRef,
    Reservation,
    SensitivePart,
    ToolCall,
    Totals,
    Usage,
)
from domain.analyst import AnalystCreated, AnalystDropped, AnalystRotated
from domain.api_key import ApiKeyCreated, ApiKeyHandedOver, ApiKeyRevoked
from domain.approval import (
    ApprovalCancelled,
    ApprovalClaimed,
    ApprovalCommentDeleted,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReleased,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalRevoked,
    ApprovalSentToRequester,
    ApprovalStepCompleted,
    ApprovalStepSkipped,
    ApprovalStepStarted,
    ApprovalUnwatched,
    ApprovalWatched,
    ApproverAdded,
    Asked,
    Attachment,
    Change,
    Content,
    Outcome,
    StepPlan,
    Voter,
)
from domain.approval_link import ApprovalLinkMade, ApprovalLinkRevoked, ApprovalLinkUsed
from domain.budget import (
    BudgetExhausted,
    BudgetPeriodAdjusted,
    BudgetPeriodOpened,
    BudgetRemoved,
    BudgetReserved,
    BudgetSet,
    BudgetSettled,
    BudgetWarned,
    Limits,
    Use,
    budgets_id_of,
)
from domain.bulk_operation import (
    BulkChunkListed,
    BulkFailure,
    BulkOperationCancelled,
    BulkOperationCompleted,
    BulkOperationFailed,
    BulkOperationProgressed,
    BulkOperationRequested,
    Requester,
    chunk_id,
)
from domain.calendar import CalendarChanged, CalendarCreated
from domain.delegation import DelegationEnded, DelegationGiven, Ending, delegations_of
from domain.envelope import PLATFORM, Envelope
from domain.evaluation import (
    CheckTotals,
    EvaluationCancelled,
    EvaluationCompleted,
    EvaluationResultRecorded,
    EvaluationStarted,
    Spent,
    Threshold,
    VariantTotals,
    Verdict,
)
from domain.event import EventDelivered, EventReceived
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    CompensationFailure,
    CompensationResult,
    ExecutionArchived,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionHeld,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
    ItemHeld,
    ItemStarted,
    NodeError,
    Wait,
)
from domain.facts import Concurrency, Due, Event, Rate
from domain.foreach import (
    ChunkCancelled,
    ChunkEnd,
    ChunkMoved,
    ChunkStarted,
    ForeachCancelled,
    ForeachClosed,
    ForeachCompleted,
    ForeachFailed,
    ForeachMoved,
    ForeachResumed,
    ForeachStarted,
    ItemEnd,
    ItemError,
    Opened,
)
from domain.invitation import InvitationAccepted, InvitationDeclined, InvitationMade, InvitationWithdrawn
from domain.job import JobAttemptFailed, JobCancelled, JobCompleted, JobEnqueued, JobFailed, JobRetried
from domain.member import MemberAdded, MemberChanged, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.notification_delivery import (
    DeliveryAttemptFailed,
    DeliveryCancelled,
    DeliveryFailed,
    DeliveryRequested,
    DeliveryRetried,
    DeliverySucceeded,
    Exchange,
)
from domain.notification_endpoint import (
    NotificationEndpointChanged,
    NotificationEndpointCreated,
    NotificationEndpointDeleted,
    NotificationEndpointDisabled,
    NotificationEndpointEnabled,
    NotificationEndpointRewound,
    NotificationSecretRotated,
    Sender,
)
from domain.notification_preferences import Digest, DigestAskedFor, DigestFellDue, PreferencesChanged
from domain.permission import PERMISSIONS, PermissionRegistered, permission_id
from domain.projection_faults import (
    ProjectionEventSkipped,
    ProjectionEventUnskipped,
    ProjectionRetried,
    projection_faults_id_of,
)
from domain.prompt import (
    PromptArchived,
    PromptContent,
    PromptDrafted,
    PromptPublished,
    PromptRestored,
    PromptRolledBack,
    Variable,
)
from domain.refusal import CommandRefused
from domain.retention import RetentionRemoved, RetentionSet
from domain.retry import LEASE_LOST, Failure, RetryPolicy
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from domain.secret import SecretCreated, SecretDeleted, SecretRotated
from domain.tenant import TenantChanged, TenantCreated, TenantReactivated, TenantSuspended
from domain.totp import TotpConfirmed, TotpEnrolled, TotpRefused, TotpRemoved, TotpUsed, totp_of
from domain.trigger import (
    Clock,
    TriggerBackfilled,
    TriggerChanged,
    TriggerCreated,
    TriggerFired,
    TriggerFreed,
    TriggerPaused,
    TriggerResumed,
    TriggerRetired,
    TriggerScheduled,
    TriggerSecretRotated,
)
from domain.user import UserChanged, UserRegistered
from domain.workflow import WorkflowArchived, WorkflowDrafted, WorkflowPublished, WorkflowRestored
from store.codec import JSON, encode_envelope
from store.topics import topic_of

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STEP = timedelta(seconds=1.5)
SPACE = UUID("0192f0c1-0000-7000-8000-000000000000")


TAKE_NEW_FORMATS = "DELETE FROM projections.notification_endpoints WHERE format = 'events'"
"""Rows that releases before them have no place for: a rollback would be refused."""


def an_id(name: str) -> UUID:
    """The same id for the same name, in every test."""
    return uuid5(SPACE, name)


ACME, GLOBEX = an_id("acme"), an_id("globex")
ANN, BOB = an_id("ann"), an_id("bob")
APPROVER, CLERK = an_id("role approver"), an_id("role clerk")
TRAVEL = an_id("travel")

Step = tuple[UUID, Event]
"""An event and its stream."""

INSERT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES (%(tenant)s, (SELECT coalesce(max(position), 0) + 1 FROM ledger.events WHERE tenant_id = %(tenant)s), %(stream)s,
        (SELECT coalesce(max(version), 0) + 1 FROM ledger.events WHERE tenant_id = %(tenant)s AND stream_id = %(stream)s),
        %(topic)s, %(at)s, %(at)s, %(command)s, %(meta)s, %(data)s)
"""

BY_ANN = Envelope(
    "api_key", "key-1", ANN, correlation_id=an_id("correlation"), ip="192.0.2.7", user_agent="curl/8", request_id="request-1"
)


class Ledgers:
    """Writes events, one and a half seconds apart. The connection is a superuser's: others insert by append only."""

    def __init__(self, conn: AsyncConnection[Any], start: datetime = START) -> None:
        self.conn = conn
        self.now = start

    async def append(self, tenant_id: UUID, *steps: Step, envelope: Envelope = BY_ANN) -> None:
        async with self.conn.transaction(), self.conn.pipeline():
            for stream, event in steps:
                await self.append_raw(tenant_id, stream, topic_of(type(event)), JSON.encode(event), envelope)

    async def append_raw(self, tenant_id: UUID, stream: UUID, topic: str, data: bytes, envelope: Envelope = BY_ANN) -> None:
        self.now += STEP
        await self.conn.execute("SELECT ledger.open(%s)", [tenant_id])
        values = {
            "tenant": tenant_id,
            "stream": stream,
            "topic": topic,
            "at": self.now,
            "command": an_id(f"command at {self.now}"),
            "meta": encode_envelope(envelope),
            "data": data,
        }
        await self.conn.execute(INSERT, values)

    async def everything(self) -> None:
        """The platform, and two tenants with the same story: every kind of event there is."""
        await self.append(PLATFORM, *platform_story())
        await self.append(ACME, *tenant_story("acme"))
        await self.append(GLOBEX, *tenant_story("globex"))
        await self.append(ACME, *bulk("acme"))
        await self.append(GLOBEX, *bulk("globex"))


def platform_story() -> tuple[Step, ...]:
    def registered(key: str) -> Step:
        resource, action = key.split(":")
        return permission_id(key), PermissionRegistered(key, resource, action, PERMISSIONS[key])

    return (
        *(registered(key) for key in PERMISSIONS),
        (ANN, UserRegistered("ann@acme.example", "Ann", preferences={"theme": "dark"})),
        (BOB, UserRegistered("Bob@acme.example", "Bob")),
        (BOB, UserChanged({"display_name": "Bobby", "is_active": True})),
        (ACME, TenantCreated("acme", "Acme", {"limits": {"executions": 100}})),
        (GLOBEX, TenantCreated("globex", "Globex", {})),
        (ACME, TenantChanged({"name": "Acme & Co", "subscription_tier": "gold"})),
        (ACME, TenantSuspended("unpaid")),
        (ACME, TenantReactivated("paid")),
        (an_id("a refusal"), CommandRefused("tenant.create", "slug_taken", "The slug is taken.", "tenant", None, "/slug")),
        (an_id("platform key"), ApiKeyCreated("operator", "00" * 32, (), all_permissions=True, by_platform=True)),
    )


DEFINITION = {"key": "travel", "name": "Travel", "input_schema": {"type": "object"}, "nodes": [], "edges": []}


def tenant_story(name: str) -> tuple[Step, ...]:
    """Access, a workflow, and executions that end in every way."""
    key, service = an_id(f"{name} key"), an_id(f"{name} service")
    return (
        (APPROVER, RoleCreated("approver", "Approver", ("approvals:read", "approvals:decide"))),
        (CLERK, RoleCreated("clerk", "Clerk", ("executions:start",), "Starts things", is_system=True)),
        (an_id("role temporary"), RoleCreated("temporary", "Temporary", ("audit:read",))),
        (APPROVER, RoleChanged("Approvers", ("approvals:decide", "executions:read"), "They approve")),
        (ANN, MemberAdded(ANN, (APPROVER,), 1)),
        (BOB, MemberAdded(BOB, (CLERK, an_id("role temporary")), 1, ANN)),
        (BOB, MemberRemoved(BOB, "left")),
        (BOB, MemberAdded(BOB, (CLERK, an_id("role temporary")), 1, ANN)),
        (ANN, MemberRolesChanged(ANN, (APPROVER, CLERK))),
        (an_id("role temporary"), RoleDeleted("temporary")),
        (key, ApiKeyCreated("laptop", "ab" * 32, ("executions:start",), False, False, ANN, START + timedelta(days=30), term=1)),
        (key, ApiKeyRevoked(False, "lost")),
        (TRAVEL, WorkflowDrafted("travel", "Travel", {"key": "travel", "name": "Travel"}, "Trips", ANN)),
        (TRAVEL, WorkflowPublished(1, DEFINITION, "first", ANN)),
        (TRAVEL, WorkflowDrafted("travel", "Travelling", {**DEFINITION, "name": "Travelling"}, "Trips", ANN)),
        (TRAVEL, WorkflowPublished(2, {**DEFINITION, "name": "Travelling"}, None, ANN)),
        (an_id("old"), WorkflowDrafted("old", "Old", {"key": "old", "name": "Old"})),
        (an_id("old"), WorkflowArchived("unused")),
        *approved(f"{name} 1"),
        *failed(f"{name} 2"),
        *cancelled(f"{name} 3"),
        *still_open(f"{name} 4"),
        *classified(f"{name} 5"),
        *given_up(f"{name} 6"),
        *abandoned(f"{name} 7"),
        *expired(f"{name} 8"),
        *by_several(f"{name} several"),
        *in_steps(f"{name} steps"),
        *each(f"{name} items"),
        (
            an_id(f"{name} refusal"),
            CommandRefused("approval.decide", "permission_denied", "No.", "approval", str(an_id(f"{name} 4 request"))),
        ),
        (service, ApiKeyCreated("importer", "cd" * 32, ("executions:start",), False, False, owner_id=ANN, term=1, made_by=key)),
        (service, ApiKeyHandedOver(BOB, 2)),
        (an_id(f"{name} acting"), ApiKeyCreated("for Bob", "ef" * 32, (), False, False, ANN, on_behalf_of=BOB, on_behalf_term=2)),
        *invited(name),
        (BOB, MemberSuspended(BOB, "on leave")),
        (BOB, MemberReactivated(BOB, "back")),
        (service, ApiKeyRevoked(True)),
        (an_id("regained"), WorkflowDrafted("regained", "Regained", {"key": "regained", "name": "Regained"})),
        (an_id("regained"), WorkflowArchived("too soon")),
        (an_id("regained"), WorkflowRestored("needed")),
        (an_id(f"{name} event"), EventReceived("shop", "1", "paid", {"order": "A"}, "A", START, an_id(f"{name} 1"))),
        (an_id(f"{name} event"), EventDelivered(2, 1)),
        *triggered(name),
        *kept(name),
        *undone(f"{name} 20", "failed"),
        *undone(f"{name} 21", "cancelled"),
        (BOB, MemberChanged(BOB, ANN, {"cost_centre": "4711"})),
        *notified(name),
        *queued(name),
        *delegated(name),
        (an_id(f"{name} calendar"), CalendarCreated("no", "Norway", "UTC", HOURS)),
        (an_id(f"{name} calendar"), CalendarChanged("Norway", "Europe/Oslo", HOURS, ("2026-05-17",))),
        *prompted(name),
        *by_itself(f"{name} own"),
        *with_tools(f"{name} agent"),
        *resubmitted(f"{name} again"),
        *linked(name),
        *proving(name),
        *overridden(f"{name} overridden"),
        (an_id(f"{name} agent budget"), asked_by(an_id(f"{name} agent waits"))),
        *budgeted(name),
        *of_models(name),
        *analysts(name),
        *evaluated(name),
        (an_id(f"{name} feed"), NotificationEndpointCreated("https://feed.example/", ("*",), "f-1", format="events")),
        (an_id(f"{name} feed"), NotificationEndpointRewound(3, "It lost what it had.")),
        *looked_after(name),
    )


def looked_after(name: str) -> tuple[Step, ...]:
    """What an operator did about events that could not be applied: tried again, left out, and taken in after all; and a gap."""
    faults = projection_faults_id_of(ACME if name == "acme" else GLOBEX)
    return (
        (faults, ProjectionRetried(1, "Unappliable: no such row", "role.created.v1")),
        (faults, ProjectionEventSkipped(1, 1, "a bug of ours", "Unappliable: no such row", "role.created.v1")),
        (faults, ProjectionRetried(2, "Missing: there is no event 2, and there are later ones")),
        (faults, ProjectionEventSkipped(2, 4, "deleted by hand", "Missing: there is no event 2, and there are later ones")),
        (faults, ProjectionEventUnskipped(1, "the bug is mended", "role.created.v1")),
    )


def evaluated(name: str) -> tuple[Step, ...]:
    """One that a judge was asked of, and one that was cancelled before it had begun."""
    id, other = an_id(f"{name} evaluation"), an_id(f"{name} other evaluation")
    suite = {"cases": [{"name": "taxi"}], "variants": [{"name": "now"}], "checks": [], "repeat": 2, "concurrency": 4}
    spent, judging = Spent(Decimal("0.10"), "EUR", 0, 20, 7, 450), Spent(Decimal("0.03"), "EUR", 0, 90, 9, 800)
    fits = Verdict("shape", "schema", "fail", "It does not.")
    kind = Verdict("kind", "judge", "pass", "So kind.", 0.5, an_id(f"{name} judge"))
    unsure = Verdict("kind", "judge", "unjudged", "The judge is failed.", task_id=an_id(f"{name} other judge"))
    of_run, of_other = ("now", "taxi", 1, an_id(f"{name} run")), ("now", "taxi", 2, an_id(f"{name} other run"))
    checks = (CheckTotals("shape", 1, 0), CheckTotals("kind", 0, 1))
    rate = Threshold("pass_rate", "1", "0.5000", False)
    totals = VariantTotals("now", 2, 1, 1, spent, judging, 450, 450, checks, (rate,), False)
    failure = Failure("overloaded", "Too busy.")
    return (
        (id, EvaluationStarted("sorting", suite, 2, "Which is best", ANN)),
        (id, EvaluationResultRecorded(*of_run, "completed", False, (fits, kind), spent, judging)),
        (id, EvaluationResultRecorded(*of_other, "failed", False, (unsure,), Spent(unpriced=1), Spent(), failure)),
        (id, EvaluationCompleted(False, (totals,))),
        (other, EvaluationStarted("sorting", suite, 2)),
        (other, EvaluationCancelled((replace(totals, runs=0, median_latency_ms=None, p95_latency_ms=None),), "Not needed.")),
        *archived(name),
    )


def budgeted(name: str) -> tuple[Step, ...]:
    """A budget of a workflow, which is used up by two tasks; and one of the tenant that was removed."""
    budgets = budgets_id_of(an_id(name))
    period, again = (an_id(f"{name} {which}") for which in ("budget's period", "budget's total"))
    monthly, old = an_id(f"{name} monthly"), an_id(f"{name} old budget")
    less, more = Limits(Decimal("2.50"), 1000, 3), Limits(Decimal(5), 2000, 3, 9)
    may, june = datetime(2026, 4, 30, 22, tzinfo=UTC), datetime(2026, 5, 31, 22, tzinfo=UTC)
    one, other = an_id(f"{name} budgeted task"), an_id(f"{name} other budgeted task")
    calls = [an_id(f"{name} budgeted call {number}") for number in range(5)]
    aside, used, last = Use(300, Decimal("1.25"), 1), Use(280, Decimal("1.05"), 1), Use(100, Decimal("2.3"), 1)
    of: tuple[UUID, str, Literal["workflow"], str] = (monthly, "monthly", "workflow", "travel")
    lasting: tuple[UUID, str, Literal["workflow"], str, Literal["month"], str] = (
        *(monthly, "monthly", "workflow", "travel"),
        *("month", "Europe/Berlin"),
    )
    total: tuple[UUID, str, Literal["tenant"], None, Literal["total"], str] = (old, "old", "tenant", None, "total", "UTC")
    wanted = AiTaskRequested(
        *(None, None, None, "Sort letters", "careful", "Sort.", Configuration(), RetryPolicy()),
        workflow_key="travel",
        external=True,
    )
    taken = tuple(Reservation(monthly, period, each.tokens, each.cost, each.calls) for each in (aside, last))
    tool = ToolCall(calls[4], "lookup", {}, "c0")
    faulty, at_once = Failure("invalid_output", "It is no JSON."), Due(after=timedelta(0))
    return (
        (budgets, BudgetSet(*lasting, less, "EUR", Decimal("0.8"), True, "refuse")),
        (budgets, BudgetSet(*total, Limits(tool_calls=5), None, None, False, "allow")),
        (one, wanted),
        (other, wanted),
        (period, BudgetPeriodOpened(*of, "month", "Europe/Berlin", may, june, less, "EUR")),
        (period, BudgetReserved(one, calls[0], aside)),
        (one, AiTaskAttemptStarted(calls[0], 1, "anthropic", "claude", "worker-1", 1, reserved=taken[:1])),
        (other, AiTaskAttemptStarted(calls[1], 1, "anthropic", "claude", "worker-1", 1, reserved=taken[:1])),
        (period, BudgetReserved(other, calls[1], aside)),
        (period, BudgetWarned(*of, "cost", Decimal("0.8"), Use(), aside + aside, less, "EUR", june)),
        (period, BudgetSettled(one, calls[0], aside, used)),
        (one, AiTaskAttemptFailed(calls[0], 1, faulty, 10, Usage(200, 80), Decimal("1.05"), "EUR", retry=at_once)),
        (period, BudgetExhausted(*of, "cost", "limit", True, used, aside, less, "EUR", june)),
        (budgets, BudgetSet(*lasting, more, "EUR", Decimal("0.8"), True, "refuse")),
        (period, BudgetPeriodAdjusted(more, "EUR")),
        (other, AiTaskAttemptFailed(calls[1], 1, LEASE_LOST, retry=at_once)),
        (period, BudgetSettled(other, calls[1], aside, aside, ("cost", "tokens"))),
        (period, BudgetReserved(one, calls[2], last)),
        (one, AiTaskAttemptStarted(calls[2], 2, "anthropic", "claude", "worker-1", 1, reserved=taken[1:])),
        (period, BudgetWarned(*of, "cost", Decimal("0.8"), used + aside, last, more, "EUR", june)),
        (period, BudgetExhausted(*of, "tool_calls", "limit", True, used + aside, last, more, "EUR", june)),
        (other, AiTaskAttemptStarted(calls[3], 2, "anthropic", "claude", "worker-1", 1)),
        (other, AiTaskAttemptSucceeded(calls[3], 2, None, 9, "anthropic", "claude", turn=1, calls=(tool,))),
        (again, BudgetPeriodOpened(old, "old", "tenant", "", "total", "UTC", None, None, Limits(tool_calls=5), None)),
        (again, BudgetReserved(other, tool.id, Use(tool_calls=1))),
        (other, AiTaskToolCallStarted(tool.id, "lookup", 1, {}, "k", reserved=(Reservation(old, again, tool_calls=1),))),
        (budgets, BudgetRemoved(old, "old", "not needed")),
    )


def linked(name: str) -> tuple[Step, ...]:
    """Links to decide by: one was used, one revoked, one is open. What was decided by the first was signed."""
    request, until, decision = an_id(f"{name} linked request"), START + timedelta(days=7), an_id(f"{name} decision by a link")
    used, revoked, left = (an_id(f"{name} link {which}") for which in ("used", "revoked", "left"))
    released = Outcome("release", "approve", (), ("approver",), proof="totp", means="I have checked this batch.")
    asks = ApprovalRequested(None, None, None, "Release?", {"type": "single"}, (released, OUTCOMES[1]))
    made = ApprovalLinkMade(request, ANN, 1, "release", "ab" * 32, until, 1, 0, BOB, (BOB,))
    decided = ApprovalDecided(decision, ANN, "release", "approve", role="approver", via="link", link_id=used)
    return (
        (request, asks),
        (used, made),
        (revoked, replace(made, user_id=BOB, outcome="reject", made_by=None, behind=())),
        (left, replace(made, outcome="reject")),
        (revoked, ApprovalLinkRevoked("sent to the wrong address")),
        (request, replace(decided, proof="totp", proof_id=an_id(f"{name} a secret"), means=released.means)),
        (used, ApprovalLinkUsed(request, decision)),
        (request, ApprovalResolved("release", "approve", (ANN,))),
    )


def proving(name: str) -> tuple[Step, ...]:
    """One-time passwords: Ann has some and has used them, Bob's were reset."""
    anns, bobs, until = totp_of(an_id(name), ANN), totp_of(an_id(name), BOB), START + timedelta(minutes=15)
    return (
        (anns, TotpEnrolled(ANN, 1, an_id("value 5"))),
        (anns, TotpConfirmed(ANN, 59_000_000)),
        (anns, TotpRefused(ANN, 5, until)),
        (anns, TotpUsed(ANN, 59_000_001, an_id(f"{name} linked request"))),
        (bobs, TotpEnrolled(BOB, 1, an_id("value 6"))),
        (bobs, TotpConfirmed(BOB, 59_000_000)),
        (bobs, TotpRemoved(BOB, False, "lost")),
    )


def notified(name: str) -> tuple[Step, ...]:
    """Endpoints in every state, a delivery with each end, one that waits, and one to an address that a start named."""
    live, gone, old = (an_id(f"{name} endpoint {which}") for which in ("live", "gone", "old"))
    done, late, lost, dropped, called = (an_id(f"{name} delivery {which}") for which in range(5))
    until, resource = START + timedelta(days=1), an_id(f"{name} 1")
    refused = Exchange(31, 503, "status", "The receiver answered 503.", "Later, please.")
    silent = Exchange(15_000, type="timeout", message="The host did not answer in time.")

    def to(endpoint: UUID) -> DeliveryRequested:
        return DeliveryRequested("execution.completed", "event", endpoint, 7, resource)

    return (
        (live, NotificationEndpointCreated("https://a.example/", ("execution.*",), "endpoint-a-1")),
        (live, NotificationEndpointChanged("https://a.example/in", ("execution.*", "approval.*"), "travel", "For the CRM")),
        (live, NotificationSecretRotated("endpoint-a-2", 2, "endpoint-a-1", until)),
        (live, NotificationEndpointDisabled("by_hand", "maintenance")),
        (live, NotificationEndpointEnabled("back")),
        (gone, NotificationEndpointCreated("https://b.example/", ("*",), "endpoint-b-1")),
        (old, NotificationEndpointCreated("https://c.example/", ("*",), "endpoint-c-1")),
        (done, to(live)),
        (done, DeliveryAttemptFailed(1, refused, 5_400)),
        (done, DeliverySucceeded(2, Exchange(12, 204))),
        (late, to(live)),
        (late, DeliveryAttemptFailed(1, silent, 4_700)),
        (lost, to(gone)),
        (lost, DeliveryFailed(1, Exchange(9, 410, "status", "The receiver answered 410."))),
        (gone, NotificationEndpointDisabled("gone")),
        (old, NotificationEndpointDeleted("https://c.example/")),
        (dropped, to(old)),
        (dropped, DeliveryCancelled("endpoint_deleted")),
        (called, DeliveryRequested("execution.failed", "callback", None, 8, resource, "https://d.example/", "callbacks")),
        (called, DeliverySucceeded(1, Exchange(20, 200, response="Thank you."))),
        (called, DeliveryRetried(1)),
        *_to_people(name),
    )


def _to_people(name: str) -> tuple[Step, ...]:
    """By mail, of which one is of no use any more; to a chat; and a digest for which there was somebody."""
    mail, chat, wishes = (an_id(f"{name} {which}") for which in ("mail", "chat", "preferences"))
    sent, over, digest = (an_id(f"{name} delivery {which}") for which in ("mailed", "over", "digest"))
    resource, due = an_id(f"{name} notified of"), START + timedelta(days=1)
    server = Sender("approvals@acme.example", "acme", "smtp")
    to = DeliveryRequested("approval.requested", "mail", mail, 9, resource, user_id=ANN)
    return (
        (mail, NotificationEndpointCreated("smtps://mail.example:465", ("approval.*",), "m-1", None, None, "mail", server)),
        (mail, NotificationEndpointChanged("smtps://mail.example:465", ("approval.*",), sender=replace(server, username="a"))),
        (chat, NotificationEndpointCreated("https://hooks.slack.example/…", ("*",), "c-1", format="slack")),
        (chat, NotificationSecretRotated("c-2", 2, url="https://hooks.other.example/…")),
        (sent, to),
        (sent, DeliverySucceeded(1, Exchange(40, 250, response="2.0.0 Ok"))),
        (over, replace(to, user_id=BOB)),
        (over, DeliveryCancelled("over")),
        (wishes, PreferencesChanged(ANN, ("requested",), Digest("day", "08:00", "Europe/Berlin"), due, 1)),
        (wishes, DigestFellDue(ANN, "2026-03-03", due + timedelta(days=1), 2)),
        (wishes, DigestAskedFor(ANN, "2026-03-03", 1, 1)),
        (digest, DeliveryRequested("inbox.digest", "digest", mail, user_id=ANN, period="2026-03-03")),
    )


def queued(name: str) -> tuple[Step, ...]:
    """Jobs of their own: done at the second attempt, retried by hand, cancelled, out of time, and one that is to come."""
    mail, call, old, slow, later = (an_id(f"{name} job {which}") for which in ("mail", "call", "old", "slow", "later"))
    broken, tried = Failure("broken", "It broke."), RetryPolicy(2, timedelta(seconds=10))
    moment = START + timedelta(days=9)
    return (
        (mail, JobEnqueued("mail", {"to": "ann"}, tried, 3, None, None, "welcome", Concurrency(2, "smtp"), None, ANN)),
        (mail, JobAttemptFailed(1, broken, Due(after=timedelta(seconds=10)))),
        (mail, JobCompleted({"sent": True}, 2)),
        (call, JobEnqueued("call", None, RetryPolicy(), timeout=timedelta(hours=1), correlation_id=an_id("correlation"))),
        (call, JobAttemptFailed(1, LEASE_LOST)),
        (call, JobFailed(LEASE_LOST, 1)),
        (call, JobRetried(1, "mended")),
        (old, JobEnqueued("mail", 7, RetryPolicy(), run_at=Due(after=timedelta(hours=1)), unique_key="old")),
        (old, JobCancelled("not needed", ANN)),
        (slow, JobEnqueued("mail", 8, RetryPolicy(), timeout=timedelta(seconds=1.5))),
        (slow, JobFailed(Failure("timeout", "The job did not end in its time.", retryable=False), 0)),
        (later, JobEnqueued("mail", 9, RetryPolicy(), 0, Due(at=moment), timedelta(hours=1), "later", None, RATE, ANN)),
    )


RATE = Rate(3, timedelta(minutes=1), "smtp")


def delegated(name: str) -> tuple[Step, ...]:
    """One that stands, one that was given back, one that was taken back, one that is over."""
    ids = [an_id(f"{name} delegation {number}") for number in range(4)]
    day = timedelta(days=1)
    stream = delegations_of(an_id(name), ANN)
    stands = DelegationGiven(
        ids[0], ANN, BOB, "absence", START, START + 14 * day, ("travel",), "request.priority < 5", "on leave"
    )
    others = [DelegationGiven(id, ANN, BOB, "delegation", START) for id in ids[1:]]
    hows: tuple[Ending, ...] = ("returned", "withdrawn", "expired")
    ends = [DelegationEnded(id, ANN, BOB, how) for id, how in zip(ids[1:], hows, strict=True)]
    return ((stream, stands), *((stream, event) for event in (*others, *ends)))


def kept(name: str) -> tuple[Step, ...]:
    """A secret that was rotated, one that was not, and one that was deleted."""
    crm, signing, old = (an_id(f"{name} secret {which}") for which in ("crm", "signing", "old"))
    return (
        (crm, SecretCreated("crm_token", an_id("value 1"), ("api.crm.example",), "For the CRM")),
        (signing, SecretCreated("signing", an_id("value 2"))),
        (old, SecretCreated("old", an_id("value 3"))),
        (crm, SecretRotated("crm_token", an_id("value 4"), 2, ("api.crm.example", "*.crm.example"))),
        (old, SecretDeleted("old")),
    )


def analysts(name: str) -> tuple[Step, ...]:
    """One analyst who was given another password, and one who has no login any more, and then has."""
    reporting, ann = (an_id(f"{name} analyst {which}") for which in ("reporting", "ann"))
    logins = [f"gesta_analyst_{an_id(f'{name} login {number}').hex[:16]}" for number in (1, 2, 3)]
    until = START + timedelta(days=90)
    return (
        (reporting, AnalystCreated("reporting", logins[0], 3, 60, 30, 300, until)),
        (ann, AnalystCreated("ann", logins[1], 1, 600, 60, 900)),
        (reporting, AnalystRotated("reporting", logins[0], 2, until)),
        (ann, AnalystDropped("ann", logins[1])),
        (ann, AnalystCreated("ann", logins[2], 2, 60, 30, 300)),
        (an_id(f"{name} analyst eve"), AnalystCreated("eve", logins[1][:-1] + "0", 1, 60, 30, 300)),
        (an_id(f"{name} analyst eve"), AnalystDropped("eve", logins[1][:-1] + "0")),
    )


def bulk(name: str) -> tuple[Step, ...]:
    """Bulk operations: one is completed, one cancelled with a step under way, one stopped, and one is under way."""
    forks, ends, stopped, starts = (an_id(f"{name} bulk {which}") for which in ("fork", "cancel", "pause", "start"))
    first, second = an_id(f"{name} 2"), an_id(f"{name} 6")
    ann = Requester("user", an_id("a key"), user_id=ANN, on_behalf_of=BOB)
    service = Requester("api_key", an_id("a service"))
    found = {"status": "failed", "workflow_key": "travel"}
    failures = (BulkFailure(1, "never_visited", "It has never come to a node pay.", second),)
    asked = BulkOperationRequested("fork", 2, (2,), ann, found, {"node_id": "pay"}, "the bank is back", 17, forks)
    return (
        (forks, asked),
        (chunk_id(forks, 0), BulkChunkListed(forks, 0, [str(first), str(second)])),
        (forks, BulkOperationProgressed(1, 1, 1, 0, failures)),
        (forks, BulkOperationCompleted()),
        (ends, BulkOperationRequested("cancel", 150, (150,), service)),
        (ends, BulkOperationProgressed(1, 90, 0, 10)),
        (ends, BulkOperationCancelled("enough")),
        (ends, BulkOperationProgressed(2, 4, 0, 0)),
        (stopped, BulkOperationRequested("pause", 1, (1,), ann)),
        (stopped, BulkOperationProgressed(1, 0, 0, 0)),
        (stopped, BulkOperationFailed("permission_denied", "This needs the permission executions:control.")),
        (starts, BulkOperationRequested("start", 1, (1,), ann, options={"workflow_key": "travel"})),
        (chunk_id(starts, 0), BulkChunkListed(starts, 0, [{"business_key": "T-1", "input": {}}])),
    )


def prompted(name: str) -> tuple[Step, ...]:
    """A prompt of two versions, which is rolled back, drafted again, archived and restored."""
    prompt = an_id(f"{name} prompt")
    name_, account = Variable("name", "Whom.", {"type": "string"}, default="Ada"), Variable("account", sensitive=True)
    first = PromptContent("Greet {{ name }}.", None, (name_,), "fast")
    settings, output = Configuration(100, 0.5, 0.9, 7), {"type": "string"}
    second = PromptContent("Greet {{ name }} of {{ account }}.", "Kindly.", (name_, account), "careful", settings, output)
    return (
        (prompt, PromptDrafted("greet", first, "Says hello.", "The first try.", ANN)),
        (prompt, PromptPublished(1, first, "The first try.", None, ANN)),
        (prompt, PromptDrafted("greet", second)),
        (prompt, PromptPublished(2, second, None, 1, BOB)),
        (prompt, PromptRolledBack(1, 2, "Too kind.", ANN)),
        (prompt, PromptDrafted("greet", second, "Says hello.", "Once more.", BOB)),
        (prompt, PromptArchived("Not now.")),
        (prompt, PromptRestored("Now.")),
    )


def triggered(name: str) -> tuple[Step, ...]:
    """A schedule that starts, waits, misses and fails; a webhook that is retired; an event's that does nothing yet."""
    nightly, hook, paid = (an_id(f"{name} trigger {key}") for key in ("nightly", "hook", "paid"))
    schedule = {"type": "schedule", "id": "nightly", "name": "Every night", "cron": "0 1 * * *"}
    one, two, three, four = (datetime(2026, 3, day, 1, tzinfo=UTC) for day in (2, 3, 4, 5))
    run, begun = started(f"{name} nightly")
    assert isinstance(begun, ExecutionStarted)
    later = {number: an_id(f"{name} run {number}") for number in (2, 3, 4)}
    return (
        (nightly, TriggerCreated(TRAVEL, "travel", 1, "nightly", "schedule", {**schedule, "cron": "0 2 * * *"})),
        (nightly, TriggerScheduled(Clock(one, one))),
        (nightly, TriggerChanged(2, "schedule", schedule)),
        (nightly, TriggerScheduled(Clock(one, one))),
        (run, replace(begun, trigger_type="scheduled", trigger_id=nightly, scheduled_at=one)),
        (nightly, TriggerFired(run, "started", one, live=True, clock=Clock(two, two))),
        (nightly, TriggerFired(later[2], "buffered", two, clock=Clock(three, three))),
        (run, ExecutionCancelled("too slow", ANN)),
        (nightly, TriggerFreed(run)),
        (nightly, TriggerFired(later[2], "failed", two, code="invalid_input", message="The input does not fit.")),
        (nightly, TriggerFired(later[3], "skipped", three, code="missed", message="Missed.", clock=Clock(four, four), count=3)),
        (nightly, TriggerPaused("holidays")),
        (nightly, TriggerResumed("back")),
        (nightly, TriggerScheduled(Clock(four, four + timedelta(minutes=3)))),
        (nightly, TriggerBackfilled(one, three, (two, three))),
        (hook, TriggerCreated(TRAVEL, "travel", 2, "hook", "webhook", {"type": "webhook", "id": "hook"})),
        (hook, TriggerSecretRotated("ab" * 32)),
        *_hooked(name, hook),
        (hook, TriggerRetired("archived")),
        (paid, TriggerCreated(TRAVEL, "travel", 2, "paid", "event", {"type": "event", "event_type": "paid"})),
        (paid, TriggerPaused()),
    )


def _hooked(name: str, hook: UUID) -> tuple[Step, ...]:
    run, begun = started(f"{name} hooked")
    assert isinstance(begun, ExecutionStarted)
    return ((run, replace(begun, trigger_type="webhook", trigger_id=hook)), (run, ExecutionCancelled()))


def invited(name: str) -> tuple[Step, ...]:
    """Bob, who had left; one who will not come, one who is not wanted after all, and one who is yet to answer."""

    def made(email: str) -> Step:
        roles = (CLERK, APPROVER)
        return an_id(f"{name} invites {email}"), InvitationMade(email, roles, START + timedelta(days=14), ANN)

    bob, eve, joe, sue = (made(f"{who}@{name}.example") for who in ("Bob", "eve", "joe", "sue"))
    return (
        *(bob, eve, joe, sue),
        (BOB, MemberRemoved(BOB)),
        (bob[0], InvitationAccepted(BOB, False)),
        (BOB, MemberAdded(BOB, (CLERK,), 1, ANN, False, bob[0])),
        (eve[0], InvitationDeclined(True)),
        (joe[0], InvitationWithdrawn("a mistake")),
    )


def started(execution: str, business_key: str | None = None) -> Step:
    event = ExecutionStarted(
        TRAVEL,
        "travel",
        2,
        "start",
        {"amount": 100.5, "whole": 100, "nothing": None, "text": "å☃ \\ \"'"},
        business_key=business_key,
        priority=3,
        created_by=ANN,
        attributes={"amount": 100.5, "country": "NO", "urgent": True, "parts": [1, {"a": None}], "none": None},
        labels={"team": "north"},
    )
    return an_id(execution), event


def visit(execution: str, node: str, node_type: str, handle: str = "success", output: Any = None) -> tuple[Step, ...]:
    activation = an_id(f"{execution} {node}")
    return (
        (an_id(execution), ActivationStarted(activation, node, node_type, 1, (1,), {"node": node})),
        (an_id(execution), ActivationCompleted(activation, node, handle, output)),
    )


PRICE = AiPrice("claude-sonnet-4-6", Decimal(3), Decimal(15), "USD", Decimal("0.3"))
HOURS = {"mon": [{"from": "09:00", "to": "17:00"}]}
OUTCOMES = (Outcome("approve", "approve", (), ("approver",)), Outcome("reject", "reject", (BOB,), ("approver", "clerk")))


def asked(execution: str, node: str = "review", outcomes: Sequence[Outcome] = OUTCOMES) -> tuple[Step, ...]:
    activation = an_id(f"{execution} {node}")
    request = ApprovalRequested(
        an_id(execution),
        activation,
        node,
        "May Ann travel?",
        {"type": "single"},
        tuple(outcomes),
        context={"amount": 100.5},
        requested_by=ANN,
        due=Due(at=START + timedelta(days=1)),
    )
    return (
        (
            an_id(execution),
            ActivationStarted(activation, node, "approval", 1, (1,), waits=(Wait("approval", an_id(f"{execution} request")),)),
        ),
        (an_id(f"{execution} request"), request),
    )


def approved(execution: str) -> tuple[Step, ...]:
    request, activation = an_id(f"{execution} request"), an_id(f"{execution} review")
    decision = ApprovalDecided(
        an_id(f"{execution} decision"), ANN, "approve", "approve", role="approver", comment="Bon voyage", form={"sum": 1.0}
    )
    return (
        started(execution, "trip-1"),
        *visit(execution, "start", "start"),
        *visit(execution, "prepare", "set", output={"total": 1e21, "rate": 1e-7}),
        *visit(execution, "again", "set", output={"rate": 0.25, "big": 2**80}),
        *asked(execution),
        (request, decision),
        (request, ApprovalResolved("approve", "approve", (ANN,), {"sum": 1.0})),
        (an_id(execution), ActivationCompleted(activation, "review", "approve", {"outcome": "approve"})),
        *visit(execution, "end", "end"),
        (an_id(execution), ExecutionCompleted({"done": True})),
    )


def archived(name: str) -> tuple[Step, ...]:
    """Two executions whose time in the tables is over: one that people and a model decided, and a child that failed."""
    whole, child = f"{name} archived", f"{name} archived child"
    (stream, begun), (other, called) = started(whole, "trip-9"), started(child)
    assert isinstance(begun, ExecutionStarted)
    assert isinstance(called, ExecutionStarted)
    request = an_id(f"{whole} request")
    talked = ((request, ApprovalWatched(BOB)), (request, ApprovalCommented(an_id(f"{whole} said"), ANN, "Soon.")))
    ended = approved(whole)[1:]
    return (
        (an_id(f"{name} kept"), RetentionSet(365)),
        (an_id(f"{name} kept travel"), RetentionSet(30, "travel")),
        (an_id(f"{name} kept travel"), RetentionSet(90, "travel")),
        (an_id(f"{name} kept old"), RetentionSet(7, "old")),
        (an_id(f"{name} kept old"), RetentionRemoved("old", "nobody asks for it")),
        (stream, replace(begun, labels={"team": "north"}, attributes={"due": "2026-03-02"})),
        *classified(whole)[1:-2],
        *ended[:-4],
        *talked,
        *ended[-4:],
        (other, replace(called, parent_execution_id=stream)),
        *failed(child)[1:],
        (other, ExecutionArchived(90)),
        (stream, ExecutionArchived(90)),
    )


def by_several(execution: str) -> tuple[Step, ...]:
    """A request of two people, whose weights were fixed when they were asked."""
    request = an_id(f"{execution} request")
    outcomes = (
        Outcome("approve", "approve", (), ("approver",)),
        Outcome("reject", "reject", (), ("approver",), comment="required", reasons=("price", "date"), form="required"),
    )
    rule = {"type": "weighted", "weights": {"approver": 2}, "threshold": 3, "members": "at_start"}
    first, asking = asked(execution, outcomes=outcomes)
    assert isinstance(asking[1], ApprovalRequested)
    voters = (Voter(ANN, "approver", 2), Voter(BOB, None, 1, veto=True))
    opened = replace(asking[1], rule=rule, required_approvals=3, voters=voters)
    no = ApprovalDecided(an_id(f"{execution} no"), ANN, "reject", "reject", 1, "approver", None, "Too dear", {}, "price", 2)
    return (
        started(execution),
        first,
        (request, opened),
        (request, no),
        (request, ApprovalResolved("reject", "reject", (ANN,), {})),
        (an_id(execution), ActivationCompleted(an_id(f"{execution} review"), "review", "reject", {"outcome": "reject"})),
        (an_id(execution), ExecutionCompleted(None)),
    )


def in_steps(execution: str) -> tuple[Step, ...]:
    """A request in three steps. One is sent back to and claimed, one skipped; to the last one is added, and one thinks again."""
    request = an_id(f"{execution} request")
    first, asking = asked(execution, outcomes=())
    assert isinstance(asking[1], ApprovalRequested)
    plans = (StepPlan("first", 1), StepPlan("dear", 2), StepPlan("last", 3, ("first",), ad_hoc=True))
    one = {"type": "single"}
    approve, reject = OUTCOMES
    clerks_too = (replace(approve, roles=("approver", "clerk")), reject)

    def begun(number: int, **more: Any) -> Step:
        if number == 3:
            return request, ApprovalStepStarted(3, "last", {"type": "multiple", "count": 2}, clerks_too, 2, **more)
        return request, ApprovalStepStarted(number, plans[number - 1].name, one, OUTCOMES, **more)

    def said(number: int, who: UUID, kind: Literal["approve", "reject"] = "approve") -> Step:
        role = "approver" if who == ANN else "clerk"
        return request, ApprovalDecided(an_id(f"{execution} {number} {who} {kind}"), who, kind, kind, number, role)

    done = ApprovalStepCompleted(1, "first", "approve", "approve", (ANN,))
    return (
        started(execution),
        first,
        (request, replace(asking[1], rule={"type": "steps"}, required_approvals=3, steps=plans)),
        begun(1, due=Due(after=timedelta(hours=1))),
        said(1, ANN),
        (request, done),
        (request, ApprovalStepSkipped(2, "dear")),
        begun(3),
        (request, ApprovalReturned(1, "first", BOB, "Look again.", (1, 2, 3))),
        begun(1, form={"type": "object"}),
        (request, ApprovalClaimed(BOB)),
        (request, ApprovalReleased(BOB, 1, "Too much.")),
        (request, ApprovalClaimed(ANN)),
        (request, ApprovalDecided(an_id(f"{execution} again"), ANN, "approve", "approve", 1, "approver")),
        (request, done),
        (request, ApprovalStepSkipped(2, "dear")),
        begun(3, due=Due(at=START + timedelta(days=2))),
        (request, ApproverAdded(an_id("eve"), BOB, 3, "She knows.")),
        (request, ApprovalReassigned(an_id("eve"), an_id("joe"), 3, "She is away.")),
        said(3, BOB),
        (request, ApprovalRevoked(an_id(f"{execution} 3 {BOB} approve"), BOB, "approve", 3, "I misread it.")),
        said(3, BOB, "reject"),
        (request, ApprovalStepCompleted(3, "last", "reject", "reject", (BOB,))),
        (request, ApprovalResolved("reject", "reject", (ANN, BOB))),
        (an_id(execution), ActivationCompleted(an_id(f"{execution} review"), "review", "reject", {"outcome": "reject"})),
        (an_id(execution), ExecutionCompleted(None)),
    )


def by_itself(name: str) -> tuple[Step, ...]:
    """A request of its own, in one step that somebody has claimed."""
    request = an_id(f"{name} request")
    opened = ApprovalRequested(
        None,
        None,
        None,
        "A new press?",
        {"type": "steps"},
        (),
        expires=Due(after=timedelta(days=1)),
        steps=(StepPlan("first", 1),),
        definition={"steps": [{"name": "first"}]},
        behind=(BOB,),
        callback={"url": "https://shop.example/done", "secret": "callbacks"},
    )
    return (
        (request, opened),
        (request, ApprovalStepStarted(1, "first", {"type": "single"}, OUTCOMES)),
        (request, ApprovalClaimed(ANN)),
        (request, ApprovalCancelled("not needed")),
    )


def overridden(name: str) -> tuple[Step, ...]:
    """A request of its own whose people do not see each other, in two steps, decided whomever it asks."""
    request, steps = an_id(f"{name} request"), (StepPlan("first", 1), StepPlan("last", 2))
    opened = ApprovalRequested(None, None, None, "A press?", {"type": "steps"}, (), requested_by=BOB, steps=steps)
    reason, roles = "The board is ill.", ("approver",)
    override = ApprovalOverridden(an_id(f"{name} by Ann"), ANN, "approve", "approve", reason, (1, 2), {"sum": 2}, None, (), roles)
    return (
        (request, replace(opened, visibility="counts", definition={"steps": [{"name": "first"}, {"name": "last"}]})),
        (request, ApprovalStepStarted(1, "first", {"type": "single"}, OUTCOMES)),
        (request, override),
        (request, ApprovalResolved("approve", "approve", (ANN,), {"sum": 2})),
    )


def resubmitted(execution: str) -> tuple[Step, ...]:
    """A request that is recalled, changed and asked again, given back, and talked about; and one in steps of which one stands."""
    request = an_id(f"{execution} request")
    first, asking = asked(execution)
    opened = asking[1]
    assert isinstance(opened, ApprovalRequested)
    assert opened.activation_id is not None
    one, plans = {"type": "single"}, (StepPlan("first", 1, depends_on=("/title",)), StepPlan("last", 2))
    offer = Attachment("offer.pdf", "https://files.example/1", "ab" * 32, "application/pdf", 17)
    said = [an_id(f"{execution} said {number}") for number in range(5)]
    cheaper = Content("May Ann travel?", "By train", {"amount": 50}, (offer,))
    changes = (Change("/description", "changed"), Change("/context/amount", "changed"), Change("/attachments/0", "added"))
    earlier = ApprovalDecided(an_id(f"{execution} 1"), ANN, "approve", "approve", 1, "approver", attachments=(offer,))
    stepped = replace(
        opened,
        rule={"type": "steps"},
        outcomes=(),
        steps=plans,
        attachments=(offer,),
        ui_schema={"a": {}},
        editable=("/context",),
    )
    again = Asked(one, OUTCOMES, 1, (Voter(ANN, "approver"),))
    own, left = an_id(f"{execution} own request"), an_id(f"{execution} left request")
    return (
        started(execution),
        first,
        (request, stepped),
        (request, ApprovalStepStarted(1, "first", one, OUTCOMES, ui_schema={"b": {}})),
        (request, earlier),
        (request, ApprovalStepCompleted(1, "first", "approve", "approve", (ANN,))),
        (request, ApprovalStepStarted(2, "last", one, OUTCOMES)),
        (request, ApprovalWatched(BOB)),
        (request, ApprovalWatched(an_id("joe"), ANN)),
        (request, ApprovalWatched(an_id("eve"), ANN)),
        (request, ApprovalUnwatched(an_id("joe"))),
        (request, ApprovalQuestionAsked(said[0], ANN, BOB, "By which train?", (offer,))),
        (request, ApprovalQuestionAnswered(said[1], said[0], BOB, "The first.", (offer,))),
        (request, ApprovalQuestionAsked(said[2], ANN, BOB, "And back?")),
        (request, ApprovalQuestionAnswered(said[4], said[2], BOB, "The last.")),
        (request, ApprovalCommented(said[3], ANN, "I wait.", (offer,))),
        (request, ApprovalCommentEdited(said[3], ANN, "I wait for this.")),
        (request, ApprovalCommentDeleted(said[1], BOB)),
        (request, ApprovalRecalled(ANN, "Too dear.")),
        (request, ApprovalResubmitted(2, cheaper, changes, (2,), ANN, "Cheaper.")),
        (request, ApprovalStepStarted(2, "last", one, OUTCOMES)),
        (request, ApprovalSentToRequester(ANN, "And when?")),
        (
            own,
            replace(
                opened,
                execution_id=None,
                activation_id=None,
                node_id=None,
                depends_on=("/context",),
                expires=Due(after=timedelta(days=1)),
            ),
        ),
        (own, ApprovalDecided(an_id(f"{execution} own"), ANN, "approve", "approve", 1, "approver")),
        (own, ApprovalRecalled()),
        (
            own,
            ApprovalResubmitted(
                2, cheaper, changes, (1,), asked=again, due=Due(after=timedelta(hours=1)), expires=Due(after=timedelta(days=2))
            ),
        ),
        (own, ApprovalDecided(an_id(f"{execution} own 2"), ANN, "approve", "approve", 1, "approver", request_version=2)),
        (own, ApprovalResolved("approve", "approve", (ANN,))),
        (own, ApprovalCommented(an_id(f"{execution} own said"), ANN, "Done.")),
        (request, ApprovalCancelled("not needed")),
        (an_id(execution), ActivationCancelled(opened.activation_id, "review", "not needed")),
        (an_id(execution), ExecutionCancelled("not needed", ANN)),
        (left, replace(opened, execution_id=None, activation_id=None, node_id=None)),
        (left, ApprovalRecalled(ANN)),
    )


def failed(execution: str) -> tuple[Step, ...]:
    stream, activation = an_id(execution), an_id(f"{execution} call")
    return (
        started(execution),
        (stream, ActivationStarted(activation, "call", "task", 1, (1,))),
        (stream, ActivationFailed(activation, "call", NodeError("timeout", "Too late.", 3))),
        (stream, ExecutionFailed("timeout", "Too late.", "call")),
    )


def undone(execution: str, ends: Literal["failed", "cancelled"]) -> tuple[Step, ...]:
    """A visit that is undone, and one that cannot be."""
    stream, error = an_id(execution), NodeError("closed", "Nobody answers.", 2)
    book, stay = an_id(f"{execution} book"), an_id(f"{execution} stay")
    free, leave = an_id(f"{execution} free"), an_id(f"{execution} leave")
    failure = CompensationFailure("stay", stay, "leave", error)
    result = CompensationResult(1, 1, 0, (failure,))
    begun: Event = ExecutionCompensating("failed", 2, "full", "No room.", "start")
    end: Event = ExecutionFailed("full", "No room.", "start", result)
    if ends == "cancelled":
        begun = ExecutionCompensating("cancelled", 2, reason="not needed", cancelled_by=ANN)
        end = ExecutionCancelled("not needed", ANN, result)
    return (
        started(execution),
        (stream, ActivationStarted(book, "book", "task", 1, (1,), compensate="free")),
        (stream, ActivationCompleted(book, "book", "success", "B")),
        (stream, ActivationStarted(stay, "stay", "task", 1, (2,), compensate="leave")),
        (stream, ActivationCompleted(stay, "stay", "success", "S")),
        (stream, begun),
        (stream, ActivationStarted(leave, "leave", "task", 1, (), compensates=stay)),
        (stream, ActivationFailed(leave, "leave", error)),
        (stream, ActivationStarted(free, "free", "task", 1, (), compensates=book)),
        (stream, ActivationCompleted(free, "free", "success", None)),
        (stream, end),
    )


def cancelled(execution: str) -> tuple[Step, ...]:
    stream = an_id(execution)
    return (
        started(execution, "trip-1"),
        *asked(execution),
        (stream, ExecutionPaused("lunch")),
        (stream, ExecutionResumed()),
        (stream, ExecutionSignalled("nudge", {"n": 1})),
        (an_id(f"{execution} request"), ApprovalCancelled("withdrawn")),
        (stream, ActivationCancelled(an_id(f"{execution} review"), "review", "withdrawn")),
        (stream, ExecutionCancelled("withdrawn", ANN)),
    )


def still_open(execution: str) -> tuple[Step, ...]:
    return (started(execution, "trip-1"), *asked(execution, outcomes=(Outcome("approved", "approve"),)))


def each(execution: str) -> tuple[Step, ...]:
    """A foreach of two items: one completes, one fails beside an item within it. Two more foreaches are given up."""
    stream, visit, foreach, chunk = (an_id(f"{execution}{part}") for part in ("", " each", " foreach", " chunk"))
    first, second, inner = (an_id(f"{execution} item {part}") for part in ("0", "1", "1 0"))
    call, failed, other, third = (an_id(f"{execution} {part}") for part in ("call", "failed", "other", "third"))
    error = NodeError("broken", "It broke.", index=1)
    results = ChunkEnd(chunk, 0, ["A", None], (ItemError(1, "broken", "It broke."),), 40)
    return (
        started(execution),
        (stream, ActivationStarted(visit, "each", "foreach", 1, (1,), waits=(Wait("foreach", foreach),))),
        (foreach, ForeachStarted(stream, stream, visit, "each", ["a", "b"], 2, 1)),
        (chunk, ChunkStarted(foreach, stream, stream, visit, "each", 0, ["a", "b"], 2)),
        (first, item(stream, stream, visit, foreach, chunk, 0, "a")),
        (second, item(stream, stream, visit, foreach, chunk, 1, "b")),
        (chunk, ChunkMoved((first, second))),
        (foreach, ForeachMoved((Opened(chunk, 0, 2, 2),))),
        (first, ActivationStarted(call, "call", "task", 1, (0,), {"of": "a"}, waits=(Wait("job", call, "resize"),))),
        (first, ActivationCompleted(call, "call", "success", "A")),
        (first, ItemHeld((1,), an_id(f"{execution} continuation"))),
        (first, ItemCompleted("A")),
        (inner, item(stream, second, visit, other, chunk, 0, None, ("each", "inner"))),
        (inner, ItemCancelled("It is given up.")),
        (second, ActivationStarted(failed, "work", "task", 1, (0,), waits=(Wait("job", failed, "resize"),))),
        (second, ActivationFailed(failed, "work", NodeError("broken", "It broke."))),
        (second, ItemFailed("broken", "It broke.", "work")),
        (chunk, ChunkMoved((), (ItemEnd(0, "A"), ItemEnd(1, error=error)), returned=2, size=40)),
        (foreach, ForeachMoved(returned=2, failed=1, ended=(results,))),
        (foreach, ForeachCompleted()),
        (stream, ActivationCompleted(visit, "each", "success", {"results": ["A", None], "errors": [vars(results.errors[0])]})),
        (other, ForeachStarted(stream, second, visit, "inner", [None], 1, 0)),
        (other, ForeachResumed(1)),
        (other, ForeachFailed(error)),
        (third, ForeachStarted(stream, stream, visit, "each", ["c"], 1)),
        (an_id(f"{execution} third chunk"), ChunkStarted(third, stream, stream, visit, "each", 0, ["c"], 1)),
        (third, ForeachMoved((Opened(an_id(f"{execution} third chunk"), 0, 1, 1),))),
        (third, ForeachCancelled("Its visit is over.")),
        (an_id(f"{execution} third chunk"), ChunkCancelled()),
        (third, ForeachClosed()),
        (stream, ExecutionCompleted(None)),
    )


def item(
    execution: UUID,
    parent: UUID,
    visit: UUID,
    foreach: UUID,
    chunk: UUID,
    index: int,
    value: Any,
    path: tuple[str, ...] = ("each",),
) -> ItemStarted:
    about = (TRAVEL, "travel", 2, "call", 3)
    return ItemStarted(execution, parent, visit, foreach, chunk, path, index, value, *about, created_by=ANN)


def entrusted(execution: str, **asked_for: Any) -> tuple[Step, ...]:
    """An ai_agent node is entered, and opens a task."""
    activation = an_id(f"{execution} classify")
    retry = RetryPolicy(3, timedelta(seconds=1.5), max_interval=timedelta(minutes=1), non_retryable=("auth",))
    settings = Configuration(max_output_tokens=200, temperature=0.25)
    request = AiTaskRequested(
        an_id(execution),
        activation,
        "classify",
        "Classify the claim",
        "openai:gpt-4o",
        "Which kind?",
        settings,
        retry,
        **asked_for,
    )
    return (
        (
            an_id(execution),
            ActivationStarted(activation, "classify", "ai_agent", 1, (1,), waits=(Wait("ai_task", an_id(f"{execution} task")),)),
        ),
        (an_id(f"{execution} task"), request),
    )


def attempt(execution: str, number: int) -> Step:
    started = AiTaskAttemptStarted(an_id(f"{execution} attempt {number}"), number, "openai", "gpt-4o", "worker-1")
    return an_id(f"{execution} task"), started


def classified(execution: str) -> tuple[Step, ...]:
    """The first attempt runs into a limit, the second one is answered."""
    stream, task = an_id(execution), an_id(f"{execution} task")
    limited = AiTaskAttemptFailed(
        an_id(f"{execution} attempt 1"), 1, Failure("rate_limit", "Too many."), 120, retry=Due(after=timedelta(days=2))
    )
    answered = AiTaskAttemptSucceeded(
        an_id(f"{execution} attempt 2"),
        2,
        {"kind": "travel", "certainty": 0.75},
        2500,
        "openai",
        "gpt-4o-2024-08-06",
        Usage(1200, 30, 1024, 0, {"audio_tokens": 0}, 12),
        Decimal("0.0033000001"),
        "USD",
        "stop",
    )
    totals = Totals(2, 1200, 30, Decimal("0.0033000001"), "USD", 1)
    return (
        started(execution),
        *entrusted(
            execution,
            agent_type="classifier",
            system_prompt="You classify.",
            context={"company": "Acme"},
            input={"amount": 100.5},
            output_schema={"type": "object"},
            priority=2,
            requested_by=ANN,
            cost_estimate=Decimal("0.01"),
            currency="USD",
            prompt_ref=PromptRef(an_id("acme prompt"), "greet", 1),
            sensitive=(SensitivePart("kind", "prompt", 0, 5), SensitivePart("part", "system_prompt", 0, 3, "token")),
        ),
        attempt(execution, 1),
        (task, limited),
        attempt(execution, 2),
        (task, answered),
        (task, AiTaskCompleted(answered.output, totals)),
        (stream, ActivationCompleted(an_id(f"{execution} classify"), "classify", "success", answered.output)),
        (stream, ExecutionHeld((2,), an_id("a continuation"))),
        (stream, ExecutionCompleted(None)),
    )


def given_up(execution: str) -> tuple[Step, ...]:
    """A worker fails twice; a model's answer is of no use, and was paid for."""
    stream, call, task = an_id(execution), an_id(f"{execution} call"), an_id(f"{execution} task")
    invalid = Failure("invalid_output", "It is not JSON.", retryable=False)
    failure = AiTaskAttemptFailed(an_id(f"{execution} attempt 1"), 1, invalid, 900, Usage(10, 5), Decimal("0.2"), "EUR", "length")
    return (
        started(execution),
        (stream, ActivationStarted(call, "call", "task", 1, (1,))),
        (stream, ActivationRetried(call, "call", NodeError("lease_lost", "Not heard of.", 1), 1, 1000)),
        (stream, ActivationFailed(call, "call", NodeError("timeout", "Too late.", 2), "error")),
        *entrusted(execution, cost_estimate=Decimal("0.01"), currency="USD"),
        attempt(execution, 1),
        (task, failure),
        (task, AiTaskFailed(invalid, Totals(1, 10, 5, Decimal("0.2"), "EUR"))),
        (stream, ActivationFailed(an_id(f"{execution} classify"), "classify", NodeError(invalid.type, invalid.message))),
        (stream, ExecutionFailed(invalid.type, invalid.message, "classify")),
    )


def abandoned(execution: str) -> tuple[Step, ...]:
    """Cancelled while an attempt runs, which is heard of later; one before it was lost with its worker."""
    stream, task = an_id(execution), an_id(f"{execution} task")
    late = AiTaskAttemptSucceeded(
        an_id(f"{execution} attempt 2"), 2, "travel", 60_000, "openai", "gpt-4o", Usage(7, 1), Decimal("1E-7"), "USD"
    )
    return (
        started(execution),
        *entrusted(execution),
        attempt(execution, 1),
        (task, AiTaskAttemptFailed(an_id(f"{execution} attempt 1"), 1, LEASE_LOST, retry=Due(after=timedelta(days=2)))),
        attempt(execution, 2),
        (stream, ActivationCancelled(an_id(f"{execution} classify"), "classify", "withdrawn")),
        (stream, ExecutionCancelled("withdrawn", ANN)),
        (task, AiTaskCancelled("withdrawn")),
        (task, late),
    )


def expired(execution: str) -> tuple[Step, ...]:
    entered, (request, event) = asked(execution)
    review = an_id(f"{execution} review")
    assert isinstance(event, ApprovalRequested)
    return (
        started(execution),
        entered,
        (request, replace(event, expires=Due(at=START + timedelta(days=1)))),
        (request, ApprovalExpired()),
        (an_id(execution), ActivationCompleted(review, "review", "timeout", None)),
        (an_id(execution), ExecutionCompleted(None)),
    )


def asked_by(task: UUID) -> ApprovalRequested:
    """By an AI task that no execution asks for."""
    offered = (Outcome("approved", "approve", (BOB,)), Outcome("rejected", "reject", (BOB,)))
    title = "Answer the customer: the budget is used up. May this task go beyond it?"
    return ApprovalRequested(None, None, None, title, {"type": "single"}, offered, ai_task_id=task, purpose="budget")


def of_models(name: str) -> tuple[Step, ...]:
    """Providers of models, and names of models."""
    return (
        (an_id(f"{name} ai_provider"), AiProviderSet("claude", "anthropic", secret="anthropic-key")),
        (
            an_id(f"{name} ai_provider"),
            AiProviderSet("claude", "anthropic", "https://claude.example", "anthropic-key", AiLimits(5, 100), (PRICE,)),
        ),
        (an_id(f"{name} ai_provider 2"), AiProviderSet("local", "openai_compatible", "http://models.example/v1")),
        (an_id(f"{name} ai_provider 2"), AiProviderRemoved("local")),
        (an_id(f"{name} ai_model"), AiModelSet("fast", ("claude:claude-sonnet-4-6", "offline/echo"))),
        (an_id(f"{name} ai_model"), AiModelSet("fast", ("offline/echo",), ModelDefaults(500, 0.2, 30.0))),
        (an_id(f"{name} ai_model 2"), AiModelSet("careful", ("offline/echo",))),
        (an_id(f"{name} ai_model 2"), AiModelRemoved("careful")),
    )


def with_tools(name: str) -> tuple[Step, ...]:
    """Agents that no execution asks for. One calls tools, asks people, and has its output edited; one waits for people;
    one is cancelled while a workflow that is a tool of it runs."""
    task, left, waits = (an_id(f"{name} {part}") for part in ("task", "left", "waits"))
    tools = [{"name": "refund", "type": "http", "parameters": {"type": "object"}, "policy": {"ask": "true"}}]
    wanted = AiTaskRequested(
        None,
        None,
        None,
        "Answer the customer",
        "careful",
        "Answer.",
        Configuration(),
        RetryPolicy(),
        requested_by=ANN,
        tools=tools,
        bounds=Bounds(turns=5, cost=Decimal("0.50"), currency="EUR", time=timedelta(hours=1)),
        workflow_key="travel",
        external=True,
    )
    ids = [an_id(f"{name} call {number}") for number in range(5)]
    calls = (
        ToolCall(ids[0], "lookup", {"order": 7}, "c0"),
        ToolCall(ids[1], "refund", {"amount": 90}, "c1", "ask", "refunds are asked for"),
        ToolCall(ids[2], "drop_tables", None, "c2", "deny", malformed="it is no JSON"),
        ToolCall(ids[3], "refund", {"amount": 9000}, "c3", "ask"),
    )
    first = AiTaskAttemptStarted(an_id(f"{name} 1"), 1, "anthropic", "claude", "worker-1", 1)
    asks = AiTaskAttemptSucceeded(
        an_id(f"{name} 1"), 1, None, 900, "anthropic", "claude", Usage(100, 20), turn=1, text="I look it up.", calls=calls
    )
    judged = AiTaskAttemptStarted(an_id(f"{name} 2"), 2, "openai", "small", "worker-1", 2, "guard")
    passed = AiTaskAttemptSucceeded(an_id(f"{name} 2"), 2, {"ok": True}, 90, "openai", "small", turn=2, purpose="guard")
    faulty = Failure("invalid_output", "/refunded is missing")
    third = AiTaskAttemptStarted(an_id(f"{name} 3"), 3, "anthropic", "claude", "worker-1", 2)
    unfit = AiTaskAttemptFailed(an_id(f"{name} 3"), 3, faulty, 800, retry=Due(after=timedelta(0)), turn=2, answered="Done!")
    fourth = AiTaskAttemptStarted(an_id(f"{name} 4"), 4, "anthropic", "claude", "worker-1", 2)
    said = AiTaskAttemptSucceeded(
        an_id(f"{name} 4"), 4, {"refunded": 80}, 0, "anthropic", "claude", turn=2, cached_from=an_id(f"{name} 0")
    )
    fifth = AiTaskAttemptStarted(an_id(f"{name} 5"), 5, "anthropic", "claude", "worker-1", 3)
    better = AiTaskAttemptSucceeded(an_id(f"{name} 5"), 5, {"refunded": 80}, 700, "anthropic", "claude", turn=3)
    reviews = [an_id(f"{name} review {number}") for number in (1, 2)]
    allowed, refused = an_id(f"{name} allowed"), an_id(f"{name} refused")
    broken = Failure("unavailable", "It did not answer.")
    run = ToolCall(ids[4], "ship", {}, "c4")
    return (
        (task, wanted),
        (task, first),
        (task, asks),
        (task, AiTaskToolCallDenied(ids[2], "drop_tables", "not_allowed", "There is no tool drop_tables.")),
        (task, AiTaskAsked(allowed, "tool", ids[1])),
        (task, AiTaskAsked(refused, "tool", ids[3])),
        (task, AiTaskToolCallStarted(ids[0], "lookup", 1, {"order": 7}, "k0", "worker-1")),
        (task, AiTaskToolCallFailed(ids[0], "lookup", 1, broken, 30, Due(after=timedelta(seconds=1)))),
        (task, AiTaskToolCallStarted(ids[0], "lookup", 2, {"order": 7}, "k0", "worker-1")),
        (task, AiTaskToolCallSucceeded(ids[0], "lookup", 2, {"total": 90}, 20, 70_000)),
        (task, AiTaskAnswered(allowed, "tool", "edited", ids[1], BOB, edited={"amount": 80})),
        (task, AiTaskAnswered(refused, "tool", "rejected", ids[3], BOB, "Never so much.")),
        (task, AiTaskToolCallDenied(ids[3], "refund", "rejected", "Never so much.", BOB, refused)),
        (task, AiTaskToolCallStarted(ids[1], "refund", 1, {"amount": 80}, "k1", "worker-1", edited=True)),
        (task, AiTaskToolCallFailed(ids[1], "refund", 1, broken, 30)),
        (task, judged),
        (task, passed),
        (task, third),
        (task, unfit),
        (task, fourth),
        (task, said),
        (task, AiTaskAsked(reviews[0], "review", output={"refunded": 80})),
        (task, AiTaskAnswered(reviews[0], "review", "rejected", None, BOB, "Say sorry.")),
        (task, fifth),
        (task, better),
        (task, AiTaskAsked(reviews[1], "review", output={"refunded": 80})),
        (task, AiTaskAnswered(reviews[1], "review", "edited", None, BOB, edited={"refunded": 80, "sorry": True})),
        (task, AiTaskCompleted({"refunded": 80, "sorry": True}, Totals(5, 100, 20, unpriced=5, tool_calls=2))),
        (waits, replace(wanted, external=None, continues=task, bounds=Bounds(turns=5))),
        (waits, AiTaskAsked(an_id(f"{name} budget"), "budget", budget_id=an_id("a budget"))),
        (left, replace(wanted, external=None)),
        (left, replace(first, attempt_id=an_id(f"{name} left 1"))),
        (left, replace(asks, attempt_id=an_id(f"{name} left 1"), calls=(run, replace(calls[1], id=an_id(f"{name} never"))))),
        (left, AiTaskAsked(an_id(f"{name} left"), "tool", an_id(f"{name} never"))),
        (left, AiTaskToolCallStarted(ids[4], "ship", 1, {}, "k4", child_id=an_id("a child"))),
        (left, AiTaskCancelled("withdrawn")),
    )
