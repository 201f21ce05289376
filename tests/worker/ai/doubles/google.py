"""https://ai.google.dev/api/generate-content, and google.rpc.Status for errors."""

import json
from collections.abc import Sequence
from typing import Any

from domain.ai_task import Usage
from tests.worker.ai.doubles.format import Call, Format, events
from tests.worker.ai.wire import Answer, answer

MODEL = "gemini-3-flash-preview"
USAGE = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 93,
    "thoughtsTokenCount": 7,
    "cachedContentTokenCount": 400,
    "totalTokenCount": 1100,
}


def body(text: str | None, finish: str, calls: Sequence[Call]) -> Any:
    parts: list[Any] = [] if text is None else [{"text": text}]
    parts += [{"functionCall": {"id": call.id, "name": call.tool, "args": call.arguments}} for call in calls]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": MODEL, "responseId": "r1"}


def error(status: str, message: str, code: int, *details: Any) -> Answer:
    return answer({"error": {"code": code, "message": message, "status": status, "details": list(details)}}, code)


WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}


def stream(pieces: Sequence[str]) -> Answer:
    chunks = [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}], "modelVersion": MODEL}
        for piece in pieces
    ]
    return events([*chunks, body("", "STOP", ())])


FORMAT = Format(
    kind="google",
    model=MODEL,
    path=f"/v1beta/models/{MODEL}:generateContent",
    body=body,
    ends=("STOP", "MAX_TOKENS", "SAFETY"),
    usage=Usage(1000, 100, 400, 0, {"thoughts_tokens": 7}, 7),
    errors={
        "rate_limit": error("RESOURCE_EXHAUSTED", "Slow down.", 429, WAIT),
        "overloaded": error("UNAVAILABLE", "The model is overloaded.", 503, WAIT),
        "quota": error("RESOURCE_EXHAUSTED", "You exceeded your current quota.", 429, DAILY),
        "context_length": error(
            "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", 400
        ),
        "auth": error("PERMISSION_DENIED", "The caller does not have permission.", 403),
        "bad_request": error("INVALID_ARGUMENT", "No such field.", 400),
        "unavailable": error("INTERNAL", "Oh.", 500),
    },
    key_of=lambda headers: headers["x-goog-api-key"],
    told=lambda sent: json.dumps([sent.get("systemInstruction"), sent["contents"]]),
    tools=lambda sent: [each["name"] for tool in sent["tools"] for each in tool["functionDeclarations"]],
    has_schema=lambda sent: sent["generationConfig"]["responseMimeType"] == "application/json",
    stream=stream,
    takes_text=False,
)
