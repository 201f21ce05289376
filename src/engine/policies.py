"""What a node's `retry` and `timeout` say, beside its configuration."""

from collections.abc import Iterator
from datetime import timedelta

from domain.facts import Json
from domain.retry import RetryPolicy
from engine.durations import duration
from engine.invalid import InvalidValue

MAX_ATTEMPTS = 1_000
MAX_BACKOFF = 1_000

RETRY = {
    "type": "object",
    "properties": {
        "max_attempts": {"type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS},
        "initial_interval": {"type": "string"},
        "backoff": {"type": "number", "minimum": 1, "maximum": MAX_BACKOFF},
        "max_interval": {"type": "string"},
        "jitter": {"type": "number", "minimum": 0, "maximum": 1},
        "non_retryable": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 100}, "maxItems": 100},
    },
    "required": ["max_attempts"],
    "additionalProperties": False,
}


def faults(node: Json) -> Iterator[tuple[str, str]]:
    """(JSON pointer within the node, message) of every duration that is none; the shape is sound."""
    retry = node.get("retry", {})
    for field in ("initial_interval", "max_interval"):
        if field in retry:
            yield from _duration_faults(f"/retry/{field}", retry[field])
    if "timeout" in node:
        yield from _duration_faults("/timeout", node["timeout"])


def _duration_faults(pointer: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        found = duration(text)
    except InvalidValue as error:
        yield pointer, str(error)
    else:
        if not found:
            yield pointer, f"{text} must be greater than zero"


def read_timeout(node: Json) -> timedelta | None:
    return duration(node["timeout"]) if "timeout" in node else None


def read_retry(node: Json) -> RetryPolicy | None:
    """The policy of a node as it is written, where `faults` finds nothing; None: one attempt."""
    if "retry" not in node:
        return None
    retry, usual = node["retry"], RetryPolicy()
    return RetryPolicy(
        retry["max_attempts"],
        duration(retry["initial_interval"]) if "initial_interval" in retry else usual.initial_interval,
        float(retry.get("backoff", usual.backoff)),
        duration(retry["max_interval"]) if "max_interval" in retry else None,
        float(retry.get("jitter", usual.jitter)),
        tuple(retry.get("non_retryable", ())),
    )
