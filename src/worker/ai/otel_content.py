"""Words of AI tasks as OpenTelemetry's conventions write them, as JSON texts: for operators who say that they want them.

They are those that are recorded: secrets and sensitive values are not in them, and guards have seen them.
"""

import json
from collections.abc import Iterator
from typing import Any

from domain.ai_task import AiTask, Call
from domain.facts import Json
from engine.ai_messages import AssistantMessage, CallMessage, Message, UserMessage
from worker.ai.provider import AiAnswer, AiCall


def input_messages(call: AiCall) -> str:
    system = () if call.system_prompt is None else (_message("system", [_text(call.system_prompt)]),)
    said = (*call.before, UserMessage(call.text), *call.messages)
    return _json([*system, *map(_said, said)])


def output_messages(task: AiTask, answer: AiAnswer) -> str | None:
    """None: guards have not yet seen it."""
    guards = None if task.requested is None else task.requested.guards
    if isinstance(guards, dict) and (guards.get("output") or guards.get("tool_arguments")):
        return None
    text = answer.text if answer.calls else answer.output if isinstance(answer.output, str) else _json(answer.output)
    return _json([{**_of_model(text, answer.calls), "finish_reason": answer.report.finish_reason}])


def arguments_of(call: Call) -> str:
    return _json(call.arguments)


def _said(message: Message) -> Any:
    if isinstance(message, UserMessage):
        return _message("user", [_text(message.text)])
    if isinstance(message, AssistantMessage):
        return _of_model(message.text, message.calls)
    return _message("tool", [{"type": "tool_call_response", "id": message.id, "response": message.content}])


def _of_model(text: str | None, calls: tuple[CallMessage, ...]) -> Any:
    return _message("assistant", [*_texts(text), *map(_call, calls)])


def _texts(text: str | None) -> Iterator[Any]:
    if text is not None:
        yield _text(text)


def _call(call: CallMessage) -> Any:
    return {"type": "tool_call", "id": call.id, "name": call.tool, "arguments": call.arguments}


def _text(text: str) -> Any:
    return {"type": "text", "content": text}


def _message(role: str, parts: list[Any]) -> Any:
    return {"role": role, "parts": parts}


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
