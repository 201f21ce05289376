"""https://docs.mistral.ai/api/#tag/chat."""

import json
from collections.abc import Sequence
from typing import Any

from domain.ai_task import Usage
from tests.worker.ai.doubles.format import Call, Format, events
from tests.worker.ai.wire import Answer, answer

MODEL = "mistral-large-2512"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def body(text: str | None, finish: str, calls: Sequence[Call]) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": text or ""}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "function": {
                    "name": call.tool,
                    "arguments": call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
                },
            }
            for call in calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else finish}
    return {"id": "m1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": USAGE}


def error(kind: str, message: str, status: int, code: str | None = None, **headers: str) -> Answer:
    return answer({"object": "error", "message": message, "type": kind, "code": code}, status, **headers)


def stream(pieces: Sequence[str]) -> Answer:
    def chunk(text: str, finish: str | None = None, **more: Any) -> Any:
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
        return {"id": "m1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice], **more}

    return events([*map(chunk, pieces), chunk("", "stop", usage=USAGE)], done=True)


FORMAT = Format(
    kind="mistral",
    model=MODEL,
    path="/v1/chat/completions",
    body=body,
    ends=("stop", "length", None),
    usage=Usage(1000, 100),
    errors={
        "rate_limit": error("rate_limited", "Slow down.", 429, "1300", retry_after="17"),
        "overloaded": error("service_unavailable", "Service is overloaded.", 503, retry_after="17"),
        "quota": error("payment_required", "Pay first.", 402),
        "context_length": error("invalid_request_prompt", "Prompt contains too many tokens.", 400, "3051"),
        "auth": error("unauthorized", "Unauthorized", 401),
        "bad_request": error("invalid_request_error", "No such field.", 400),
        "unavailable": error("internal", "Oh.", 500),
    },
    key_of=lambda headers: headers["authorization"].removeprefix("Bearer "),
    told=lambda sent: json.dumps(sent["messages"]),
    tools=lambda sent: [tool["function"]["name"] for tool in sent["tools"]],
    has_schema=lambda sent: '"kind"' in json.dumps(sent["messages"]).replace("\\", ""),
    stream=stream,
    takes_text=True,
)
