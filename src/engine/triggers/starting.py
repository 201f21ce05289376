"""A trigger starts an execution, or says why it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from domain.execution import EXECUTION, TriggerType
from domain.facts import Decided, Invalid, Json, NotFound, RuleViolation, View
from domain.trigger import Trigger
from engine.context import Engine
from engine.executions import start
from engine.expressions import Budgeted, ExpressionError, resolve
from engine.triggers import BY_NAME

LONGEST_KEY = 255


class MappingFailed(Invalid):
    """The trigger's input cannot be made of what is given."""

    code = "expression_error"


@dataclass(frozen=True)
class Start:
    """What an execution is to be started with. `about`: what it remembers of its trigger; `scheduled_at`: the schedule's time.

    `freed`: an execution whose business key is as good as free: the same command ends it. `event_depth`: of the event. `input`:
    as it is; None: as the trigger makes it.
    """

    trigger_id: UUID
    state: Trigger
    execution_id: UUID
    variables: Mapping[str, Json]
    about: Json = None
    scheduled_at: datetime | None = None
    by_hand: bool = False
    created_by: UUID | None = None
    behind: tuple[UUID, ...] = ()
    correlation_id: UUID | None = None
    freed: UUID | None = None
    event_depth: int | None = None
    input: Json = None


@dataclass(frozen=True)
class Attempt:
    """`decided`: of the execution, where one was started; `code`, `message`: why not."""

    outcome: Literal["started", "skipped", "failed"]
    decided: Decided | None = None
    code: str | None = None
    message: str | None = None

    @property
    def live(self) -> bool:
        return self.decided is not None and self.decided.result["status"] in ("running", "paused")


def is_wanted(view: View, engine: Engine, state: Trigger, variables: Mapping[str, Json]) -> bool:
    """Whether its `when` holds. One that fails does not: what it reads is not there."""
    when = state.config.get("when")
    if when is None:
        return True
    try:
        return engine.evaluator.evaluate_bool(when, variables, view.effort)
    except ExpressionError:
        return False


def attempt(view: View, engine: Engine, wanted: Start) -> Attempt:
    """Start it. What the rules refuse is an outcome, too: nobody is there to be told."""
    try:
        key = _business_key(view, engine, wanted)
        holder = None if key is None else view.owner(f"execution.business_key:{wanted.state.workflow_id}", key)
        if holder is not None and holder != wanted.freed:
            return Attempt("skipped", code="business_key_taken", message=f"An execution with the business key {key} is not over.")
        return Attempt("started", begin(view, engine, wanted, key))
    except (RuleViolation, Invalid, NotFound) as refusal:
        return Attempt("failed", code=refusal.code, message=_message(refusal))


def run_by_hand(view: View, engine: Engine, wanted: Start) -> Decided:
    """The same, for somebody who is told. Raises what the rules refuse."""
    return begin(view, engine, wanted, _business_key(view, engine, wanted))


def begin(view: View, engine: Engine, wanted: Start, business_key: str | None) -> Decided:
    spec = BY_NAME[wanted.state.type]
    config = wanted.state.config
    input = _resolved(view, engine, config.get("input", spec.usual_input), wanted) if wanted.input is None else wanted.input
    kind: TriggerType = "manual" if wanted.by_hand else spec.starts_as
    return start(
        view,
        engine,
        workflow_id=wanted.state.workflow_id,
        input=input,
        execution_id=wanted.execution_id,
        business_key=business_key,
        priority=config.get("priority", 0),
        created_by=wanted.created_by,
        behind=wanted.behind,
        correlation_id=wanted.correlation_id,
        trigger_type=kind,
        trigger_data=wanted.about,
        trigger_id=wanted.trigger_id,
        scheduled_at=wanted.scheduled_at,
        event_depth=wanted.event_depth,
    )


def is_started(view: View, execution_id: UUID) -> bool:
    return view.read(EXECUTION, execution_id) != EXECUTION.initial


def _business_key(view: View, engine: Engine, wanted: Start) -> str | None:
    config = wanted.state.config
    if "business_key" not in config:
        return None
    key = _resolved(view, engine, config["business_key"], wanted)
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise MappingFailed(f"business_key must be a text of 1 to {LONGEST_KEY} characters", "/business_key")
    return key


def _resolved(view: View, engine: Engine, config: Json, wanted: Start) -> Json:
    try:
        variables = {**wanted.variables, "tenant": {"id": str(view.tenant_id)}}
        return resolve(config, Budgeted(engine.evaluator, view.effort), variables)
    except ExpressionError as error:
        raise MappingFailed(f"{error} in {error.source}" if error.source else str(error)) from error


def _message(refusal: RuleViolation | Invalid | NotFound) -> str:
    """With the first field at fault."""
    fault = next(iter(refusal.errors), None)
    if fault is None or fault.message in refusal.message:
        return refusal.message
    return f"{refusal.message} {fault.path}: {fault.message}"
