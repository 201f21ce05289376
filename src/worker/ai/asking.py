"""A call as pydantic-ai takes it: the messages, what the model is told beside, its tools, and the form of its output."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from domain.facts import Json
from engine.ai_messages import AssistantMessage, CallMessage, Message, ToolMessage, UserMessage
from worker.ai.provider import AiCall

WRAPPED = "value"


def messages(call: AiCall) -> list[ModelMessage]:
    """In order. What follows on each other from one side is one message, as the providers demand."""
    told: list[ModelMessage] = []
    for message in _turns(call):
        last = told[-1] if told else None
        if isinstance(last, ModelRequest) and isinstance(message, ModelRequest):
            told[-1] = ModelRequest([*last.parts, *message.parts])
        elif isinstance(last, ModelResponse) and isinstance(message, ModelResponse):
            told[-1] = ModelResponse([*last.parts, *message.parts])
        else:
            told.append(message)
    return told


def _turns(call: AiCall) -> Iterator[ModelRequest | ModelResponse]:
    if call.system_prompt:
        yield ModelRequest([SystemPromptPart(call.system_prompt)])
    yield from _said(call.before)
    yield ModelRequest([UserPromptPart(call.text)])
    yield from _said(call.messages)


def _said(messages: Iterable[Message]) -> Iterator[ModelRequest | ModelResponse]:
    for said in messages:
        match said:
            case UserMessage(text):
                yield ModelRequest([UserPromptPart(text)])
            case AssistantMessage(text, calls):
                parts: list[ModelResponsePart] = [TextPart(text)] if text else []
                yield ModelResponse([*parts, *map(_call, calls)])
            case ToolMessage():
                yield ModelRequest([_answered(said)])


def _call(call: CallMessage) -> ToolCallPart:
    return ToolCallPart(call.tool, call.arguments, call.id)


def _answered(said: ToolMessage) -> ToolReturnPart:
    return ToolReturnPart(said.tool, said.content, said.id, outcome="failed" if said.failed else "success")


def settings(call: AiCall) -> ModelSettings:
    """What is None is left out: the provider's default. `timeout` bounds each step; the whole is bounded by the caller."""
    configuration = call.configuration
    told = ModelSettings(timeout=call.timeout.total_seconds())
    if configuration.max_output_tokens is not None:
        told["max_tokens"] = configuration.max_output_tokens
    if configuration.temperature is not None:
        told["temperature"] = configuration.temperature
    if configuration.top_p is not None:
        told["top_p"] = configuration.top_p
    if configuration.seed is not None:
        told["seed"] = configuration.seed
    return told


def parameters(call: AiCall, model: Model) -> ModelRequestParameters:
    """Tools, and the schema of the output: by the provider's own way where the model has one, else by words."""
    tools = [
        ToolDefinition(name=each.name, parameters_json_schema=each.parameters, description=each.description or None)
        for each in call.tools
    ]
    if call.output_schema is None:
        return ModelRequestParameters(function_tools=tools)
    wanted = OutputObjectDefinition(json_schema=asked_schema(call.output_schema), name="output")
    return ModelRequestParameters(
        function_tools=tools,
        output_mode="native" if _has_native_output(model, bool(tools)) else "prompted",
        output_object=wanted,
        allow_text_output=False,
    )


def _has_native_output(model: Model, with_tools: bool) -> bool:
    profile: Any = model.profile
    if not profile.get("supports_json_schema_output", False):
        return False
    return not with_tools or profile.get("google_supports_tool_combination", True)


def is_wrapped(schema: Json) -> bool:
    """Endpoints want an object at the top, so any other output is asked for as the one property of an object."""
    return schema is not None and not (isinstance(schema, dict) and schema.get("type") == "object")


def asked_schema(schema: Json) -> Json:
    """The schema that is sent and checked. Definitions stay at the top, where references look for them."""
    if not is_wrapped(schema):
        return schema
    inner = schema if isinstance(schema, dict) else {}
    shared = {key: inner[key] for key in ("$defs", "definitions", "$schema") if key in inner}
    kept = {key: value for key, value in inner.items() if key not in shared} if isinstance(schema, dict) else schema
    return {**shared, "type": "object", "properties": {WRAPPED: kept}, "required": [WRAPPED], "additionalProperties": False}
