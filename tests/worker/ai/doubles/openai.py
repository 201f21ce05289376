"""https://platform.openai.com/docs/api-reference/chat/create, and error codes of the same reference."""

import json
from collections.abc import Sequence
from typing import Any

from domain.ai_task import Usage
from tests.worker.ai.doubles.format import Call, Format, events
from tests.worker.ai.wire import Answer, answer, completion, error


def body(text: str | None, finish: str, calls: Sequence[Call]) -> Any:
    if not calls:
        return completion(text, finish)
    asked = [
        {
            "id": call.id,
            "type": "function",
            "function": {
                "name": call.tool,
                "arguments": call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
            },
        }
        for call in calls
    ]
    return completion(text, "tool_calls", tool_calls=asked)


def stream(pieces: Sequence[str]) -> Answer:
    def chunk(delta: Any, finish: str | None = None, **more: Any) -> Any:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini", "choices": choices, **more}

    usage = completion("")["usage"]
    return events(
        [
            *(chunk({"role": "assistant", "content": piece}) for piece in pieces),
            chunk({}, "stop"),
            chunk({}) | {"choices": [], "usage": usage},
        ],
        done=True,
    )


FORMAT = Format(
    kind="openai_compatible",
    model="gpt-4o-mini",
    path="/v1/chat/completions",
    body=body,
    ends=("stop", "length", "content_filter"),
    usage=Usage(1000, 100, 400, 0, {"reasoning_tokens": 7}, 7),
    errors={
        "rate_limit": answer(error("Slow down.", "requests", "rate_limit_exceeded"), 429, retry_after="17"),
        "overloaded": answer(error("The engine is currently overloaded."), 503, retry_after="17"),
        "quota": answer(error("Pay first.", "insufficient_quota", "insufficient_quota"), 429),
        "context_length": answer(error("Too long.", code="context_length_exceeded"), 400),
        "auth": answer(error("Incorrect API key."), 401),
        "bad_request": answer(error("No such field."), 400),
        "unavailable": answer(error("Oh."), 500),
    },
    key_of=lambda headers: headers["authorization"].removeprefix("Bearer "),
    told=lambda sent: json.dumps(sent["messages"]),
    tools=lambda sent: [tool["function"]["name"] for tool in sent["tools"]],
    has_schema=lambda sent: sent["response_format"]["type"] == "json_schema",
    stream=stream,
    takes_text=True,
)
