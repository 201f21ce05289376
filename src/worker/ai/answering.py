"""What a model answered, as ours: a text or an output that fits, or calls of tools; or why it is none of these."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pydantic_ai.messages import ModelResponse, ToolCallPart

from domain.ai_task import Usage
from domain.facts import Json
from domain.storable import storable_text
from engine.ai_messages import CallMessage
from worker.ai.asking import WRAPPED, asked_schema, is_wrapped
from worker.ai.output import read_arguments, read_output, unfenced
from worker.ai.pricing import price
from worker.ai.provider import AiAnswer, AiCall, AiError, CallReport, ModelPrice, Price
from worker.ai.pydantic_ai_errors import presentable

REASONING = ("reasoning_tokens", "thoughts_tokens", "thinking_tokens")
"""What vendors call the tokens of reasoning."""
IN_FENCE = "read from a code fence"
"""What an attempt says beside its `finish_reason` where the model put its JSON into a code block."""
LONGEST_ID = 200
"""Characters of what a provider calls a call."""
MOST_CALLS = 128
"""In one answer."""


@dataclass(frozen=True)
class Asked:
    """Who was asked: as attempts record it, where, and what the tenant says that it costs (None: the list price)."""

    provider: str
    model: str
    vendor: str
    url: str
    prices: ModelPrice | None = None


def report_of(asked: Asked, response: ModelResponse, took: int) -> CallReport:
    """`took`: milliseconds."""
    name = response.model_name or asked.model
    if not response.usage.has_values():
        return CallReport(took, None, None, asked.provider, name, response.finish_reason)
    used = _usage(response)
    return CallReport(took, used, _price(asked, response, used), asked.provider, name, response.finish_reason)


def answer(call: AiCall, asked: Asked, response: ModelResponse, took: int) -> AiAnswer:
    """Raises AiError, with what the response used."""
    report = report_of(asked, response, took)
    if report.finish_reason == "content_filter":
        said = (response.provider_details or {}).get("refusal")
        told = f"The model refused: {presentable(said)}" if isinstance(said, str) else "A content filter stopped the answer."
        raise AiError("refused", told, report=report)
    if report.finish_reason == "length":
        # The same limit would meet the same end, and be paid for again.
        raise AiError("truncated", "The answer was cut off at its longest.", report=report)
    calls = _calls(response.tool_calls, report)
    if calls:
        return AiAnswer(None, asked.provider, report.model or asked.model, report, calls, _beside(response))
    if not response.text:
        raise AiError("invalid_output", "The answer is empty.", report=report)
    text, inner = response.text, unfenced(response.text) if call.output_schema is not None else None
    if inner is not None:
        text, report = inner, replace(report, finish_reason=f"{report.finish_reason or 'stop'} ({IN_FENCE})")
    output: Json = read_output(text, asked_schema(call.output_schema), report)
    if is_wrapped(call.output_schema):
        output = output[WRAPPED]
    return AiAnswer(output, asked.provider, report.model or asked.model, report)


def _calls(parts: Iterable[ToolCallPart], report: CallReport) -> tuple[CallMessage, ...]:
    found = tuple(parts)
    if len(found) > MOST_CALLS:
        raise AiError("invalid_output", f"The answer asks for more than {MOST_CALLS} tools at a time.", report=report)
    return tuple(
        CallMessage(storable_text(part.tool_call_id[:LONGEST_ID]), storable_text(part.tool_name[:200]), read_arguments(part.args))
        for part in found
    )


def _beside(response: ModelResponse) -> str | None:
    return storable_text(response.text) if response.text else None


def _usage(response: ModelResponse) -> Usage:
    usage = response.usage
    details = {name: int(count) for name, count in usage.details.items()} or None
    reasoning = usage.output_reasoning_tokens or next((details[name] for name in REASONING if details and name in details), None)
    counts = usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens
    return Usage(*counts, details, reasoning)


def _price(asked: Asked, response: ModelResponse, used: Usage) -> Price | None:
    if asked.prices is not None:
        return asked.prices.of(used)
    names = tuple(filter(None, (response.model_name, asked.model)))
    return price(response.usage, names, url=asked.url, vendor=asked.vendor)
