"""What can be asked of Gesta: each call once, as a flow. `Client` and `AsyncClient` have them as methods."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from client.errors import ApiError, Invalid, StillPending, StillRunning, from_problem
from client.models import (
    Approval,
    ApprovalResult,
    BulkOperation,
    BulkPreview,
    DecisionResult,
    EnqueuedJob,
    EnqueuedResult,
    Exchange,
    Execution,
    ExecutionResult,
    Job,
    Json,
    MigrationPreview,
    NextJobs,
    Page,
    Report,
    Workflow,
)
from client.protocol import PATIENCE_SECONDS, Flow, Pause, command, get, order, part, usual_pause, will_pass

LONGEST_WAIT = 30
"""Seconds that one request waits for an execution's end. A longer wait is several requests."""


# Executions


def start(
    workflow_key: str,
    input: Mapping[str, Any] | None = None,
    *,
    business_key: str | None = None,
    version: int | None = None,
    priority: int = 0,
    on_conflict: Literal["reject", "return", "replace"] = "reject",
    labels: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Flow[ExecutionResult]:
    """Start an execution of a published workflow.

    Where one with this business key runs: raises Conflict, answers how that one stands, or cancels it and starts another.
    """
    body = {
        "workflow_key": workflow_key,
        "input": dict(input or {}),
        "business_key": business_key,
        "version": version,
        "priority": priority,
        **({} if on_conflict == "reject" else {"on_conflict": on_conflict}),
        **({"labels": dict(labels)} if labels else {}),
    }
    return ExecutionResult.of((yield from command("/executions", body, idempotency_key=idempotency_key)))


def execution(id: str) -> Flow[Execution]:
    """An execution, as of all that was done before the call. Raises NotFound."""
    return Execution.of((yield from get(f"/executions/{part(id)}")))


def wait(id: str, seconds: float = 60.0) -> Flow[Execution]:
    """The execution once it has ended. Raises StillRunning where it has not in so many seconds."""
    until = time.monotonic() + seconds
    while True:
        left = max(0, min(LONGEST_WAIT, round(until - time.monotonic())))
        found = Execution.of((yield from get(f"/executions/{part(id)}", {"wait": left}, left)))
        if found.ended:
            return found
        if time.monotonic() >= until or left == 0:
            raise StillRunning(found)


def executions(
    *,
    status: str | None = None,
    workflow_key: str | None = None,
    business_key: str | None = None,
    node_id: str | None = None,
    attributes: Mapping[str, str] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Flow[Page[Execution]]:
    """A page of executions, the newest first. `attributes`: search attributes by name."""
    params = {
        "status": status,
        "workflow_key": workflow_key,
        "business_key": business_key,
        "node_id": node_id,
        "limit": limit,
        "cursor": cursor,
        **{f"attr.{name}": value for name, value in (attributes or {}).items()},
    }
    return Page.of((yield from get("/executions", params)), Execution.of)


def history(id: str, *, limit: int | None = None, cursor: str | None = None) -> Flow[Page[Mapping[str, Any]]]:
    """What happened in an execution, in order: {topic, position, occurred_at, recorded_at, actor, data, …}."""
    return Page.of((yield from get(f"/executions/{part(id)}/history", {"limit": limit, "cursor": cursor})), dict)


def cancel(id: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Flow[ExecutionResult]:
    """Cancel an execution and what is open in it."""
    return ExecutionResult.of(
        (yield from command(f"/executions/{part(id)}/cancel", {"reason": reason}, idempotency_key=idempotency_key))
    )


def migrate(
    id: str,
    to_version: int,
    mapping: Mapping[str, str] | None = None,
    *,
    reason: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[ExecutionResult]:
    """Let an execution go on by another version of its workflow. `mapping`: nodes that are called otherwise there.

    Raises Conflict, whose errors say what stands in the way.
    """
    body = {"to_version": to_version, "mapping": dict(mapping or {}), "reason": reason}
    path = f"/executions/{part(id)}/migrate"
    return ExecutionResult.of((yield from command(path, body, idempotency_key=idempotency_key, if_match=if_match)))


def preview_migration(id: str, to_version: int, mapping: Mapping[str, str] | None = None) -> Flow[MigrationPreview]:
    """What `migrate` would come to. Changes nothing."""
    body = {"to_version": to_version, "mapping": dict(mapping or {}), "dry_run": True}
    return MigrationPreview.of((yield from order(f"/executions/{part(id)}/migrate", body)))


# Many executions


BulkAction = Literal["cancel", "terminate", "pause", "resume", "signal", "fork", "migrate", "start"]


def act_on_many(
    action: BulkAction,
    filter: Mapping[str, str] | None = None,
    *,
    execution_ids: Sequence[str] | None = None,
    reason: str | None = None,
    options: Mapping[str, Json] | None = None,
    idempotency_key: str | None = None,
) -> Flow[BulkOperation]:
    """Do one thing to all executions that fit the filter, which is that of `GET /executions`, or to those that are named.

    `options`: what the action goes by: {node_id, input, version, keep_business_key} of a fork, {to_version, mapping} of a
    migration, {name, payload} of a signal, {items, workflow_key, version, on_conflict, keep_business_key} of a start. Answers
    before it is done: see `bulk_operation_ended`.
    """
    body = _many(action, filter, execution_ids, options)
    sent = {**body, **({} if reason is None else {"reason": reason})}
    return BulkOperation.of((yield from command("/bulk-operations", sent, idempotency_key=idempotency_key)))


def would_act_on(
    action: BulkAction,
    filter: Mapping[str, str] | None = None,
    *,
    execution_ids: Sequence[str] | None = None,
    options: Mapping[str, Json] | None = None,
) -> Flow[BulkPreview]:
    """What `act_on_many` would act on."""
    body = {**_many(action, filter, execution_ids, options), "dry_run": True}
    return BulkPreview.of((yield from command("/bulk-operations", body)))


def bulk_operation(id: str) -> Flow[BulkOperation]:
    """How far it has come. Raises NotFound."""
    return BulkOperation.of((yield from get(f"/bulk-operations/{part(id)}")))


def bulk_operation_ended(id: str, seconds: float = 60.0) -> Flow[BulkOperation]:
    """The operation once it is over, or as it stands after so many seconds (`ended` says which)."""
    until = time.monotonic() + seconds
    while True:
        left = max(0, min(LONGEST_WAIT, round(until - time.monotonic())))
        found = BulkOperation.of((yield from get(f"/bulk-operations/{part(id)}", {"wait": left}, left)))
        if found.ended or left == 0 or time.monotonic() >= until:
            return found


def cancel_bulk_operation(id: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Flow[BulkOperation]:
    """From now on it acts on nothing further. Raises Conflict where it is over."""
    path = f"/bulk-operations/{part(id)}/cancel"
    return BulkOperation.of((yield from command(path, {"reason": reason}, idempotency_key=idempotency_key)))


def _many(
    action: str, filter: Mapping[str, str] | None, ids: Sequence[str] | None, options: Mapping[str, Json] | None
) -> dict[str, Json]:
    body: dict[str, Json] = {"action": action, **(options or {})}
    if filter is not None:
        body["filter"] = dict(filter)
    if ids is not None:
        body["execution_ids"] = list(ids)
    return body


# Approvals


def approval(id: str) -> Flow[Approval]:
    """An approval request; its decisions are in `data`."""
    return Approval.of((yield from get(f"/approvals/{part(id)}")))


def request_approval(
    title: str,
    *,
    description: str | None = None,
    by: Mapping[str, Any] | None = None,
    exclude: Sequence[str] | None = None,
    fallback: Mapping[str, Any] | None = None,
    requester: Literal["forbid", "skip", "escalate"] | None = None,
    rule: Mapping[str, Any] | None = None,
    outcomes: Sequence[Mapping[str, Any]] | None = None,
    steps: Sequence[Mapping[str, Any]] | None = None,
    ad_hoc: bool | None = None,
    form: Json = None,
    context: Json = None,
    priority: int = 0,
    due_in: str | Mapping[str, str] | None = None,
    start_in: str | Mapping[str, str] | None = None,
    remind: Sequence[Mapping[str, Any]] | None = None,
    escalate: Sequence[Mapping[str, Any]] | None = None,
    timeout: str | None = None,
    callback: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Flow[ApprovalResult]:
    """Ask for a decision without a workflow. Who is asked, and how it is decided, is said as in an approval node, without
    expressions.

    `due_in`, `timeout`: ISO 8601, such as P7D; after its timeout it is expired. `callback`: {url} or {endpoint_id}.
    """
    body = {
        "title": title,
        "description": description,
        "by": None if by is None else dict(by),
        "exclude": None if exclude is None else list(exclude),
        "fallback": None if fallback is None else dict(fallback),
        "requester": requester,
        "rule": None if rule is None else dict(rule),
        "outcomes": None if outcomes is None else [dict(each) for each in outcomes],
        "steps": None if steps is None else [dict(each) for each in steps],
        "ad_hoc": ad_hoc,
        "form": form,
        "context": context,
        "priority": priority,
        "due_in": dict(due_in) if isinstance(due_in, Mapping) else due_in,
        "start_in": dict(start_in) if isinstance(start_in, Mapping) else start_in,
        "remind": None if remind is None else [dict(each) for each in remind],
        "escalate": None if escalate is None else [dict(each) for each in escalate],
        "timeout": timeout,
        "callback": None if callback is None else dict(callback),
    }
    return ApprovalResult.of((yield from command("/approvals", body, idempotency_key=idempotency_key)))


def wait_approval(id: str, seconds: float = 60.0) -> Flow[Approval]:
    """The request once it is closed: resolved, cancelled or expired. Where it is not in so many seconds: as it stands."""
    until = time.monotonic() + seconds
    while True:
        left = max(0, min(LONGEST_WAIT, round(until - time.monotonic())))
        found = Approval.of((yield from get(f"/approvals/{part(id)}", {"wait": left}, left)))
        if found.closed or left == 0 or time.monotonic() >= until:
            return found


def approvals(
    *,
    status: str | None = None,
    mine: bool = False,
    role: str | None = None,
    execution_id: str | None = None,
    overdue: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Flow[Page[Approval]]:
    """A page of approval requests. `mine`: open, and addressed to the caller."""
    params = {
        "status": status,
        "mine": mine or None,
        "role": role,
        "execution_id": execution_id,
        "overdue": overdue or None,
        "limit": limit,
        "cursor": cursor,
    }
    return Page.of((yield from get("/approvals", params)), Approval.of)


def decide(
    approval_id: str,
    outcome: str,
    *,
    comment: str | None = None,
    form: Json = None,
    role: str | None = None,
    reason: str | None = None,
    step: str | None = None,
    proof: str | None = None,
    on_behalf_of: str | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Flow[DecisionResult]:
    """Decide an approval request. `execution.open` of the result says what the execution waits for next.

    `reason`: one of the codes that the outcome takes. `step`: which one, where several are open. `proof`: where the outcome asks
    for it, `totp 123456` or `key gk_…`. `on_behalf_of`: the member for whom one stands in.
    """
    body = {"outcome": outcome, "comment": comment, "form": form, "role": role, "reason": reason, "step": step}
    body |= {} if on_behalf_of is None else {"on_behalf_of": on_behalf_of}
    path, more = f"/approvals/{part(approval_id)}/decide", None if proof is None else {"Gesta-Proof": proof}
    return DecisionResult.of((yield from command(path, body, idempotency_key=idempotency_key, if_match=if_match, more=more)))


# Workflows


def apply(definition: Mapping[str, Any], *, publish: bool = False, note: str | None = None) -> Flow[Workflow]:
    """Make this the draft of the workflow with its key, which is created where there is none; and publish it, if wanted.

    What is published already just as it is here stays as it is.
    """
    found = (yield from get("/workflows", {"key": definition.get("key")}))["items"] if definition.get("key") else []
    if not found:
        workflow = yield from command("/workflows", {"definition": definition})
    else:
        known = yield from get(f"/workflows/{part(found[0]['id'])}")
        if known["definition"] == definition and known["draft"] is None:
            return Workflow.of(known)
        workflow = yield from command(f"/workflows/{part(known['id'])}/draft", {"definition": definition}, method="PUT")
    if publish:
        workflow = yield from command(f"/workflows/{part(workflow['id'])}/publish", {"note": note})
    return Workflow.of(workflow)


def publish(workflow_id: str, note: str | None = None, *, idempotency_key: str | None = None) -> Flow[Workflow]:
    """Make the draft the next version."""
    return Workflow.of(
        (yield from command(f"/workflows/{part(workflow_id)}/publish", {"note": note}, idempotency_key=idempotency_key))
    )


def apply_prompt(prompt: Mapping[str, Any], *, publish: bool = False, note: str | None = None) -> Flow[dict[str, Any]]:
    """Make this the draft of the prompt with its key, which is created where there is none; and publish it, if wanted.

    What is current already just as it is here stays as it is.
    """
    key = str(prompt["key"])
    draft = {name: value for name, value in prompt.items() if name != "key"}
    found: list[dict[str, Any]] = (yield from get("/prompts", {"key": key}))["items"]
    if not found:
        done: dict[str, Any] = yield from command("/prompts", {"key": key, **draft})
    else:
        done = yield from command(f"/prompts/{part(key)}/draft", draft, method="PUT")
    if publish:
        compared = (yield from get(f"/prompts/{part(key)}/difference", {"to": "draft"})) if done["current_version"] else None
        if compared is None or compared["changes"] or done["current_version"] != done["latest_version"]:
            done = yield from command(f"/prompts/{part(key)}/publish", {"note": note})
    return done


# Jobs of their own


def enqueue(
    type: str,
    input: Json = None,
    *,
    retry: Mapping[str, Any] | None = None,
    timeout: str | None = None,
    run_at: datetime | None = None,
    run_after: str | None = None,
    unique_key: str | None = None,
    on_conflict: Literal["return", "reject", "replace"] = "return",
    priority: int = 0,
    concurrency: Mapping[str, Any] | None = None,
    rate: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Flow[EnqueuedResult]:
    """Enqueue a job for workers of this type. `retry`, `concurrency` and `rate` are as nodes have them.

    `run_at`: with its time zone. `timeout`, `run_after`: ISO 8601, such as PT30S. Where a pending job of the type has this
    unique key: answers that one, raises Conflict, or cancels it and takes its place.
    """
    body = {
        "type": type,
        "input": input,
        "retry": None if retry is None else dict(retry),
        "timeout": timeout,
        "run_at": None if run_at is None else run_at.isoformat(),
        "run_after": run_after,
        "unique_key": unique_key,
        **({} if on_conflict == "return" else {"on_conflict": on_conflict}),
        "priority": priority,
        "concurrency": None if concurrency is None else dict(concurrency),
        "rate": None if rate is None else dict(rate),
    }
    return EnqueuedResult.of((yield from command("/jobs", body, idempotency_key=idempotency_key)))


def job(id: str) -> Flow[EnqueuedJob]:
    """A job of its own, as of all that was done before the call. Raises NotFound."""
    return EnqueuedJob.of((yield from get(f"/jobs/{part(id)}")))


def wait_job(id: str, seconds: float = 60.0) -> Flow[EnqueuedJob]:
    """The job once it has ended. Raises StillPending where it has not in so many seconds."""
    until = time.monotonic() + seconds
    while True:
        left = max(0, min(LONGEST_WAIT, round(until - time.monotonic())))
        found = EnqueuedJob.of((yield from get(f"/jobs/{part(id)}", {"wait": left}, left)))
        if found.ended:
            return found
        if time.monotonic() >= until or left == 0:
            raise StillPending(found)


def jobs(
    *,
    status: str | None = None,
    type: str | None = None,
    unique_key: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Flow[Page[EnqueuedJob]]:
    """A page of jobs of their own, the newest first."""
    params = {"status": status, "type": type, "unique_key": unique_key, "limit": limit, "cursor": cursor}
    return Page.of((yield from get("/jobs", params)), EnqueuedJob.of)


def cancel_job(id: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Flow[EnqueuedResult]:
    """Cancel a pending job. Whoever works on it learns so by its next heartbeat."""
    path = f"/jobs/{part(id)}/cancel"
    return EnqueuedResult.of((yield from command(path, {"reason": reason}, idempotency_key=idempotency_key)))


def retry_job(id: str, reason: str | None = None) -> Flow[None]:
    """Give a job that failed, or was given up, all its attempts again."""
    yield from order(f"/jobs/{part(id)}/retry", {"reason": reason})


# Work


LEASE = "lease"
"""What is asked for beside reports. A server that does not know this field finds fault with it."""


def lease(
    types: Sequence[str], *, worker_id: str, most: int = 1, wait_seconds: float = 0.0, lease_seconds: float = 60.0
) -> Flow[tuple[Job, ...]]:
    """At most so many jobs of these types, of one tenant; waits up to a minute for the first.

    Where the answer is lost, the jobs come back when the lease runs out.
    """
    wanted = NextJobs(tuple(types), worker_id, most, lease_seconds)
    body = {**_wanted(wanted), "wait_seconds": wait_seconds}
    answer = yield from order("/jobs/lease", body, wait=wait_seconds, patience=0.0)
    return tuple(Job.of(one) for one in answer["items"])


def heartbeat(job: Job) -> Flow[None]:
    """Keep a job for as long again as it was leased for. Raises LeaseLost."""
    yield from order(f"/jobs/{part(job.id)}/heartbeat", {"fence": job.fence}, patience=0.0)


def complete(job: Job, output: Json = None, *, patience: float = PATIENCE_SECONDS) -> Flow[None]:
    """The work is done: the execution goes on with its output. Raises LeaseLost."""
    yield from command(f"/jobs/{part(job.id)}/complete", {"fence": job.fence, "output": output}, patience=patience)


def fail(job: Job, type: str, message: str, *, retryable: bool = True, patience: float = PATIENCE_SECONDS) -> Flow[None]:
    """The attempt failed. Whether there is another one is the node's `retry` to say. Raises LeaseLost."""
    error = {"type": type, "message": message, "retryable": retryable}
    yield from command(f"/jobs/{part(job.id)}/fail", {"fence": job.fence, "error": error}, patience=patience)


def report(reports: Sequence[Report], *, patience: float = PATIENCE_SECONDS) -> Flow[tuple[ApiError | None, ...]]:
    """What became of at most a hundred jobs, in one request. For each, in their order: None, or why it was refused.

    A refused report does not stop the others. Those that could not be taken just then are repeated, by sending all of them
    again: under their key, what was done is known.
    """
    return (yield from exchange(reports, patience=patience)).refused


def exchange(reports: Sequence[Report], next: NextJobs | None = None, *, patience: float = PATIENCE_SECONDS) -> Flow[Exchange]:
    """The same; and the answer brings the next jobs, so that there is one exchange for each job instead of two.

    Where the answer is lost, the jobs come back when the lease runs out. A server that hands out none with its answers is told
    of the reports alone.
    """
    told: dict[str, Json] = {"reports": [_report(one) for one in reports]}
    if next is None:
        return (yield from _exchange(told, patience))
    try:
        return (yield from _exchange({**told, LEASE: _wanted(next)}, patience))
    except Invalid as error:
        if not any(fault.path == f"/{LEASE}" for fault in error.errors):
            raise
    return (yield from _exchange(told, patience))


def _exchange(body: Json, patience: float) -> Flow[Exchange]:
    key, until, attempt = uuid4().hex, time.monotonic() + patience, 0
    while True:
        answer = yield from command("/jobs/report", body, idempotency_key=key, patience=patience)
        refused = tuple(
            None if item["status"] < 400 else from_problem(item["status"], item["problem"]) for item in answer["items"]
        )
        pause = usual_pause(attempt)
        # A server gives no jobs to somebody who will ask again; one that does would not be heard if they were dropped here.
        if answer.get("jobs") or not any(map(will_pass, refused)) or time.monotonic() + pause > until:
            return Exchange(refused, tuple(map(Job.of, answer["jobs"])) if "jobs" in answer else None)
        yield Pause(pause)
        attempt += 1


def _wanted(next: NextJobs) -> dict[str, Json]:
    return {
        "types": list(next.types),
        "worker_id": next.worker_id,
        "max": next.most,
        "lease_seconds": next.lease_seconds,
    }


def _report(one: Report) -> Json:
    told = {"id": one.job.id, "fence": one.job.fence}
    return {**told, "output": one.output} if one.failure is None else {**told, "error": asdict(one.failure)}


def release(job: Job) -> Flow[None]:
    """Leave a job that was not begun to others: it does not count as an attempt. Nothing happens where the lease is lost."""
    yield from order(f"/jobs/{part(job.id)}/release", {"fence": job.fence}, patience=1.0)
