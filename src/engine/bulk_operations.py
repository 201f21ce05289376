"""What a bulk operation does to one execution: the decision of the single command, made for whoever asked for the operation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.access import Rights
from domain.bulk_operation import BULK_OPERATION, Action, BulkOperationRequested, Member
from domain.execution import EXECUTION, ExecutionFailed, ExecutionStarted
from domain.facts import Decided, Event, FieldError, Invalid, Json, NotFound, Refusal, RuleViolation, View
from domain.workflow import WORKFLOW, WORKFLOW_KEY
from engine import executions, forking, migrating
from engine.context import Engine
from engine.labels import checked
from engine.starting import UnknownVersion, version_of

PERMISSIONS: dict[Action, str] = {
    **dict.fromkeys(("cancel", "terminate", "pause", "resume", "signal", "fork", "migrate"), "executions:control"),
    "start": "executions:start",
}
"""What the action needs, as the single command does."""
DONE_WITH = (
    executions.ExecutionClosed,
    executions.ExecutionIsPaused,
    executions.ExecutionIsCompensating,
    executions.NotPaused,
)
"""What speaks against an action where there is nothing to be done any more."""


class OperationOver(Exception):
    """The bulk operation was cancelled, or has stopped: nothing further is acted on."""


class NothingToDo(Exception):
    """The execution does not need the action any more, or never did."""


@dataclass(frozen=True)
class Origin:
    """What the ledger holds of the execution that something is started from. `seed`: where a fork begins."""

    started: ExecutionStarted | None = None
    seed: forking.Seed | None = None
    node_id: str | None = None


def failed_node(last: Event) -> str:
    """The node at which an execution failed, by its last event. Raises NothingToDo where it has not failed, Invalid for none."""
    if not isinstance(last, ExecutionFailed):
        raise NothingToDo
    if last.node_id is None:
        raise Invalid("It failed at no node: say from which one to fork it.", "/node_id")
    return last.node_id


def act(view: View, engine: Engine, operation_id: UUID, member: Member, origin: Origin, who: Rights) -> Decided:
    """Act on one of them. result {id, existing}: of the execution that this came to.

    Raises OperationOver, NothingToDo, and what the single command refuses.
    """
    operation = view.read(BULK_OPERATION, operation_id)
    if operation.status != "running" or operation.requested is None:
        raise OperationOver
    asked = operation.requested
    try:
        decided = _act(view, engine, operation_id, asked, member, origin, who)
    except DONE_WITH:
        raise NothingToDo from None
    if decided.result.get("existing"):
        raise NothingToDo
    return replace(decided, result={"id": decided.result["id"]})


def _act(
    view: View,
    engine: Engine,
    operation_id: UUID,
    asked: BulkOperationRequested,
    member: Member,
    origin: Origin,
    who: Rights,
) -> Decided:
    options: dict[str, Json] = asked.options or {}
    if asked.action == "start":
        return _start(view, engine, operation_id, options, member, origin, who)
    id = member.execution_id
    assert id is not None, "only what is to be started has none"
    match asked.action:
        case "cancel":
            return executions.cancel(view, engine, id, asked.reason, who.user_id)
        case "terminate":
            return executions.terminate(view, engine, id, asked.reason, who.user_id)
        case "pause":
            return executions.pause(view, engine, id, asked.reason)
        case "resume":
            return executions.resume(view, engine, id, asked.reason)
        case "signal":
            return executions.signal(view, engine, id, options["name"], options.get("payload"))
        case "fork":
            return _fork(view, engine, operation_id, options, member, origin, who)
        case "migrate":
            return _migrate(view, engine, id, options["to_version"], options.get("mapping") or {}, asked.reason)
        case _:
            assert_never(asked.action)


def require_startable(view: View, workflow_key: str, version: int | None) -> None:
    """Raises what a start would be refused for whatever its input is."""
    workflow_id = view.owner(WORKFLOW_KEY, workflow_key)
    if workflow_id is None:
        raise Invalid("There is no such workflow.", "/workflow_key")
    version_of(view.read(WORKFLOW, workflow_id), version)


def require_version(view: View, workflow_ids: Iterable[UUID], to_version: int) -> None:
    """Raises UnknownVersion where one of the workflows does not have it."""
    for workflow_id in workflow_ids:
        workflow = view.read(WORKFLOW, workflow_id)
        if to_version not in workflow.versions:
            detail = f"The workflow {workflow.key} has no version {to_version}."
            raise UnknownVersion(detail, "/to_version", (FieldError("/to_version", "unknown_version", detail),))


def forecast(view: View, engine: Engine, execution_id: UUID, to_version: int, mapping: Mapping[str, str]) -> Decided:
    """What a migration of one of them would come to now; writes nothing.

    result {execution_id, outcome, code, message, obstacles}: outcome is done, skipped or failed, as the operation would count it.
    """

    def told(outcome: str, refused: Refusal | None = None) -> Decided:
        why = (None, None) if refused is None else (refused.code, refused.message)
        faults = () if refused is None else refused.errors
        obstacles = [{"path": each.path, "code": each.code, "message": each.message} for each in faults[: migrating.MOST_TOLD]]
        result = {
            "execution_id": str(execution_id),
            "outcome": outcome,
            "code": why[0],
            "message": why[1],
            "obstacles": obstacles,
        }
        return Decided(result=result)

    try:
        _migrate(view, engine, execution_id, to_version, mapping)
    except (NothingToDo, *DONE_WITH):
        return told("skipped")
    except (RuleViolation, NotFound, Invalid) as refused:
        return told("failed", refused)
    return told("done")


def _migrate(
    view: View, engine: Engine, execution_id: UUID, to_version: int, mapping: Mapping[str, str], reason: str | None = None
) -> Decided:
    """One that runs the version already has nodes that are called otherwise: to it, the mapping says nothing."""
    state = view.read(EXECUTION, execution_id)
    if state.item is None and state.started is not None and state.started.workflow_version == to_version:
        raise NothingToDo
    return migrating.migrate(view, engine, execution_id, to_version, mapping, reason=reason)


def _fork(
    view: View,
    engine: Engine,
    operation_id: UUID,
    options: dict[str, Json],
    member: Member,
    origin: Origin,
    who: Rights,
) -> Decided:
    assert member.execution_id is not None
    return forking.fork(
        view,
        engine,
        member.execution_id,
        origin.node_id or "",
        origin.seed,
        input=options.get("input"),
        version=options.get("version"),
        business_key=_business_key(options, origin.started),
        created_by=who.user_id,
        behind=tuple(sorted(who.behind)),
        execution_id=member.started_id(operation_id),
    )


def _start(
    view: View,
    engine: Engine,
    operation_id: UUID,
    options: dict[str, Json],
    member: Member,
    origin: Origin,
    who: Rights,
) -> Decided:
    """As `item` says, or anew as the execution was started."""
    on_conflict = options.get("on_conflict", "reject")
    if on_conflict == "replace":
        who.require("executions:control")
    told: dict[str, Json] = {"bulk_operation_id": str(operation_id)}
    behind = tuple(sorted(who.behind))
    if member.execution_id is None:
        key, item = options["workflow_key"], member.item
    elif origin.started is None:
        raise executions.NoSuchExecution
    else:
        started = origin.started
        behind = forking.also_asked(started, who.user_id, behind)
        key, told = started.workflow_key, {**told, "execution_id": str(member.execution_id)}
        item = {
            "input": started.input,
            "labels": started.labels or {},
            "business_key": _business_key(options, started),
            "priority": started.priority,
        }
    workflow_id = view.owner(WORKFLOW_KEY, key)
    if workflow_id is None:
        raise Invalid("There is no such workflow.", "/workflow_key")
    business_key = item.get("business_key")
    return executions.start(
        view,
        engine,
        workflow_id=workflow_id,
        input=item["input"],
        version=options.get("version"),
        business_key=business_key,
        priority=item.get("priority", 0),
        created_by=who.user_id,
        behind=behind,
        trigger_data=told,
        on_conflict=on_conflict if business_key is not None else "reject",
        labels=checked(item.get("labels") or {}),
        execution_id=member.started_id(operation_id),
    )


def _business_key(options: dict[str, Json], started: ExecutionStarted | None) -> str | None:
    return started.business_key if started is not None and options.get("keep_business_key") else None
