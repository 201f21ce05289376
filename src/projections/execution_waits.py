"""projections.execution_waits: what open executions wait for, one row for each thing, gone when it is waited for no longer.

`node_activations.waits` keeps what a visit waited for last. Here is only what is waited for now, where it can be looked for.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, get_args
from uuid import UUID

from domain.ai_task import AiTaskRequested
from domain.approval import (
    ApprovalClaimed,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalOverdue,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalSentToRequester,
    ApprovalStepCompleted,
    ApprovalStepStarted,
    ApproverAdded,
)
from domain.approval.times import WHOLE, Clock, MomentKind, purpose_of, timer_of
from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationStarted,
    ActivationWaiting,
    ExecutionCompensating,
    ExecutionMigrated,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    Wait,
)
from projections import ai_agent_tasks, approval_requests, node_activations, workflow_executions
from projections.execution_items import item_of
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Lookup, Row, Table, row_with_id

NAME = "execution_waits"
BY_WAITER = ("tenant_id", "waiter_id")
BY_THING = ("tenant_id", "id")
BY_APPROVAL = ("tenant_id", "approval_id")
OWN_WORK = "gesta."
"""How the types of jobs begin that Gesta's own workers do."""


def execution_started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    if event.timeout is not None:
        _add(rows, record, record.stream_id, event.timeout, {"activation_id": None, "node_id": None})


def activation_started(rows: Rows, record: RecordedEvent, event: ActivationStarted) -> None:
    for wait in event.waits:
        _add(rows, record, event.activation_id, wait, _visit(event))


def activation_waiting(rows: Rows, record: RecordedEvent, event: ActivationWaiting) -> None:
    for row in rows.where(NAME, _of_waiter(record, event.activation_id)):
        if row["id"] in event.ended:
            _remove(rows, row)
    for wait in event.added:
        _add(rows, record, event.activation_id, wait, {**_visit(event), **_asked(rows, record, wait)})


def _visit(event: ActivationStarted | ActivationWaiting) -> Row:
    return {"activation_id": event.activation_id, "node_id": event.node_id}


def _add(rows: Rows, record: RecordedEvent, waiter_id: UUID, wait: Wait, about: Row) -> None:
    known = rows.find(NAME, record.tenant_id, waiter_id, wait.kind, wait.id)
    if known is not None:
        _remove(rows, known)
    due, item = wait.due, item_of(rows, record)
    row = {
        "waiter_id": waiter_id,
        "kind": wait.kind,
        "id": wait.id,
        "execution_id": record.stream_id if item is None else item["execution_id"],
        "item_id": None if item is None else record.stream_id,
        "item_index": None if item is None else item["item_index"],
        "about": wait.about,
        "since": record.recorded_at,
        "until": None if due is None else due.moment(record.recorded_at),
        "is_fixed": due is not None and due.at is not None,
        "paused_at": record.recorded_at if item is None and _is_paused(rows, record) else None,
        "moved_on_by": moved_on_by(wait.kind, wait.about),
        "roles": None,
        "users": None,
        "model": None,
        "job_type": wait.about if wait.kind == "job" else None,
        "event_type": wait.about if wait.kind == "event" else None,
        "workflow_key": wait.about if wait.kind == "execution" else None,
        "child_execution_id": wait.id if wait.kind == "execution" else None,
        "approval_id": None,
        **about,
    }
    rows.insert(NAME, record, row)


def _is_paused(rows: Rows, record: RecordedEvent) -> bool:
    """Work that was handed out before a pause reports during it, and its visit may wait for something else then."""
    return bool(rows.get(workflow_executions.NAME, record.tenant_id, record.stream_id)["status"] == "paused")


def moved_on_by(kind: str, about: str) -> str:
    """In words, where no more is known."""
    match kind:
        case "job" if about.startswith(OWN_WORK):
            return "A worker of Gesta's own."
        case "job":
            return f"A worker that does jobs of the type {about}."
        case "ai_task":
            return "The answer of a model."
        case "event":
            return f"An event of the type {about}."
        case "execution":
            return f"The end of a child, of the workflow {about}."
        case "foreach":
            return "The end of its items."
        case "approval":
            return "A person's decision."
        case _:
            return "Time alone."


# Who is asked ----------------------------------------------------------------------------------------------------------


def approval_requested(rows: Rows, record: RecordedEvent, event: ApprovalRequested) -> None:
    if event.activation_id is None:
        return
    who = approval_requests.assigned_to(event.outcomes)
    _tell(rows, record, event.activation_id, "approval", people(who["users"], who["roles"]))
    if event.times is not None:
        _add_moments(rows, record, Clock(WHOLE if event.steps else 1, event.times, event.due))


AskedAnew: TypeAlias = ApprovalStepStarted | ApproverAdded | ApprovalReassigned | ApprovalEscalated | ApprovalResubmitted


def approval_recalled(rows: Rows, record: RecordedEvent, _event: ApprovalRecalled | ApprovalSentToRequester) -> None:
    """Nobody moves it on but who asked, and no time."""
    _remove_moments(rows, record, lambda _about: True)
    who = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)["requested_by"]
    for row in rows.where(NAME, _of_thing(record)):
        said = {"moved_on_by": "Whoever asked, who has it back: to resubmit or withdraw it."}
        rows.note(NAME, _key(row), {**people([] if who is None else [str(who)], []), **said})


def approval_resubmitted(rows: Rows, record: RecordedEvent, event: ApprovalResubmitted) -> None:
    approval_moved(rows, record, event)
    for clock in event.clocks:
        _add_moments(rows, record, clock)


def approval_moved(rows: Rows, record: RecordedEvent, _event: AskedAnew) -> None:
    """Others are asked now: whom, its own row says by then."""
    who = rows.get(approval_requests.NAME, record.tenant_id, record.stream_id)["assigned_to"]
    for row in rows.where(NAME, _of_thing(record)):
        rows.note(NAME, _key(row), people(who["users"], who["roles"]))


# The moments of an approval ----------------------------------------------------------------------------------------------


def step_started(rows: Rows, record: RecordedEvent, event: ApprovalStepStarted) -> None:
    approval_moved(rows, record, event)
    if event.times is not None:
        _add_moments(rows, record, Clock(event.step, event.times, event.due))


def _add_moments(rows: Rows, record: RecordedEvent, clock: Clock) -> None:
    """Of the visit that waits for it, where an execution asks."""
    asks = next(iter(rows.where(NAME, _of_thing(record))), None)
    if asks is None:
        return
    shared = ("waiter_id", "execution_id", "activation_id", "item_id", "item_index", "node_id")
    for kind, number, moment in clock.to_come():
        row = {
            **{name: asks[name] for name in shared},
            "kind": "timer",
            "id": timer_of(record.stream_id, asks["execution_id"], clock, kind, number, moment).id,
            "about": purpose_of(kind, clock.step, number),
            "since": record.recorded_at,
            "until": moment.after(record.recorded_at),
            "is_fixed": moment.span is None,
            "paused_at": None,
            "moved_on_by": moved_on_by("timer", kind),
            **dict.fromkeys(("roles", "users", "model", "job_type", "event_type", "workflow_key", "child_execution_id")),
            "approval_id": record.stream_id,
        }
        rows.insert(NAME, record, row)


def reminded(rows: Rows, record: RecordedEvent, event: ApprovalReminded) -> None:
    _remove_moments(rows, record, lambda about: about == purpose_of("remind", event.step, event.number))


def overdue(rows: Rows, record: RecordedEvent, event: ApprovalOverdue) -> None:
    _remove_moments(rows, record, lambda about: about == purpose_of(event.what, event.step))


def escalated(rows: Rows, record: RecordedEvent, event: ApprovalEscalated) -> None:
    approval_moved(rows, record, event)
    place = WHOLE if event.whole else event.step
    reached = {purpose_of(kind, place, level) for kind in ESCALATIONS for level in range(1, event.level + 1)}
    _remove_moments(rows, record, lambda about: about in reached)


def taken_on(rows: Rows, record: RecordedEvent, event: ApprovalClaimed | ApprovalDecided) -> None:
    """What only comes where nobody has taken it on."""
    places = {str(event.step), str(WHOLE)}
    _remove_moments(rows, record, lambda about: _kind(about) in IF_NOT_TAKEN_ON and _place(about) in places)


def step_completed(rows: Rows, record: RecordedEvent, event: ApprovalStepCompleted) -> None:
    _remove_moments(rows, record, lambda about: _place(about) == str(event.step))


def returned(rows: Rows, record: RecordedEvent, event: ApprovalReturned) -> None:
    places = {str(step) for step in event.steps}
    _remove_moments(rows, record, lambda about: _place(about) in places)


ESCALATIONS: tuple[MomentKind, ...] = ("escalate", "escalate_unstarted")
IF_NOT_TAKEN_ON = ("start", "escalate_unstarted")


def _kind(about: str) -> str:
    return about.partition(" ")[0]


def _place(about: str) -> str:
    return about.partition(" ")[2].partition(".")[0]


def _remove_moments(rows: Rows, record: RecordedEvent, is_past: Callable[[str], bool]) -> None:
    for row in rows.where(NAME, _of_approval(record)):
        if is_past(row["about"]):
            _remove(rows, row)


def ai_task_requested(rows: Rows, record: RecordedEvent, event: AiTaskRequested) -> None:
    if event.activation_id is not None:
        _tell(rows, record, event.activation_id, "ai_task", answering(event.model))


def _tell(rows: Rows, record: RecordedEvent, waiter_id: UUID, kind: str, changes: Row) -> None:
    """What a visit waits for was opened: usually right after the visit began."""
    key = (record.tenant_id, waiter_id, kind, record.stream_id)
    if rows.find(NAME, *key) is not None:
        rows.note(NAME, key, changes)


def _asked(rows: Rows, record: RecordedEvent, wait: Wait) -> Row:
    """What was opened before the visit was recorded to wait for it."""
    if wait.kind == "approval" and (request := rows.find(approval_requests.NAME, record.tenant_id, wait.id)) is not None:
        return people(request["assigned_to"]["users"], request["assigned_to"]["roles"])
    if wait.kind == "ai_task" and (task := rows.find(ai_agent_tasks.NAME, record.tenant_id, wait.id)) is not None:
        return answering(task["model"])
    return {}


def people(users: list[str], roles: list[str]) -> Row:
    named = [f"the role {role}" for role in roles]
    if users:
        named.append("one person" if len(users) == 1 else f"one of {len(users)} people")
    *others, last = named or ["any member who may decide approvals"]
    words = f"A decision by {', '.join(others)} or {last}." if others else f"A decision by {last}."
    return {"users": [UUID(user) for user in users], "roles": roles, "moved_on_by": words}


def answering(model: str) -> Row:
    return {"model": model, "moved_on_by": f"The answer of the model {model}."}


# What ends, and what is held -------------------------------------------------------------------------------------------


def activation_ended(rows: Rows, record: RecordedEvent, event: node_activations.AnyEnd) -> None:
    for row in rows.where(NAME, _of_waiter(record, event.activation_id)):
        _remove(rows, row)


def compensating(rows: Rows, record: RecordedEvent, _event: ExecutionCompensating) -> None:
    """Its own time is no longer limited. Its visits end by events of their own."""
    for row in rows.where(NAME, _of_waiter(record, record.stream_id)):
        _remove(rows, row)


def execution_ended(rows: Rows, record: RecordedEvent, _event: workflow_executions.AnyEnd) -> None:
    """Also what items of a foreach wait for that are yet to be given up."""
    for row in rows.where(NAME, _of_execution(record)):
        _remove(rows, row)


def execution_paused(rows: Rows, record: RecordedEvent, _event: ExecutionPaused) -> None:
    for row in rows.where(NAME, _of_execution(record)):
        rows.note(NAME, _key(row), {"paused_at": record.recorded_at})


def execution_resumed(rows: Rows, record: RecordedEvent, _event: ExecutionResumed) -> None:
    """What was left of a time is left again."""
    for row in rows.where(NAME, _of_execution(record)):
        until, paused_at = row["until"], row["paused_at"]
        if until is not None and paused_at is not None and not row["is_fixed"]:
            until += record.recorded_at - paused_at
        rows.note(NAME, _key(row), {"paused_at": None, "until": until})


def execution_migrated(rows: Rows, record: RecordedEvent, event: ExecutionMigrated) -> None:
    """What is waited for stays the same, at nodes that may be called otherwise."""
    for row in rows.where(NAME, _of_execution(record)):
        to = event.nodes.get(row["node_id"])
        if to is not None and row["item_id"] is None:
            rows.note(NAME, _key(row), {"node_id": to})


def _remove(rows: Rows, row: Row) -> None:
    rows.delete(NAME, _key(row))


def _key(row: Row) -> tuple[object, ...]:
    return (row["tenant_id"], row["waiter_id"], row["kind"], row["id"])


def _of_waiter(record: RecordedEvent, waiter_id: UUID) -> Lookup:
    return Lookup(BY_WAITER, (record.tenant_id, waiter_id))


def _of_execution(record: RecordedEvent) -> Lookup:
    return Lookup(BY_EXECUTION, (record.tenant_id, record.stream_id))


def _of_thing(record: RecordedEvent) -> Lookup:
    """What waits for a stream that was opened."""
    return Lookup(BY_THING, (record.tenant_id, record.stream_id))


def _of_approval(record: RecordedEvent) -> Lookup:
    """Its moments."""
    return Lookup(BY_APPROVAL, (record.tenant_id, record.stream_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    if isinstance(event, ActivationWaiting):
        return (_of_waiter(record, event.activation_id), *_asked_before(record, event.added))
    if isinstance(event, node_activations.AnyEnd | ApprovalRequested | AiTaskRequested):
        return () if event.activation_id is None else (_of_waiter(record, event.activation_id), _of_thing(record))
    if isinstance(event, AskedAnew | ApprovalRecalled | ApprovalSentToRequester):
        request = row_with_id(record, record.stream_id)._replace(table=approval_requests.NAME)
        return (_of_thing(record), _of_approval(record), request)
    if isinstance(event, MOMENTS_PASS):
        return (_of_approval(record),)
    if isinstance(event, ExecutionCompensating):
        return (_of_waiter(record, record.stream_id),)
    if isinstance(event, workflow_executions.AnyEnd | ExecutionPaused | ExecutionResumed | ExecutionMigrated):
        return (_of_execution(record),)
    return ()


MOMENTS_PASS = ApprovalReminded | ApprovalOverdue | ApprovalClaimed | ApprovalDecided | ApprovalStepCompleted | ApprovalReturned
ASKED = {"approval": approval_requests.NAME, "ai_task": ai_agent_tasks.NAME}


def _asked_before(record: RecordedEvent, waits: Iterable[Wait]) -> Iterator[Lookup]:
    for wait in waits:
        if wait.kind in ASKED:
            yield row_with_id(record, wait.id)._replace(table=ASKED[wait.kind])


TABLE = Table(
    name=NAME,
    key=("tenant_id", "waiter_id", "kind", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "waiter_id": Column("uuid", "What waits: a visit of a node, or the execution itself, for the time that it may take."),
        "kind": Column("text", "What for: job, timer, approval, ai_task, execution, event or foreach."),
        "id": Column("uuid", "The id of that: of the job, the timer, the approval request, the AI task, the child …"),
        "execution_id": Column("uuid", "The execution."),
        "activation_id": Column("uuid", "The visit that waits, in node_activations; null where it is the execution.", null=True),
        "item_id": Column("uuid", "The foreach's item that the visit belongs to; null outside of a foreach.", null=True),
        "item_index": Column("integer", "That item's place in the list, from 0.", null=True),
        "node_id": Column("text", "The node that is visited.", null=True),
        "about": Column(
            "text",
            "A job's type, what a timer is for, an event's type, a child's workflow; of an approval that has moments: timed. Of "
            "a moment of an approval: remind 1.2 is the second reminder of the first step, 0 is the whole of one in steps.",
        ),
        "since": Column("timestamptz", "Since when it is waited for, by the database's clock."),
        "until": Column(
            "timestamptz",
            "When a timer fires; null of all else. While the execution is paused, as it was then: what is left of it counts from "
            "when that is resumed.",
            null=True,
        ),
        "is_fixed": Column("boolean", "Whether the moment was named, so that no pause moves it."),
        "paused_at": Column("timestamptz", "Since when it is held, because the execution is paused.", null=True),
        "moved_on_by": Column("text", "Who or what can move it on, in words."),
        "roles": Column("text[]", "Of an approval: the roles that may decide, by key.", null=True),
        "users": Column(
            "uuid[]",
            "Of an approval: the people who may decide. Where there are neither roles nor users: every member who may decide "
            "approvals.",
            null=True,
        ),
        "model": Column("text", "Of an AI task: the model that is asked.", null=True),
        "job_type": Column("text", "Of a job: its type.", null=True),
        "event_type": Column("text", "Of an event: its type.", null=True),
        "workflow_key": Column("text", "Of a child: the workflow that it runs.", null=True),
        "child_execution_id": Column("uuid", "Of a child: its id.", null=True),
        "approval_id": Column("uuid", "Of a moment of an approval request: the request.", null=True),
    },
    appliers={
        ExecutionStarted: execution_started,
        ActivationStarted: activation_started,
        ActivationWaiting: activation_waiting,
        **dict.fromkeys(get_args(node_activations.AnyEnd), activation_ended),
        ApprovalRequested: approval_requested,
        ApprovalStepStarted: step_started,
        ApprovalStepCompleted: step_completed,
        ApprovalReturned: returned,
        ApprovalClaimed: taken_on,
        ApprovalDecided: taken_on,
        ApprovalReminded: reminded,
        ApprovalEscalated: escalated,
        ApprovalOverdue: overdue,
        ApproverAdded: approval_moved,
        ApprovalReassigned: approval_moved,
        ApprovalRecalled: approval_recalled,
        ApprovalSentToRequester: approval_recalled,
        ApprovalResubmitted: approval_resubmitted,
        AiTaskRequested: ai_task_requested,
        ExecutionPaused: execution_paused,
        ExecutionResumed: execution_resumed,
        ExecutionMigrated: execution_migrated,
        ExecutionCompensating: compensating,
        **dict.fromkeys(get_args(workflow_executions.AnyEnd), execution_ended),
    },
    rows_needed=rows_needed,
    lookups=(BY_WAITER, BY_EXECUTION, BY_THING, BY_APPROVAL),
)
