"""AI tasks as spans and metrics, by OpenTelemetry's conventions for generative AI. Needs the extra `otel`.

One trace a task, whose id is the task's own, whichever workers go on with it: the first lease in which something is done is its
root, `invoke_agent`, later ones are its children; each call of a model (`chat`) and of a tool (`execute_tool`) is a child of its
lease. The providers are this module's own and not the process's: what libraries would tell of themselves, prompts for one, goes
nowhere.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from importlib.metadata import entry_points, version
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer, set_span_in_context

from domain.ai_task import AiTask, Call, Usage
from domain.facts import Json
from runtime.errors import OperatorError
from runtime.settings import OtelSettings
from store.jobs import LeasedJob
from worker.ai.choosing import ModelCall
from worker.ai.otel_content import arguments_of, input_messages, output_messages
from worker.ai.provider import AiAnswer, AiError, CallReport
from worker.ai.telemetry import TRACEPARENT, LeaseTrace, Telemetry
from worker.ai.tools.runner import Broken, ToolOutcome

SCOPE = "gesta.worker"
SERVICE = "gesta-worker"
UNNAMED = "unknown_service"
DURATION_BUCKETS = [0.01 * 2**n for n in range(14)]
"""Seconds: from 0.01 to 81.92."""
TOKEN_BUCKETS = [4**n for n in range(14)]
"""From 1 to 67,108,864."""
PROVIDERS = {"google": "gcp.gemini", "mistral": "mistral_ai", "openai_compatible": "openai"}
"""What the conventions call a kind of provider, where it is not called so here."""

Attributes = dict[str, Any]


class Ids(RandomIdGenerator):
    """`given`: the trace and span of the next root. Whoever sets it starts that at once."""

    given: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.given[0] if self.given is not None else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.given[1] if self.given is not None else super().generate_span_id()


def telling(settings: OtelSettings) -> "OtelTelemetry":
    """By what the environment says. Raises OperatorError where it names an exporter that is not installed."""
    resource = Resource.create()
    if str(resource.attributes.get("service.name", UNNAMED)).startswith(UNNAMED):
        resource = resource.merge(Resource({"service.name": SERVICE}))
    resource = resource.merge(Resource({"service.version": version("gesta")}))
    readers = [_reader(each) for each in _exporters("metrics", settings)]
    ids = Ids()
    spans = TracerProvider(resource=resource, id_generator=ids)
    for exporter in _exporters("traces", settings):
        spans.add_span_processor(BatchSpanProcessor(exporter()))
    return OtelTelemetry(spans, MeterProvider(readers, resource), ids, content=settings.captures_content)


def _reader(exporter: Any) -> MetricReader:
    """Prometheus's is one by itself: it is asked."""
    return exporter() if issubclass(exporter, MetricReader) else PeriodicExportingMetricReader(exporter())


def _exporters(signal: Literal["traces", "metrics"], settings: OtelSettings) -> list[Any]:
    found = []
    for name in settings.exporters_of(signal):
        entry = settings.otlp_entry(signal) if name == "otlp" else name
        named = next(iter(entry_points(group=f"opentelemetry_{signal}_exporter", name=entry)), None)
        if named is None:
            package = f"opentelemetry-exporter-{'otlp' if name == 'otlp' else name.replace('_', '-')}"
            raise OperatorError(f"OTEL_{signal.upper()}_EXPORTER: the exporter {name} is not installed: pip install {package}")
        found.append(named.load())
    return found


class OtelTelemetry(Telemetry):
    """`content`: whether words are told too, as they are recorded: without secrets and sensitive values, and past the guards."""

    def __init__(self, spans: TracerProvider, meters: MeterProvider, ids: Ids, *, content: bool = False) -> None:
        self.spans, self.meters, self.ids, self.content = spans, meters, ids, content
        self.tracer: Tracer = spans.get_tracer(SCOPE, version("gesta"))
        meter = meters.get_meter(SCOPE, version("gesta"))
        self.duration: Histogram = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self.tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )

    def lease(self, job: LeasedJob) -> LeaseTrace:
        return OtelLease(self, job)

    def root(self, task_id: UUID, name: str, attributes: Mapping[str, Any], *, first: bool) -> Span:
        """`first`: nothing was done of the task before: this is the trace's root."""
        trace_id, span_id = task_id.int, root_span_of(task_id)
        if first:
            self.ids.given = trace_id, span_id
            try:
                return self.tracer.start_span(name, set_span_in_context(NonRecordingSpan(NOWHERE)), attributes=attributes)
            finally:
                self.ids.given = None
        sampled = self.spans.sampler.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        parent = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags))
        return self.tracer.start_span(name, set_span_in_context(parent), attributes=attributes)

    async def aclose(self) -> None:
        """In a thread: exporters wait for whoever they tell."""
        await asyncio.to_thread(self.spans.shutdown)
        await asyncio.to_thread(self.meters.shutdown)


NOWHERE = SpanContext(0, 0, is_remote=False)


def root_span_of(task_id: UUID) -> int:
    return int.from_bytes(sha256(task_id.bytes).digest()[:8]) or 1


class OtelLease(LeaseTrace):
    def __init__(self, telling: OtelTelemetry, job: LeasedJob) -> None:
        self._telling = telling
        self._job = job
        self._span: Span | None = None
        self._status = ""
        self._error: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, error: BaseException | None, _traceback: object) -> Literal[False]:
        if self._span is not None:
            self._span.set_attribute("gesta.task_status", self._status)
            if error is not None:
                _fail(self._span, type(error).__name__)
            elif self._status == "failed":
                _fail(self._span, self._error or "_OTHER")
            self._span.end()
        return False

    def stands(self, status: str) -> None:
        self._status = status

    # What is done in it

    async def chat(self, task: AiTask, attempt_id: UUID, chosen: ModelCall) -> AiAnswer:
        if chosen.found is not None:  # nobody is called
            return await chosen.call()
        about = _asked_of(chosen)
        attributes = {**self._common(task), **about, **_settings_of(chosen), "gesta.attempt_id": str(attempt_id)}
        span = self._begin(task, f"chat {chosen.model}", attributes, SpanKind.CLIENT)
        if self._telling.content:
            span.set_attribute("gen_ai.input.messages", input_messages(chosen.asked))
        began = time.perf_counter()
        try:
            answer = await chosen.call()
        except AiError as error:
            self._error = error.type
            self._called(span, about | {"error.type": error.type}, began, error.report)
            raise
        except BaseException as error:
            self._called(span, about | {"error.type": type(error).__name__}, began, None)
            raise
        if self._telling.content and (said := output_messages(task, answer)) is not None:
            span.set_attribute("gen_ai.output.messages", said)
        self._called(span, about | {"gen_ai.response.model": answer.model}, began, answer.report)
        return answer

    async def tool(self, task: AiTask, call: Call, tool: Json, run: Callable[[], Awaitable[ToolOutcome]]) -> ToolOutcome:
        name = call.asked.tool
        attributes = {
            **self._common(task),
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": str(call.id),
            "gen_ai.tool.type": "function",
            "gesta.tool_type": tool["type"],
        }
        span = self._begin(task, f"execute_tool {name}", attributes, SpanKind.INTERNAL)
        if self._telling.content:
            span.set_attribute("gen_ai.tool.call.arguments", arguments_of(call))
        token = TRACEPARENT.set(_traceparent(span))
        try:
            outcome = await run()
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        else:
            if isinstance(outcome, Broken):
                _fail(span, outcome.failure.type)
            return outcome
        finally:
            TRACEPARENT.reset(token)
            span.end()

    def _begin(self, task: AiTask, name: str, attributes: Attributes, kind: SpanKind) -> Span:
        if self._span is None:
            self._span = self._invoked(task)
        return self._telling.tracer.start_span(name, set_span_in_context(self._span), kind, attributes)

    def _invoked(self, task: AiTask) -> Span:
        assert self._job.task_id is not None, "a job of an AI task names it"
        assert task.requested is not None
        common = self._common(task)
        about = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "gesta",
            "gen_ai.request.model": task.requested.model,
        }
        first = task.number <= 1
        return self._telling.root(
            self._job.task_id, f"invoke_agent {common['gen_ai.agent.name']}", {**common, **about}, first=first
        )

    def _common(self, task: AiTask) -> Attributes:
        assert task.requested is not None
        ids = {
            "gen_ai.conversation.id": str(self._job.task_id),
            "gen_ai.agent.name": task.requested.agent_type or task.requested.task_name,
            "gesta.tenant_id": str(self._job.tenant_id),
            "gesta.task_id": str(self._job.task_id),
        }
        execution_id = task.requested.execution_id
        return ids if execution_id is None else {**ids, "gesta.execution_id": str(execution_id)}

    def _called(self, span: Span, about: Attributes, began: float, report: CallReport | None) -> None:
        span.set_attributes({name: about[name] for name in ("gen_ai.response.model",) if name in about})
        if report is not None and report.finish_reason is not None:
            span.set_attribute("gen_ai.response.finish_reasons", [report.finish_reason.partition(" (")[0]])
        used = None if report is None else report.usage
        if used is not None:
            span.set_attributes(_usage(used))
            for type, count in (("input", used.input_tokens), ("output", used.output_tokens)):
                self._telling.tokens.record(count, {**_without_error(about), "gen_ai.token.type": type})
        self._telling.duration.record(time.perf_counter() - began, about)
        if "error.type" in about:
            _fail(span, about["error.type"])
        span.end()


def _asked_of(chosen: ModelCall) -> Attributes:
    """Of both spans and metrics."""
    kind = chosen.candidate.kind or chosen.provider
    about: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(kind, kind),
        "gen_ai.request.model": chosen.model,
    }
    where = urlsplit(getattr(chosen.candidate.caller, "url", None) or "")
    if where.hostname:
        about |= {"server.address": where.hostname, "server.port": where.port or (80 if where.scheme == "http" else 443)}
    return about


def _settings_of(chosen: ModelCall) -> Attributes:
    told, asked = chosen.asked.configuration, chosen.asked
    found = {
        "gen_ai.request.max_tokens": told.max_output_tokens,
        "gen_ai.request.temperature": told.temperature,
        "gen_ai.request.top_p": told.top_p,
        "gen_ai.request.seed": told.seed,
        "gen_ai.output.type": "text" if asked.output_schema is None else "json",
        "gesta.provider": chosen.provider,
    }
    return {name: value for name, value in found.items() if value is not None}


def _usage(used: Usage) -> Attributes:
    reasoning = {} if used.reasoning_tokens is None else {"gen_ai.usage.reasoning.output_tokens": used.reasoning_tokens}
    return reasoning | {
        "gen_ai.usage.input_tokens": used.input_tokens,
        "gen_ai.usage.output_tokens": used.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": used.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": used.cache_write_tokens,
    }


def _without_error(about: Attributes) -> Attributes:
    return {name: value for name, value in about.items() if name != "error.type"}


def _fail(span: Span, type: str) -> None:
    """Without a description: what went wrong may be told in words of a prompt."""
    span.set_attribute("error.type", type)
    span.set_status(StatusCode.ERROR)


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
