"""https://docs.anthropic.com/en/api/messages, /streaming and /errors."""

import json
from collections.abc import Sequence
from typing import Any

from domain.ai_task import Usage
from tests.worker.ai.doubles.format import Call, Format, events
from tests.worker.ai.wire import Answer, answer

MODEL = "claude-sonnet-4-6"
USAGE = {"input_tokens": 600, "output_tokens": 100, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 0}


def body(text: str | None, finish: str, calls: Sequence[Call]) -> Any:
    content: list[Any] = [] if text is None else [{"type": "text", "text": text}]
    content += [{"type": "tool_use", "id": call.id, "name": call.tool, "input": call.arguments} for call in calls]
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": f"{MODEL}",
        "content": content,
        "stop_reason": "tool_use" if calls else finish,
        "stop_sequence": None,
        "usage": USAGE,
    }


def error(kind: str, message: str, status: int, **headers: str) -> Answer:
    return answer({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}, status, **headers)


def stream(pieces: Sequence[str]) -> Answer:
    begun = body(None, "end_turn", ()) | {"content": [], "stop_reason": None, "usage": USAGE | {"output_tokens": 1}}
    return events(
        [
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in pieces),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 100},
            },
            {"type": "message_stop"},
        ],
        named=True,
    )


FORMAT = Format(
    kind="anthropic",
    model=MODEL,
    path="/v1/messages",
    body=body,
    ends=("end_turn", "max_tokens", "refusal"),
    usage=Usage(1000, 100, 400, 0),
    errors={
        "rate_limit": error("rate_limit_error", "Slow down.", 429, retry_after="17"),
        "overloaded": error("overloaded_error", "Overloaded.", 529, retry_after="17"),
        "quota": error("invalid_request_error", "Your credit balance is too low to access the API.", 400),
        "context_length": error("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum", 400),
        "auth": error("authentication_error", "invalid x-api-key", 401),
        "bad_request": error("invalid_request_error", "No such field.", 400),
        "unavailable": error("api_error", "Oh.", 500),
    },
    key_of=lambda headers: headers["authorization"].removeprefix("Bearer "),
    told=lambda sent: json.dumps([sent.get("system"), sent["messages"]]),
    tools=lambda sent: [tool["name"] for tool in sent["tools"]],
    has_schema=lambda sent: "schema" in json.dumps(sent.get("output_config") or sent.get("output_format") or {}),
    stream=stream,
    takes_text=False,
)
