"""Answers that are given again to the very same request of a tenant, where a task allows it."""

import json
from dataclasses import asdict
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from domain.ai_task import Usage
from domain.facts import Json
from engine.ai_messages import CallMessage
from worker.ai.provider import AiAnswer, AiCall, CallReport, Price

NOWHERE = "USD"
"""The currency of nothing, where it is not known what the answer cost."""


def request_of(call: AiCall, where: str) -> bytes:
    """SHA-256 of the model, where it is asked, and everything that is sent."""
    sent = [
        *(where, call.model, call.system_prompt, call.text, call.output_schema, asdict(call.configuration)),
        *([[type(said).__name__, asdict(said)] for said in each] for each in (call.before, call.messages)),
        [asdict(tool) for tool in call.tools],
    ]
    return sha256(json.dumps(sent, sort_keys=True, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")).digest()


def kept(answer: AiAnswer) -> Json:
    report = answer.report
    return {
        "output": answer.output,
        "provider": answer.provider,
        "model": answer.model,
        "latency_ms": report.latency_ms,
        "finish_reason": report.finish_reason,
        "currency": None if report.price is None else report.price.currency,
        "text": answer.text,
        "calls": [asdict(call) for call in answer.calls],
    }


def given_again(found: Json, attempt_id: UUID) -> AiAnswer:
    """It took what it took, used nothing, and costs nothing."""
    report = CallReport(
        found["latency_ms"],
        Usage(),
        Price(Decimal(0), found["currency"] or NOWHERE),
        found["provider"],
        found["model"],
        found["finish_reason"],
    )
    calls = tuple(CallMessage(**call) for call in found["calls"])
    return AiAnswer(found["output"], found["provider"], found["model"], report, calls, found["text"], cached_from=attempt_id)
