"""Calls about AI tasks: asked for without a workflow, looked at, cancelled, and reported by agents elsewhere."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from client.calls import LONGEST_WAIT
from client.models import AiTask, AiTaskResult, Json, Page
from client.protocol import Flow, command, get, part


def request_ai_task(
    prompt: str | Mapping[str, Json], model: str | None = None, *, idempotency_key: str | None = None, **config: Any
) -> Flow[AiTaskResult]:
    """Ask for one without a workflow. `prompt`: a text, or {key, version, variables} of a published one.

    `config`: the other fields of an `ai_agent` node, and name, retry, priority, callback, external (another agent does it).
    """
    body = {"prompt": prompt, "model": model, **config}
    return AiTaskResult.of((yield from command("/ai-tasks", body, idempotency_key=idempotency_key)))


def ai_task(id: str) -> Flow[AiTask]:
    """With its attempts, answers and calls of tools, in `data`."""
    return AiTask.of((yield from get(f"/ai-tasks/{part(id)}")))


def wait_ai_task(id: str, seconds: float = 60.0) -> Flow[AiTask]:
    """The task once it is over. Where it is not in so many seconds: as it stands."""
    until = time.monotonic() + seconds
    while True:
        left = max(0, min(LONGEST_WAIT, round(until - time.monotonic())))
        found = AiTask.of((yield from get(f"/ai-tasks/{part(id)}", {"wait": left}, left)))
        if found.ended or left == 0 or time.monotonic() >= until:
            return found


def ai_tasks(
    *,
    status: str | None = None,
    model: str | None = None,
    workflow_key: str | None = None,
    execution_id: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Flow[Page[AiTask]]:
    """A page of AI tasks, the newest first; without what was said at length."""
    params = {
        "status": status,
        "model": model,
        "workflow_key": workflow_key,
        "execution_id": execution_id,
        "limit": limit,
        "cursor": cursor,
    }
    return Page.of((yield from get("/ai-tasks", params)), AiTask.of)


def cancel_ai_task(id: str, reason: str | None = None, *, idempotency_key: str | None = None) -> Flow[AiTaskResult]:
    """Nothing more is asked for it; where a node asks, that fails with `cancelled`."""
    done = yield from command(f"/ai-tasks/{part(id)}/cancel", {"reason": reason}, idempotency_key=idempotency_key)
    return AiTaskResult.of(done["ai_task"])


def report_turns(
    id: str,
    turns: Sequence[Mapping[str, Json]] = (),
    finish: Mapping[str, Json] | None = None,
    *,
    idempotency_key: str | None = None,
) -> Flow[AiTaskResult]:
    """What an agent elsewhere did of a task that was asked for with `external=True`.

    A turn: {model, provider, usage, cost, currency, latency_ms, text, output, error,
    calls: [{tool, arguments, result | error | denied}]}. `finish`: {} or {output} or {error}. The agent
    stops where the status says that the task is over.
    """
    body = {"turns": [dict(each) for each in turns], "finish": None if finish is None else dict(finish)}
    return AiTaskResult.of((yield from command(f"/ai-tasks/{part(id)}/turns", body, idempotency_key=idempotency_key)))
