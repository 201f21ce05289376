"""What OpenTelemetry is told of AI tasks: one trace a task, by the conventions for generative AI, and no word of what is said."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode

from domain.facts import Json
from runtime.errors import OperatorError
from runtime.settings import OtelSettings
from tests.conftest import Database
from tests.worker.house import ENGINE, House, at_work, house
from tests.worker.mcp_servers import http, replying
from tests.worker.outbound.servers import LOOPBACK, answering, server
from tests.worker.test_ai_loop import PARAMETERS, Offline, agent_with, calls, ok, said_yes, task_of, tool
from worker.ai.otel import Ids, OtelTelemetry, root_span_of, telling
from worker.ai.telemetry import Telemetry, telemetry_of
from worker.outbound.client import Outbound
from worker.worker import WorkerProcess, open_worker

SECRET = "a-word-of-the-prompt"


class Told:
    """What one worker tells, in memory."""

    def __init__(self, *, content: bool = False, **options: Any) -> None:
        self.exporter, self.reader, ids = InMemorySpanExporter(), InMemoryMetricReader(), Ids()
        spans = TracerProvider(id_generator=ids, shutdown_on_exit=False, **options)
        spans.add_span_processor(SimpleSpanProcessor(self.exporter))
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = OtelTelemetry(spans, meters, ids, content=content)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {each.name: each for one in data.resource_metrics for scope in one.scope_metrics for each in scope.metrics}


@asynccontextmanager
async def telling_worker(database: Database, told: Telemetry) -> AsyncIterator[WorkerProcess]:
    way_out = Outbound(permitted=LOOPBACK)
    async with open_worker(database.system_url, ENGINE, Offline(), outbound=way_out, telemetry=told) as worker:
        yield worker


async def test_one_trace_a_task_though_several_workers_go_on_with_it(database: Database) -> None:
    seen, bodies, first, second = list[bytes](), list[Json](), Told(), Told()

    async def reply(asked: Json, writer: asyncio.StreamWriter) -> None:
        result = {"jsonrpc": "2.0", "id": asked["id"], "result": {"content": [], "resultType": "complete"}}
        writer.write(http("200 OK", "application/json", json.dumps(result).encode()))

    async with (
        house(database) as home,
        server(answering(ok({"price": SECRET}), seen=seen)) as port,
        server(replying(reply, bodies)) as mcp,
    ):
        search = {"name": "search", "type": "mcp", "url": f"http://127.0.0.1:{mcp}/", "tool": "find", "parameters": PARAMETERS}
        pay = tool(port, "pay", policy={"ask": True, "by": {"roles": ["clerk"]}})
        answers = [calls(1), calls(2, tool="search"), calls(3, tool="pay"), {"error": {"type": "refused", "message": SECRET}}]
        definition = agent_with([tool(port), search, pay], answers, agent_type="buyer", prompt=SECRET)
        async with telling_worker(database, first.telemetry) as worker, at_work(worker):
            execution = await home.start(definition)
            await home.until(lambda: asked(home))
        await said_yes(home)
        async with telling_worker(database, second.telemetry) as worker, at_work(worker):
            await home.ended(execution)
        (stream,) = {event.stream_id for event in await home.events() if event.topic == "ai_task.requested.v1"}
        task = await task_of(home)
    root, later = (next(each for each in told.spans if each.name == "invoke_agent buyer") for told in (first, second))
    assert [each.name for each in first.spans] == [
        *("chat offline/script", "execute_tool lookup", "chat offline/script", "execute_tool search", "chat offline/script"),
        "invoke_agent buyer",
    ]
    assert [each.name for each in second.spans] == ["execute_tool pay", "chat offline/script", "invoke_agent buyer"]
    spans = [*first.spans, *second.spans]
    assert {context(each).trace_id for each in spans} == {stream.int}
    assert (root.parent, context(root).span_id) == (None, root_span_of(stream))
    assert parent(later) == context(root).span_id
    assert {parent(each) for each in first.spans[:-1]} == {context(root).span_id}
    assert {parent(each) for each in second.spans[:-1]} == {context(later).span_id}
    by_the_conventions(spans, home, execution, stream)
    chat, lookup = first.spans[0], first.spans[1]
    assert (chat.kind, lookup.kind, root.kind) == (SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.INTERNAL)
    assert f"traceparent: {traceparent(lookup)}".encode() in seen[0]
    assert bodies[0]["params"]["_meta"]["traceparent"] == traceparent(first.spans[3])
    assert of(lookup)["gen_ai.tool.call.id"] == str(task.turns[0].calls[0].id)
    last = second.spans[-2]
    assert (of(last)["error.type"], last.status.status_code, last.status.description) == ("refused", StatusCode.ERROR, None)
    assert (of(later)["error.type"], of(later)["gesta.task_status"]) == ("refused", "failed")
    assert (root.status.status_code, of(root)["gesta.task_status"]) == (StatusCode.UNSET, "waiting")
    assert SECRET not in "".join(each.to_json() for each in spans), "content is nobody's business"
    measured(first, second)


async def asked(home: House) -> bool:
    return "ai_task.asked.v1" in await home.topics()


def by_the_conventions(spans: list[ReadableSpan], home: House, execution: UUID, task: UUID) -> None:
    ids = {"gesta.tenant_id": str(home.tenant_id), "gesta.task_id": str(task), "gesta.execution_id": str(execution)}
    for each in spans:
        assert of(each).items() >= {**ids, "gen_ai.conversation.id": str(task), "gen_ai.agent.name": "buyer"}.items()
        assert of(each)["gen_ai.operation.name"] == each.name.split(" ")[0]
    assert (
        of(spans[0]).items()
        >= {
            "gen_ai.provider.name": "scripted",
            "gen_ai.request.model": "offline/script",
            "gen_ai.response.model": "offline/script",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.output.type": "text",
        }.items()
    )
    assert of(spans[0])["gen_ai.usage.input_tokens"] > of(spans[0])["gen_ai.usage.output_tokens"] > 0
    assert of(spans[1]).items() >= {"gen_ai.tool.name": "lookup", "gen_ai.tool.type": "function"}.items()


def measured(first: Told, second: Told) -> None:
    """Each call of a model, with the buckets of the conventions; nothing of whose it was."""
    duration, tokens = (first.metrics()[f"gen_ai.client.{name}"] for name in ("operation.duration", "token.usage"))
    (point,) = duration.data.data_points
    assert (duration.unit, point.count, point.explicit_bounds[0], point.explicit_bounds[-1]) == ("s", 3, 0.01, 81.92)
    assert [each.explicit_bounds[-1] for each in tokens.data.data_points] == [67_108_864] * 2
    assert {each.attributes["gen_ai.token.type"] for each in tokens.data.data_points} == {"input", "output"}
    assert not any(name.startswith("gesta.") for name in point.attributes)
    (failed,) = second.metrics()["gen_ai.client.operation.duration"].data.data_points
    assert (failed.attributes["error.type"], failed.count) == ("refused", 1)


async def test_words_are_told_where_the_operator_says_so_as_they_are_recorded(database: Database) -> None:
    told, guards = Told(content=True), {"output": [{"type": "regex", "action": "redact", "pattern": "iban"}]}
    async with house(database) as home, telling_worker(database, told.telemetry) as worker, at_work(worker):
        for more in ({}, {"guards": guards}):
            await home.ended(await home.start(agent_with([], [{"text": "My iban"}], prompt="Whose?", **more)))
    plain, guarded = (of(each) for each in told.spans if each.name.startswith("chat"))
    assert json.loads(plain["gen_ai.input.messages"])[0]["parts"][0]["content"].startswith("Whose?")
    (said,) = json.loads(plain["gen_ai.output.messages"])
    assert (said["role"], said["parts"]) == ("assistant", [{"type": "text", "content": "My iban"}])
    assert "gen_ai.output.messages" not in guarded, "a guard has not seen it yet"


def test_whether_a_task_is_sampled_follows_from_its_id_alone() -> None:
    """Or a trace would have holes where another worker went on with the task."""
    few = ParentBased(TraceIdRatioBased(0.5))
    tasks, workers = (
        [UUID(int=(number << 100) + number * 2**59 + 1) for number in range(1, 20)],
        [Told(sampler=few) for _ in "ab"],
    )
    for task in tasks:
        for told, first in zip(workers, (True, False), strict=True):
            told.telemetry.root(task, "invoke_agent", {}, first=first).end()
    sampled = [{context(each).trace_id for each in told.spans} for told in workers]
    assert sampled[0] == sampled[1]
    assert 0 < len(sampled[0]) < len(tasks)


def test_nothing_is_told_where_nobody_says_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_METRICS_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    assert type(telemetry_of(OtelSettings())) is Telemetry
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert type(telemetry_of(OtelSettings())) is Telemetry
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    monkeypatch.setitem(sys.modules, "worker.ai.otel", None)
    with pytest.raises(OperatorError, match=r"pip install 'gesta\[otel\]'"):
        telemetry_of(OtelSettings())


def test_nothing_is_imported_where_nobody_says_where_to() -> None:
    program = "import sys, worker.worker; print([each for each in sys.modules if each.startswith('opentelemetry')])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_exporter_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    with pytest.raises(OperatorError, match="OTEL_TRACES_EXPORTER: the exporter otlp is not installed: pip install"):
        telling(OtelSettings())


def of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def context(span: ReadableSpan) -> Any:
    return span.get_span_context()


def parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def traceparent(span: ReadableSpan) -> str:
    return f"00-{context(span).trace_id:032x}-{context(span).span_id:016x}-{context(span).trace_flags:02x}"
