"""What is to be delivered of an event, and what is said of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from json import dumps
from typing import Any
from uuid import UUID

import pytest

from domain.ai_task import AiTaskCancelled, AiTaskCompleted, AiTaskFailed, AiTaskRequested, Configuration, Totals
from domain.approval import (
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalSentToRequester,
    ApprovalStepStarted,
    ApproverAdded,
    Content,
    Outcome,
)
from domain.approval.visibility import names_shown
from domain.budget import BudgetExhausted, BudgetPeriodOpened, BudgetWarned, Limits, Use
from domain.envelope import Envelope, RecordedEvent
from domain.execution import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
)
from domain.facts import Event
from domain.job import JobCancelled, JobCompleted, JobEnqueued, JobFailed
from domain.notices import TYPES
from domain.notification_delivery import DeliveryRequested
from domain.notification_endpoint import (
    NotificationEndpointChanged,
    NotificationEndpointCreated,
    NotificationEndpointDeleted,
    NotificationEndpointDisabled,
    NotificationEndpointEnabled,
    NotificationSecretRotated,
)
from domain.retry import Failure, RetryPolicy
from engine.notice_messages import LARGEST_FIELD, message
from engine.notice_words import words
from engine.notices import Begun, Endpoints, deliveries_of, endpoints_after
from tests.given import MOMENT, TENANT_ID

EXECUTION, APPROVAL, ENDPOINT, OTHER, HAPPENED = (UUID(int=number) for number in range(1, 6))
STARTED = ExecutionStarted(UUID(int=9), "travel", 3, "start", {"days": 2}, business_key="T-1")
BEGUN = Begun(STARTED, STARTED)
AI_REQUESTED = AiTaskRequested(None, None, None, "Answer", "offline/echo", "Say it", Configuration(), RetryPolicy())
ENQUEUED = JobEnqueued("send-mail", {"to": "ann"}, RetryPolicy(), unique_key="welcome-17")
REQUESTED = ApprovalRequested(
    EXECUTION, UUID(int=10), "review", "Review", {"type": "single"}, (Outcome("yes", "approve"), Outcome("no", "reject"))
)


ADDRESS = {"url": "https://c.example/", "secret": "callbacks"}
OWN = ApprovalRequested(None, None, None, "A press?", {"type": "single"}, (Outcome("yes", "approve"),), callback=ADDRESS)


def recorded(event: Event, position: int = 2, stream: UUID = EXECUTION, tenant: UUID = TENANT_ID) -> RecordedEvent:
    at = MOMENT + timedelta(seconds=position)
    return RecordedEvent(tenant, position, stream, position, "topic", event, at, at, UUID(int=77), Envelope("system"), b"{}")


def folded(*events: Event, stream: UUID = ENDPOINT) -> Endpoints:
    endpoints: Endpoints = {}
    for event in events:
        endpoints = endpoints_after(endpoints, recorded(event, stream=stream))
    return endpoints


CREATED = NotificationEndpointCreated("https://a.example/", ("execution.*",), "secret-1")


def wanted(event: Event, endpoints: Endpoints, execution: ExecutionStarted | None = STARTED) -> list[DeliveryRequested]:
    begun = Begun(execution or event, execution)
    return [requested for _, requested in deliveries_of(recorded(event), HAPPENED, endpoints, begun)]


@pytest.mark.parametrize(
    ("events", "count"),
    [
        ((CREATED,), 1),
        ((CREATED, NotificationEndpointDisabled("gone")), 0),
        ((CREATED, NotificationEndpointDisabled("gone"), NotificationEndpointChanged("https://b.example/", ("*",))), 0),
        ((CREATED, NotificationEndpointDisabled("gone"), NotificationEndpointEnabled()), 1),
        ((CREATED, NotificationSecretRotated("secret-2", 2)), 1),
        ((CREATED, NotificationEndpointChanged("https://a.example/", ("approval.*",))), 0),
        ((CREATED, NotificationEndpointChanged("https://a.example/", ("*",), "travel")), 1),
        ((CREATED, NotificationEndpointChanged("https://a.example/", ("*",), "expense")), 0),
        ((CREATED, NotificationEndpointDeleted("https://a.example/")), 0),
        ((), 0),
    ],
)
def test_an_event_goes_to_the_endpoints_as_they_were_then(events: tuple[Event, ...], count: int) -> None:
    found = wanted(ExecutionCompleted({}), folded(*events))
    assert found == [DeliveryRequested("execution.completed", "event", ENDPOINT, 2, EXECUTION)] * count


def test_what_there_is_no_type_for_goes_nowhere() -> None:
    everything = folded(replace(CREATED, events=("*",)))
    assert wanted(ExecutionSignalled("paid", None), everything) == []
    assert wanted(DeliveryRequested("execution.completed", "event"), everything) == [], "or there would be no end to it"


def test_each_place_has_a_delivery_of_its_own_and_the_same_again() -> None:
    both = {**folded(CREATED), **folded(CREATED, stream=OTHER)}
    first, second = ([id for id, _ in deliveries_of(recorded(ExecutionCompleted({})), HAPPENED, both, BEGUN)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 2
    after_a_restore = recorded(ExecutionCompleted({}))._replace(command_id=UUID(int=78))
    assert not {id for id, _ in deliveries_of(after_a_restore, HAPPENED, both, BEGUN)} & set(first)


def test_a_callback_is_told_the_end_and_nothing_else() -> None:
    address = replace(STARTED, callback={"url": "https://c.example/", "secret": "callbacks"})
    told = DeliveryRequested("execution.failed", "callback", None, 2, EXECUTION, "https://c.example/", "callbacks")
    assert wanted(ExecutionFailed("broken", "It broke."), {}, address) == [told]
    assert wanted(ExecutionPaused(), {}, address) == []
    quiet = folded(replace(CREATED, events=("approval.*",)))
    named = replace(STARTED, callback={"endpoint_id": str(ENDPOINT)})
    assert [each.kind for each in wanted(ExecutionCompleted({}), quiet, named)] == ["callback"]
    assert [each.kind for each in wanted(ExecutionCompleted({}), folded(CREATED), named)] == ["event"]
    assert wanted(ExecutionCompleted({}), {}, named) == [], "it is gone"


def test_a_callback_of_an_approval_of_its_own_is_told_how_it_closed() -> None:
    begun = Begun(OWN)
    for event in (ApprovalResolved("yes", "approve", (OTHER,)), ApprovalExpired(), ApprovalCancelled("withdrawn")):
        ((_, told),) = deliveries_of(recorded(event, stream=APPROVAL), HAPPENED, {}, begun)
        assert (told.kind, told.url, told.resource_id) == ("callback", ADDRESS["url"], APPROVAL)
    for other in (OWN, ApprovalDecided(UUID(int=11), OTHER, "yes", "approve")):
        assert not [*deliveries_of(recorded(other, stream=APPROVAL), HAPPENED, {}, begun)]
    for_one_workflow = folded(NotificationEndpointChanged("https://a.example/", ("*",), "travel"), stream=OTHER)
    assert not [*deliveries_of(recorded(OWN, stream=APPROVAL), HAPPENED, for_one_workflow, begun)]


ENDS: list[tuple[Event, dict[str, Any]]] = [
    (STARTED, {"status": "running"}),
    (ExecutionCompleted({"ok": True}), {"status": "completed", "output": {"ok": True}}),
    (ExecutionFailed("broken", "It broke.", "call"), {"status": "failed", "error": "It broke."}),
    (ExecutionCancelled("too slow", OTHER), {"status": "cancelled", "cancelled_by": str(OTHER), "reason": "too slow"}),
    (ExecutionPaused("lunch"), {"status": "paused", "reason": "lunch"}),
    (ExecutionResumed(), {"status": "running"}),
]
OVERRIDDEN = ApprovalOverridden(UUID(int=12), OTHER, "yes", "approve", "Now.", asked_users=(UUID(int=13),), asked_roles=("boss",))
ANSWERS: list[tuple[Event, dict[str, Any]]] = [
    (REQUESTED, {"status": "pending", "outcomes": ["yes", "no"]}),
    (ApprovalDecided(UUID(int=11), OTHER, "yes", "approve", comment="Fine."), {"status": "pending"}),
    (OVERRIDDEN, {"status": "resolved", "outcome": "yes", "outcome_kind": "approve"}),
    (ApprovalResolved("yes", "approve", (OTHER,)), {"status": "resolved", "outcome": "yes", "decided_by": [str(OTHER)]}),
    (ApprovalCancelled("withdrawn"), {"status": "cancelled", "reason": "withdrawn"}),
    (ApprovalExpired(), {"status": "expired"}),
    (
        ApprovalStepStarted(2, "board", {"type": "single"}, (Outcome("yes", "approve"),)),
        {"status": "pending", "step": "board", "outcomes": ["yes"]},
    ),
    (ApproverAdded(OTHER, ENDPOINT), {"status": "pending", "user_id": str(OTHER), "added_by": str(ENDPOINT)}),
    (ApprovalReassigned(OTHER, ENDPOINT), {"status": "pending", "from_user_id": str(OTHER), "to_user_id": str(ENDPOINT)}),
    (
        ApprovalReminded(1, 2, (OTHER,), ("boss",)),
        {
            "status": "pending",
            "reminder": {
                "number": 2,
                "step": 1,
                "reminded_at": "2026-01-05T09:00:07Z",
                "users": [str(OTHER)],
                "roles": ["boss"],
            },
        },
    ),
    (ApprovalEscalated(1, 1, (OTHER,), (), None, ("yes",)), {"status": "pending"}),
    (ApprovalRecalled(OTHER, "Wait."), {"status": "with_requester"}),
    (ApprovalSentToRequester(OTHER, "Which?"), {"status": "with_requester"}),
    (ApprovalResubmitted(2, Content("Cheaper?")), {"status": "pending", "title": "Cheaper?"}),
    (
        ApprovalQuestionAsked(UUID(int=12), OTHER, UUID(int=13), "Why?"),
        {
            "question": {
                "id": str(UUID(int=12)),
                "user_id": str(OTHER),
                "to_user_id": str(UUID(int=13)),
                "text": "Why?",
                "asked_at": "2026-01-05T09:00:07Z",
            }
        },
    ),
    (
        ApprovalQuestionAnswered(UUID(int=14), UUID(int=12), OTHER, "So."),
        {
            "answer": {
                "id": str(UUID(int=14)),
                "question_id": str(UUID(int=12)),
                "user_id": str(OTHER),
                "text": "So.",
                "answered_at": "2026-01-05T09:00:07Z",
            }
        },
    ),
]


WORK: list[tuple[Event, dict[str, Any]]] = [
    (ENQUEUED, {"status": "pending", "type": "send-mail", "unique_key": "welcome-17"}),
    (JobCompleted("sent", 2), {"status": "completed", "output": "sent", "attempts": 2}),
    (JobFailed(Failure("refused", "No."), 3), {"status": "failed", "error": {"type": "refused", "message": "No."}}),
    (JobCancelled("too late", OTHER), {"status": "cancelled", "reason": "too late"}),
]
AI: list[tuple[Event, dict[str, Any]]] = [
    (AiTaskCompleted("Dear Ann", Totals(1)), {"status": "completed", "output": "Dear Ann", "task_name": "Answer"}),
    (AiTaskFailed(Failure("refused", "No."), Totals(1)), {"status": "failed", "error": {"type": "refused", "message": "No."}}),
    (AiTaskCancelled("too late"), {"status": "cancelled", "reason": "too late"}),
]


def test_an_ai_task_of_its_own_may_have_a_callback_too() -> None:
    called = Begun(replace(AI_REQUESTED, callback={"url": "https://c.example/", "secret": "callbacks"}))
    found = [requested for _, requested in deliveries_of(recorded(AI[0][0]), HAPPENED, {}, called)]
    assert [(each.event_type, each.kind) for each in found] == [("ai_task.completed", "callback")]


def test_a_job_of_its_own_may_have_a_callback_too() -> None:
    called = Begun(replace(ENQUEUED, callback={"url": "https://c.example/", "secret": "callbacks"}))
    found = [requested for _, requested in deliveries_of(recorded(JobCompleted("sent", 1)), HAPPENED, {}, called)]
    assert [(each.event_type, each.kind, each.url) for each in found] == [("job.completed", "callback", "https://c.example/")]
    of_workflow = folded(replace(CREATED, events=("*",), workflow_key="travel"))
    assert list(deliveries_of(recorded(JobCompleted("sent", 1)), HAPPENED, of_workflow, Begun(ENQUEUED))) == []


LIMITS, USED, ASIDE = Limits(Decimal("5.00"), calls=9), Use(0, Decimal("4.10"), 3), Use(0, Decimal("0.40"), 1)
OPENED = BudgetPeriodOpened(UUID(int=30), "monthly", "workflow", "travel", "month", "UTC", MOMENT, MOMENT, LIMITS, "EUR")
OF_BUDGET: tuple[UUID, str, Any, str] = (UUID(int=30), "monthly", "workflow", "travel")
SPENT = {
    "limits": {"cost": "5.00", "tokens": None, "calls": 9, "tool_calls": None},
    "used": {"cost": "4.10", "tokens": 0, "calls": 3, "tool_calls": 0},
    "reserved": {"cost": "0.40", "tokens": 0, "calls": 1, "tool_calls": 0},
    "currency": "EUR",
    "key": "monthly",
    "subject": "travel",
    "href": "/v1/budgets/monthly",
    "amount": "cost",
    "ends_at": "2026-01-05T09:00:00Z",
}
BUDGETS: list[tuple[Event, dict[str, Any]]] = [
    (BudgetWarned(*OF_BUDGET, "cost", Decimal("0.8"), USED, ASIDE, LIMITS, "EUR", MOMENT), {**SPENT, "share": "0.8"}),
    (
        BudgetExhausted(*OF_BUDGET, "cost", "limit", True, USED, ASIDE, LIMITS, "EUR", MOMENT),
        {**SPENT, "reason": "limit", "refused": True},
    ),
]


def test_a_budget_of_a_workflow_is_told_to_endpoints_of_that_workflow() -> None:
    told = recorded(BUDGETS[0][0])
    for workflow, begun, count in (("travel", OPENED, 1), ("expense", OPENED, 0), ("travel", replace(OPENED, scope="prompt"), 0)):
        wished = folded(replace(CREATED, events=("budget.*",), workflow_key=workflow))
        assert len(list(deliveries_of(told, HAPPENED, wished, Begun(begun)))) == count


@pytest.mark.parametrize("event", [event for event, _ in BUDGETS])
def test_a_budget_is_told_in_words(event: Event) -> None:
    requested = DeliveryRequested(TYPES[type(event)], "event", ENDPOINT, 7, OTHER)
    said = words(message(requested, recorded(event, 7, OTHER), recorded(OPENED, 1, OTHER)))
    assert said.title == "monthly"
    assert said.facts == [
        ("Of", "workflow travel"),
        ("Used", "4.10 EUR"),
        ("Put aside", "0.40 EUR"),
        ("Limit", "5.00 EUR"),
        ("Until", "2026-01-05T09:00:00Z"),
    ]


@pytest.mark.parametrize(("event", "said"), ENDS + ANSWERS + WORK + AI + BUDGETS, ids=lambda each: type(each).__name__)
def test_what_is_said_is_the_thing_as_it_was_after_the_event(event: Event, said: dict[str, Any]) -> None:
    is_execution = any(event is each for each, _ in ENDS)
    begun: Event = STARTED if is_execution else REQUESTED
    stream = EXECUTION if is_execution else APPROVAL
    if any(event is each for each, _ in WORK):
        begun, stream = ENQUEUED, OTHER
    if any(event is each for each, _ in AI):
        begun, stream = AI_REQUESTED, OTHER
    if any(event is each for each, _ in BUDGETS):
        begun, stream = OPENED, OTHER
    requested = DeliveryRequested(TYPES[type(event)], "event", ENDPOINT, 7, stream)
    told = message(requested, recorded(event, 7, stream), recorded(begun, 1, stream))
    assert (told["type"], told["position"], told["timestamp"]) == (TYPES[type(event)], 7, "2026-01-05T09:00:07Z")
    assert told["data"]["id"] == str(stream)
    assert {name: told["data"][name] for name in said} == said


@pytest.mark.parametrize(
    ("visibility", "while_open", "once_over"), [(None, True, True), ("counts", False, False), ("after_resolution", False, True)]
)
def test_names_are_told_where_the_request_shows_them(visibility: Any, while_open: bool, once_over: bool) -> None:
    decided = ApprovalDecided(UUID(int=11), OTHER, "yes", "approve", comment="Fine.")
    requester = UUID(int=20)
    requested = replace(REQUESTED, visibility=visibility, requested_by=requester)

    def told(event: Event) -> str:
        wanted = DeliveryRequested(TYPES[type(event)], "event", ENDPOINT, 7, APPROVAL)
        return dumps(message(wanted, recorded(event, 7, APPROVAL), recorded(requested, 1, APPROVAL)))

    assert (str(OTHER) in told(decided)) == while_open
    assert (str(OTHER) in told(ApprovalSentToRequester(OTHER, "And when?"))) == while_open
    question = ApprovalQuestionAsked(UUID(int=12), OTHER, requester, "Which?")
    assert (str(OTHER) in told(question)) == while_open
    assert (str(OTHER) in told(ApprovalQuestionAnswered(UUID(int=13), UUID(int=12), OTHER, "This."))) == while_open
    assert told(question).count(str(requester)) == 2, "who asks for the decision is known"
    assert names_shown(visibility, "with_requester") == while_open, "it is not over"
    assert (str(OTHER) in told(ApprovalResolved("yes", "approve", (OTHER,)))) == once_over
    assert str(OTHER) in told(OVERRIDDEN), "who overrode it all are told"
    assert (str(UUID(int=13)) in told(OVERRIDDEN)) == once_over


def test_every_type_is_said_something_of() -> None:
    assert {type(event) for event, _ in ENDS + ANSWERS + WORK + AI + BUDGETS} == set(TYPES)


def test_a_message_has_a_size() -> None:
    event = ExecutionCompleted({"text": "x" * 1_000_000})
    requested = DeliveryRequested("execution.completed", "event", ENDPOINT, 7, EXECUTION)
    told = message(requested, recorded(event, 7), recorded(STARTED, 1))
    assert told["data"]["omitted"] == ["output"]
    assert "output" not in told["data"]
    assert len(dumps(told)) < 2_000
    small = message(requested, recorded(ExecutionCompleted("x" * (LARGEST_FIELD - 2)), 7), recorded(STARTED, 1))
    assert "omitted" not in small["data"]
