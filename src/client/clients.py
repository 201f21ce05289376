"""The two clients: one blocks, one is awaited. Both drive the flows of `client.calls`, which are written once."""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx2

from client import acting, agents, calls, discussing
from client.protocol import Flow, Lost, Pause, Reply, Request

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 5.0
LONGEST_PAUSE_ASKED = 3600.0


@dataclass(frozen=True)
class Options:
    """Where the API is, and who calls. `tenant`: for a platform key, the tenant's id or slug."""

    url: str
    api_key: str = field(repr=False)
    tenant: str | None = None
    connections: int = 20

    def of_httpx(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.api_key}", "User-Agent": "gesta-client"}
        if self.tenant is not None:
            headers["Gesta-Tenant"] = self.tenant
        limits = httpx2.Limits(max_connections=self.connections, max_keepalive_connections=self.connections)
        return {"base_url": f"{self.url.rstrip('/')}/v1", "headers": headers, "limits": limits}


def _blocking(call: Callable[P, Flow[T]]) -> "Callable[Concatenate[Client, P], T]":
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(call(*args, **kwargs))

    functools.update_wrapper(method, call)
    return method


def _awaited(call: Callable[P, Flow[T]]) -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(call(*args, **kwargs))

    functools.update_wrapper(method, call)
    return method


class Client:
    """Calls block. May be shared by threads. Raises the errors of `client.errors`."""

    def __init__(self, url: str, api_key: str, tenant: str | None = None) -> None:
        self.options = Options(url, api_key, tenant)
        self._http = httpx2.Client(**self.options.of_httpx())

    def run(self, flow: Flow[T]) -> T:
        answer: Reply | Lost | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                answer = None
            else:
                answer = self._send(step)

    def _send(self, request: Request) -> Reply | Lost:
        try:
            return _reply(self._http.request(**_arguments(request)))
        except httpx2.TransportError as error:
            return Lost(error)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    start = _blocking(calls.start)
    execution = _blocking(calls.execution)
    wait = _blocking(calls.wait)
    executions = _blocking(calls.executions)
    history = _blocking(calls.history)
    cancel = _blocking(calls.cancel)
    migrate = _blocking(calls.migrate)
    preview_migration = _blocking(calls.preview_migration)
    act_on_many = _blocking(calls.act_on_many)
    would_act_on = _blocking(calls.would_act_on)
    bulk_operation = _blocking(calls.bulk_operation)
    bulk_operation_ended = _blocking(calls.bulk_operation_ended)
    cancel_bulk_operation = _blocking(calls.cancel_bulk_operation)
    approval = _blocking(calls.approval)
    request_approval = _blocking(calls.request_approval)
    wait_approval = _blocking(calls.wait_approval)
    approvals = _blocking(calls.approvals)
    decide = _blocking(calls.decide)
    inbox = _blocking(acting.inbox)
    inbox_counts = _blocking(acting.inbox_counts)
    saved_filters = _blocking(acting.saved_filters)
    save_filters = _blocking(acting.save_filters)
    claim_approval = _blocking(acting.claim_approval)
    release_approval = _blocking(acting.release_approval)
    reassign_approval = _blocking(acting.reassign_approval)
    revoke_decision = _blocking(acting.revoke_decision)
    withdraw_approval = _blocking(acting.withdraw_approval)
    recall_approval = _blocking(discussing.recall_approval)
    resubmit_approval = _blocking(discussing.resubmit_approval)
    ask_question = _blocking(discussing.ask_question)
    answer_question = _blocking(discussing.answer_question)
    comment_on_approval = _blocking(discussing.comment_on_approval)
    edit_comment = _blocking(discussing.edit_comment)
    delete_comment = _blocking(discussing.delete_comment)
    comments = _blocking(discussing.comments)
    watch_approval = _blocking(discussing.watch_approval)
    unwatch_approval = _blocking(discussing.unwatch_approval)
    decide_many = _blocking(acting.decide_many)
    claim_many = _blocking(acting.claim_many)
    release_many = _blocking(acting.release_many)
    reassign_many = _blocking(acting.reassign_many)
    apply = _blocking(calls.apply)
    publish = _blocking(calls.publish)
    apply_prompt = _blocking(calls.apply_prompt)
    enqueue = _blocking(calls.enqueue)
    job = _blocking(calls.job)
    wait_job = _blocking(calls.wait_job)
    jobs = _blocking(calls.jobs)
    cancel_job = _blocking(calls.cancel_job)
    retry_job = _blocking(calls.retry_job)
    lease = _blocking(calls.lease)
    heartbeat = _blocking(calls.heartbeat)
    complete = _blocking(calls.complete)
    fail = _blocking(calls.fail)
    release = _blocking(calls.release)
    report = _blocking(calls.report)
    exchange = _blocking(calls.exchange)
    request_ai_task = _blocking(agents.request_ai_task)
    ai_task = _blocking(agents.ai_task)
    wait_ai_task = _blocking(agents.wait_ai_task)
    ai_tasks = _blocking(agents.ai_tasks)
    cancel_ai_task = _blocking(agents.cancel_ai_task)
    report_turns = _blocking(agents.report_turns)


class AsyncClient:
    """Calls are awaited. Made and used in one event loop. Raises the errors of `client.errors`."""

    def __init__(self, url: str, api_key: str, tenant: str | None = None, *, connections: int = 20) -> None:
        self.options = Options(url, api_key, tenant, connections)
        self._http = httpx2.AsyncClient(**self.options.of_httpx())

    async def run(self, flow: Flow[T]) -> T:
        answer: Reply | Lost | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                answer = None
            else:
                answer = await self._send(step)

    async def _send(self, request: Request) -> Reply | Lost:
        try:
            return _reply(await self._http.request(**_arguments(request)))
        except httpx2.TransportError as error:
            return Lost(error)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    start = _awaited(calls.start)
    execution = _awaited(calls.execution)
    wait = _awaited(calls.wait)
    executions = _awaited(calls.executions)
    history = _awaited(calls.history)
    cancel = _awaited(calls.cancel)
    migrate = _awaited(calls.migrate)
    preview_migration = _awaited(calls.preview_migration)
    act_on_many = _awaited(calls.act_on_many)
    would_act_on = _awaited(calls.would_act_on)
    bulk_operation = _awaited(calls.bulk_operation)
    bulk_operation_ended = _awaited(calls.bulk_operation_ended)
    cancel_bulk_operation = _awaited(calls.cancel_bulk_operation)
    approval = _awaited(calls.approval)
    request_approval = _awaited(calls.request_approval)
    wait_approval = _awaited(calls.wait_approval)
    approvals = _awaited(calls.approvals)
    decide = _awaited(calls.decide)
    inbox = _awaited(acting.inbox)
    inbox_counts = _awaited(acting.inbox_counts)
    saved_filters = _awaited(acting.saved_filters)
    save_filters = _awaited(acting.save_filters)
    claim_approval = _awaited(acting.claim_approval)
    release_approval = _awaited(acting.release_approval)
    reassign_approval = _awaited(acting.reassign_approval)
    revoke_decision = _awaited(acting.revoke_decision)
    withdraw_approval = _awaited(acting.withdraw_approval)
    recall_approval = _awaited(discussing.recall_approval)
    resubmit_approval = _awaited(discussing.resubmit_approval)
    ask_question = _awaited(discussing.ask_question)
    answer_question = _awaited(discussing.answer_question)
    comment_on_approval = _awaited(discussing.comment_on_approval)
    edit_comment = _awaited(discussing.edit_comment)
    delete_comment = _awaited(discussing.delete_comment)
    comments = _awaited(discussing.comments)
    watch_approval = _awaited(discussing.watch_approval)
    unwatch_approval = _awaited(discussing.unwatch_approval)
    decide_many = _awaited(acting.decide_many)
    claim_many = _awaited(acting.claim_many)
    release_many = _awaited(acting.release_many)
    reassign_many = _awaited(acting.reassign_many)
    apply = _awaited(calls.apply)
    publish = _awaited(calls.publish)
    apply_prompt = _awaited(calls.apply_prompt)
    enqueue = _awaited(calls.enqueue)
    job = _awaited(calls.job)
    wait_job = _awaited(calls.wait_job)
    jobs = _awaited(calls.jobs)
    cancel_job = _awaited(calls.cancel_job)
    retry_job = _awaited(calls.retry_job)
    lease = _awaited(calls.lease)
    heartbeat = _awaited(calls.heartbeat)
    complete = _awaited(calls.complete)
    fail = _awaited(calls.fail)
    release = _awaited(calls.release)
    report = _awaited(calls.report)
    exchange = _awaited(calls.exchange)
    request_ai_task = _awaited(agents.request_ai_task)
    ai_task = _awaited(agents.ai_task)
    wait_ai_task = _awaited(agents.wait_ai_task)
    ai_tasks = _awaited(agents.ai_tasks)
    cancel_ai_task = _awaited(agents.cancel_ai_task)
    report_turns = _awaited(agents.report_turns)


def _arguments(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.params) or None,
        "content": request.body,
        "headers": dict(request.headers),
        "timeout": httpx2.Timeout(request.seconds, connect=CONNECT_SECONDS),
    }


def _reply(response: httpx2.Response) -> Reply:
    return Reply(response.status_code, response.content, _seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not what this API sends."""
    return min(float(text), LONGEST_PAUSE_ASKED) if text is not None and text.isascii() and text.isdigit() else None
