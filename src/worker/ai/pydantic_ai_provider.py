"""Any endpoint that speaks OpenAI's chat completions, through pydantic-ai. Needs the extra `ai`; see `worker.ai.registry`.

One call is one request: the SDK's retries are off, because retrying is the workflow's and on record. All calls share a
bounded number of connections. Structured output is asked for by JSON Schema, and checked here again.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelRequest, ModelRequestPart, ModelResponse, SystemPromptPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings

from domain.ai_task import Usage
from domain.facts import Json
from worker.ai.clients import OPENAI, Clients, UnacceptableAnswer
from worker.ai.output import check_call, read_output, unfenced
from worker.ai.pricing import price
from worker.ai.provider import AiAnswer, AiCall, AiError, CallReport
from worker.ai.pydantic_ai_errors import as_ai_error, presentable

PREFIX = "openai:"
VENDOR = "openai"
MAX_CONNECTIONS = 256
WRAPPED = "value"
IN_FENCE = "read from a code fence"
"""What an attempt says beside its `finish_reason` where the model put its JSON into a code block."""


class PydanticAiProvider:
    """A `Provider` for one endpoint. `base_url` None: OpenAI's own. Nothing but what is passed here is read from anywhere."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_connections: int = MAX_CONNECTIONS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = Clients(base_url, api_key, max_connections)
        self._url = base_url or OPENAI
        self._secret = api_key
        self._monotonic = monotonic

    async def call(self, call: AiCall) -> AiAnswer:
        """Exactly one request. Raises AiError."""
        check_call(call)
        name = call.model.removeprefix(PREFIX)
        began = self._monotonic()
        response = await self._request(call, name)
        took = round((self._monotonic() - began) * 1000)
        if isinstance(response, AiError):
            response.report = CallReport(took, provider=VENDOR, model=name)
            raise response
        return self._answer(call, name, response, took)

    async def _request(self, call: AiCall, name: str) -> ModelResponse | AiError:
        """The response, or the error to raise. Raised here, it would carry the SDK's own, which hold the exchange."""
        seconds = call.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                with self._clients.model(name) as model:
                    return await model_request(
                        model,
                        [_message(call)],
                        model_settings=_settings(call),
                        model_request_parameters=_wanted(call),
                        instrument=False,
                    )
        except TimeoutError:
            return AiError("timeout", f"There was no answer within {seconds:g} seconds.")
        except UnacceptableAnswer as error:
            return AiError("invalid_output", str(error))
        except AgentRunError as error:
            return as_ai_error(error, self._secret)
        except UserError as error:
            return AiError("bad_request", presentable(str(error), self._secret))

    async def aclose(self) -> None:
        await self._clients.aclose()

    def _answer(self, call: AiCall, name: str, response: ModelResponse, took: int) -> AiAnswer:
        """The output in a response. Raises AiError, with what the response used."""
        report = self._report(name, response, took)
        if report.finish_reason == "content_filter":
            said = (response.provider_details or {}).get("refusal")
            message = (
                f"The model refused: {presentable(said)}" if isinstance(said, str) else "A content filter stopped the answer."
            )
            raise AiError("refused", message, report=report)
        if report.finish_reason == "length":
            # The same limit would meet the same end, and be paid for again.
            raise AiError("invalid_output", "The answer was cut off at its longest.", retryable=False, report=report)
        if not response.text:
            raise AiError("invalid_output", "The answer is empty.", report=report)
        text, inner = response.text, unfenced(response.text) if call.output_schema is not None else None
        if inner is not None:
            text, report = inner, replace(report, finish_reason=f"{report.finish_reason or 'stop'} ({IN_FENCE})")
        output = read_output(text, _asked(call.output_schema), report)
        if _is_wrapped(call.output_schema):
            output = output[WRAPPED]
        return AiAnswer(output, VENDOR, report.model or name, report)

    def _report(self, name: str, response: ModelResponse, took: int) -> CallReport:
        if not response.usage.has_values():
            return CallReport(took, None, None, VENDOR, response.model_name or name, response.finish_reason)
        models = tuple(filter(None, (response.model_name, name)))
        cost = price(response.usage, models, url=self._url, vendor=VENDOR)
        return CallReport(took, _usage(response), cost, VENDOR, models[0], response.finish_reason)


def _message(call: AiCall) -> ModelRequest:
    parts: list[ModelRequestPart] = [SystemPromptPart(call.system_prompt)] if call.system_prompt else []
    return ModelRequest([*parts, UserPromptPart(call.text)])


def _settings(call: AiCall) -> ModelSettings:
    """What is None is left out: the provider's default. `timeout` bounds each step; the whole is bounded by the caller."""
    configuration = call.configuration
    settings = ModelSettings(timeout=call.timeout.total_seconds())
    if configuration.max_output_tokens is not None:
        settings["max_tokens"] = configuration.max_output_tokens
    if configuration.temperature is not None:
        settings["temperature"] = configuration.temperature
    if configuration.top_p is not None:
        settings["top_p"] = configuration.top_p
    if configuration.seed is not None:
        settings["seed"] = configuration.seed
    return settings


def _wanted(call: AiCall) -> ModelRequestParameters:
    if call.output_schema is None:
        return ModelRequestParameters()
    wanted = OutputObjectDefinition(_asked(call.output_schema), name="output")
    return ModelRequestParameters(output_mode="native", output_object=wanted, allow_text_output=False)


def _is_wrapped(schema: Json) -> bool:
    """Endpoints want an object at the top, so any other output is asked for as the one property of an object."""
    return schema is not None and not (isinstance(schema, dict) and schema.get("type") == "object")


def _asked(schema: Json) -> Json:
    """The schema that is sent and checked. Definitions stay at the top, where references look for them."""
    if not _is_wrapped(schema):
        return schema
    inner = schema if isinstance(schema, dict) else {}
    shared = {key: inner[key] for key in ("$defs", "definitions", "$schema") if key in inner}
    kept = {key: value for key, value in inner.items() if key not in shared} if isinstance(schema, dict) else schema
    return {**shared, "type": "object", "properties": {WRAPPED: kept}, "required": [WRAPPED], "additionalProperties": False}


def _usage(response: ModelResponse) -> Usage:
    usage = response.usage
    details = {name: int(count) for name, count in usage.details.items()} or None
    return Usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, details)
