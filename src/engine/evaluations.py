"""Evaluations, decided: a suite is checked and started; each run is asked for, judged, and recorded by what is on record of it.

Ids follow from the evaluation and the run, so whoever goes on with one, and however often, asks for nothing twice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any
from uuid import UUID

from domain import evaluation
from domain.ai_task import AI_TASK, AiTask
from domain.evaluation import (
    EVALUATION,
    Evaluation,
    EvaluationResultRecorded,
    Spent,
    judge_id_of,
    require_budget,
    require_running,
    run_id_of,
)
from domain.evaluation.deciding import told
from domain.facts import Decided, FieldError, Invalid, Json, NotFound, View
from domain.prompt import KEY
from domain.retry import Failure
from domain.storable import require_storable, storable_text
from domain.usage_report import CURRENCY
from engine import own_ai_tasks
from engine.context import Engine
from engine.evaluation_checks import JUDGE, asked_judge, check_faults, judged, spent_by, verdict_of
from engine.evaluation_runs import OF_VARIANT, past_task, require_askable, wanted
from engine.expressions import Budgeted
from engine.own_ai_tasks import Wanted
from engine.prompt_references import secrets_in
from engine.prompts import pinned
from engine.triggers.changing import joined

MOST_CASES, MOST_PAST, MOST_VARIANTS, MOST_CHECKS, MOST_REPEATS = 500, 100, 20, 20, 50
MOST_RUNS = 2_000
MOST_CHARACTERS = 500_000
"""Of a suite, as JSON."""
MOST_AMOUNT = Decimal(10**10)


@dataclass(frozen=True)
class Asker:
    """Who asks for the tasks; `behind`: who does so on their behalf."""

    by: UUID | None = None
    behind: tuple[UUID, ...] = ()


NOBODY = Asker()


# Starting ----------------------------------------------------------------------------------------------------------------


def start(
    view: View,
    engine: Engine,
    name: str,
    suite: Mapping[str, Any],
    *,
    description: str | None = None,
    asker: Asker = NOBODY,
) -> Decided:
    """`suite`: {cases, variants, checks, thresholds?, tools?, repeat, concurrency, budget?}, each thing with its name.

    result {id, name, status, planned, recorded, version}. Raises Invalid, each field named.
    """
    cases, variants = suite["cases"], suite["variants"]
    if sum("from_task" in case for case in cases) > MOST_PAST:
        raise Invalid(f"A suite has at most {MOST_PAST} cases that are past tasks.", "/cases")
    past = [past_task(view, case, f"/cases/{place}") for place, case in enumerate(cases)]
    _require(_plain_faults(suite))
    require_storable(dict(suite))
    variants = [_pinned(view, each, cases, f"/variants/{place}") for place, each in enumerate(variants)]
    suite, evaluator = {**suite, "variants": variants}, Budgeted(engine.evaluator, view.effort)
    for place, check in enumerate(suite["checks"]):
        path = f"/checks/{place}"
        _require(_below(path, check_faults(check, evaluator)))
        if check["type"] == JUDGE:
            _try(view, engine, asked_judge(name, check, cases[0], cases[0].get("input"), ""), asker, path)
    for place, variant in enumerate(variants):
        path = f"/variants/{place}"
        for at, case in enumerate(cases):
            with _within(path):
                require_askable(variant, case, past[at])
        with _within(path):
            asked = wanted(name, suite, variant, cases[0], past[0])
        _try(view, engine, asked, asker, path)
    return evaluation.start(view, view.new_id(), name, suite, description=description, by=asker.by)


@contextmanager
def _within(path: str) -> Iterator[None]:
    try:
        yield
    except Invalid as refused:
        raise Invalid(refused.message, path + (refused.path or "")) from None


def _try(view: View, engine: Engine, asked: Wanted, asker: Asker, path: str) -> None:
    """Whether it would be taken, and nothing more. Raises Invalid."""
    try:
        own_ai_tasks.request(view, engine, asked, by=asker.by, behind=asker.behind)
    except Invalid as refused:
        errors = tuple(_below(path, refused.errors))
        raise Invalid(refused.message, path + (refused.path or ""), errors) from None


def _pinned(view: View, variant: Mapping[str, Json], cases: Sequence[Mapping[str, Json]], path: str) -> Json:
    """With the version of its prompt that is current now. Values of sensitive variables would be on record: they are refused."""
    prompt = variant.get("prompt")
    if not isinstance(prompt, dict) or not isinstance(prompt.get("key"), str) or not KEY.fullmatch(prompt["key"]):
        return variant
    version = prompt.get("version")
    try:
        found = pinned(view, prompt["key"], version if isinstance(version, int) else None)
    except Invalid as refused:
        raise Invalid(refused.message, f"{path}/prompt") from None
    places = [(f"{path}/prompt/variables", prompt), *((f"/cases/{at}/variables", case) for at, case in enumerate(cases))]
    for place, written in places:
        given = written.get("variables")
        names = found.content.sensitive & (given if isinstance(given, dict) else {}).keys() - secrets_in(written).keys()
        for each in sorted(names):
            message = f'The variable {each} is sensitive, and a suite is on record: name a secret, {{"secret": name}}.'
            raise Invalid(message, f"{place}/{each}")
    return {**variant, "prompt": {**prompt, "version": found.ref.version}}


def _plain_faults(suite: Mapping[str, Any]) -> Iterator[FieldError]:
    for kind in ("cases", "variants", "checks"):
        seen = set[str]()
        for place, each in enumerate(suite[kind]):
            if each["name"] in seen:
                yield FieldError(f"/{kind}/{place}/name", "duplicate_name", f"Another one has the name {each['name']}.")
            seen.add(each["name"])
    for place, variant in enumerate(suite["variants"]):
        for field in sorted(variant.keys() - {"name", "thresholds", *OF_VARIANT}):
            yield FieldError(f"/variants/{place}/{field}", "unknown_field", f"A variant has no field {field}.")
    runs = len(suite["cases"]) * len(suite["variants"]) * suite["repeat"]
    if runs > MOST_RUNS:
        message = f"{runs} runs are more than {MOST_RUNS}: so many are cases × variants × repeat."
        yield FieldError("/cases", "too_many", message)
    if len(json.dumps(suite)) > MOST_CHARACTERS:
        yield FieldError("/cases", "too_large", f"A suite has at most {MOST_CHARACTERS} characters, as JSON.")
    for path, each in (("", suite), *((f"/variants/{place}", one) for place, one in enumerate(suite["variants"]))):
        cost = (each.get("thresholds") or {}).get("mean_cost")
        if cost is not None:
            yield from _amount_faults(cost, f"{path}/thresholds/mean_cost")
    if suite.get("budget") is not None:
        yield from _amount_faults(suite["budget"], "/budget")
    for place, check in enumerate(suite["checks"]):
        if check["type"] == JUDGE and "output_schema" in check:
            yield FieldError(f"/checks/{place}/output_schema", "unknown_field", "The verdict of a judge has its own shape.")


def _amount_faults(money: Mapping[str, Json], path: str) -> Iterator[FieldError]:
    try:
        amount = Decimal(str(money["amount"]))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount < MOST_AMOUNT:
        yield FieldError(f"{path}/amount", "invalid_value", "An amount is a number from 0 to less than ten thousand millions.")
    if not CURRENCY.fullmatch(str(money["currency"])):
        yield FieldError(f"{path}/currency", "invalid_value", "A currency is three letters, as EUR.")


def _require(found: Iterator[FieldError]) -> None:
    faults = tuple(found)
    if faults:
        raise Invalid(faults[0].message, faults[0].path, faults)


def _below(path: str, faults: Iterator[FieldError] | Sequence[FieldError]) -> Iterator[FieldError]:
    return (FieldError(path + each.path, each.code, each.message) for each in faults)


# Runs --------------------------------------------------------------------------------------------------------------------


def go_on(
    view: View, engine: Engine, evaluation_id: UUID, variant: str, case: str, repeat: int, asker: Asker = NOBODY
) -> Decided:
    """What is next of this run: its task is asked for, its judges are, or what came of it is recorded.

    result: as of `start`, and `run`: {state, task_id, waits_for, passed}: running or judging as long as there are tasks to wait
    for, then recorded. Raises NotFound, Invalid where there is no such run, and what refuses the task.
    """
    state, task_id = _evaluation(view, evaluation_id), run_id_of(evaluation_id, variant, case, repeat)
    known = state.results.get(task_id)
    if known is not None:
        return _told(view, evaluation_id, state, _run("recorded", task_id, passed=known.passed))
    require_running(view, evaluation_id)
    of_variant = _named(state.suite["variants"], variant, "variant")
    of_case = _named(state.suite["cases"], case, "case")
    if not 1 <= repeat <= state.suite["repeat"]:
        raise Invalid(f"A run's number is from 1 to {state.suite['repeat']}.", "/repeat")
    task = view.read(AI_TASK, task_id)
    if task.requested is None:
        require_budget(state)
        try:
            asked = wanted(state.name, state.suite, of_variant, of_case, past_task(view, of_case, "/case"))
            begun = _asked(view, engine, evaluation_id, {task_id: asked}, asker)
        except Invalid as refused:  # by a guard of the input, or as a value that a prompt does not take
            error = Failure("refused", storable_text(refused.message), retryable=False)
            event = EvaluationResultRecorded(variant, case, repeat, task_id, "failed", False, (), Spent(), error=error)
            return _recorded(view, evaluation_id, state, event)
        return replace(begun, result=_told(view, evaluation_id, state, _run("running", task_id, (task_id,))).result)
    if not task.closed:
        return _told(view, evaluation_id, state, _run("running", task_id, (task_id,)))
    judges = {judge_id_of(task_id, check["name"]): check for check in _judging(state, task)}
    found = {id: view.read(AI_TASK, id) for id in judges}
    waits = tuple(id for id, judge in found.items() if not judge.closed)
    if waits:
        missing = {
            id: asked_judge(state.name, judges[id], of_case, task.requested.input, task.output)
            for id in waits
            if found[id].requested is None
        }
        begun = _asked(view, engine, evaluation_id, missing, asker)
        return replace(begun, result=_told(view, evaluation_id, state, _run("judging", task_id, waits)).result)
    event = _result(view, engine, state, (variant, of_case, repeat), task_id, task, found)
    return _recorded(view, evaluation_id, state, event)


def _recorded(view: View, evaluation_id: UUID, state: Evaluation, event: EvaluationResultRecorded) -> Decided:
    done = evaluation.record(view, evaluation_id, state, event)
    return replace(done, result={**done.result, "run": _run("recorded", event.task_id, passed=event.passed)})


def _result(
    view: View,
    engine: Engine,
    state: Evaluation,
    run: tuple[str, Mapping[str, Json], int],
    task_id: UUID,
    task: AiTask,
    judges: Mapping[UUID, AiTask],
) -> EvaluationResultRecorded:
    (variant, case, repeat), evaluator = run, Budgeted(engine.evaluator, view.effort)
    verdicts = (
        tuple(
            judged(check, task_id, judges[judge_id_of(task_id, check["name"])])
            if check["type"] == JUDGE
            else verdict_of(check, case, task, evaluator)
            for check in state.suite["checks"]
        )
        if task.status == "completed"
        else ()
    )
    assert task.status in ("completed", "failed", "cancelled"), "it is closed"
    return EvaluationResultRecorded(
        variant,
        case["name"],
        repeat,
        task_id,
        task.status,
        task.status == "completed" and all(each.verdict == "pass" for each in verdicts),
        verdicts,
        spent_by(task),
        reduce(Spent.__add__, map(spent_by, judges.values()), Spent()),
        task.error,
    )


def _judging(state: Evaluation, task: AiTask) -> list[Mapping[str, Any]]:
    """Nobody judges what failed."""
    return [check for check in state.suite["checks"] if check["type"] == JUDGE] if task.status == "completed" else []


def _asked(view: View, engine: Engine, evaluation_id: UUID, tasks: Mapping[UUID, Wanted], asker: Asker) -> Decided:
    about: Any = {"by": asker.by, "behind": asker.behind, "correlation_id": evaluation_id}
    return joined(
        Decided(correlation_id=evaluation_id),
        *(own_ai_tasks.request(view, engine, each, task_id=id, **about) for id, each in tasks.items()),
    )


def _evaluation(view: View, evaluation_id: UUID) -> Evaluation:
    state = view.read(EVALUATION, evaluation_id)
    if state.status == "absent":
        raise NotFound
    return state


def _named(things: Sequence[Mapping[str, Json]], name: str, kind: str) -> Mapping[str, Json]:
    found = next((each for each in things if each["name"] == name), None)
    if found is None:
        raise Invalid(f"The evaluation has no {kind} {name}.", f"/{kind}")
    return found


def _told(view: View, evaluation_id: UUID, state: Evaluation, run: Json) -> Decided:
    return Decided(result={**told(evaluation_id, state, view.version(evaluation_id)), "run": run})


def _run(state: str, task_id: UUID, waits_for: Sequence[UUID] = (), *, passed: bool | None = None) -> Json:
    return {"state": state, "task_id": str(task_id), "waits_for": [str(each) for each in waits_for], "passed": passed}
