"""Calls by a vendor's protocol, through pydantic-ai. Needs the extra `ai`; see `worker.ai.registry`.

One call is one request: the SDKs' retries are off, because retrying is the workflow's and on record. Structured output is asked
for by JSON Schema, and checked here again.
"""

import asyncio
import time
from collections.abc import Callable

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from domain.ai_task import Usage
from worker.ai import asking
from worker.ai.answering import Asked, answer
from worker.ai.clients import Clients
from worker.ai.http import UnacceptableAnswer
from worker.ai.output import check_call
from worker.ai.pricing import list_price
from worker.ai.provider import AiAnswer, AiCall, AiError, CallReport, Price
from worker.ai.pydantic_ai_errors import as_ai_error, presentable
from worker.ai.vendors import Kind
from worker.outbound.client import OutboundError

PREFIX = "openai:"
VENDOR = "openai"
MAX_CONNECTIONS = 256


async def ask(
    call: AiCall, model: Model, asked: Asked, secret: str | None, monotonic: Callable[[], float] = time.monotonic
) -> AiAnswer:
    """Exactly one request. `secret`: the key, which some endpoints repeat in what they answer. Raises AiError."""
    check_call(call)
    began = monotonic()
    response = await _request(call, model, secret)
    took = round((monotonic() - began) * 1000)
    if isinstance(response, AiError):
        response.report = CallReport(took, provider=asked.provider, model=asked.model)
        raise response
    return answer(call, asked, response, took)


async def _request(call: AiCall, model: Model, secret: str | None) -> ModelResponse | AiError:
    """The response, or the error to raise. Raised here, it would carry the SDK's own, which hold the exchange."""
    seconds = call.timeout.total_seconds()
    responding = _responded(call, model, asking.messages(call), asking.settings(call), asking.parameters(call, model))
    try:
        async with asyncio.timeout(seconds):
            return await responding
    except TimeoutError:
        return AiError("timeout", f"There was no answer within {seconds:g} seconds.")
    except UnacceptableAnswer as error:
        return AiError("invalid_output", str(error))
    except AgentRunError as error:
        return as_ai_error(error, secret)
    except OutboundError as error:
        return AiError("bad_request", presentable(str(error), secret))
    except UserError as error:
        return AiError("bad_request", presentable(str(error), secret))
    except Exception as error:  # SDKs raise what they like where an answer is not of the protocol
        return AiError("unavailable", f"The answer does not follow the protocol: {type(error).__name__}")


async def _responded(
    call: AiCall, model: Model, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
) -> ModelResponse:
    if call.told is None:
        return await model_request(
            model, messages, model_settings=settings, model_request_parameters=parameters, instrument=False
        )
    async with model_request_stream(
        model, messages, model_settings=settings, model_request_parameters=parameters, instrument=False
    ) as stream:
        async for event in stream:
            match event:
                case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                    await call.told(text)
                case _:
                    pass
    return stream.get()


class PydanticAiProvider:
    """A `Provider` for the process's own endpoint. `base_url` None: the vendor's. Nothing else is read from anywhere."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        kind: Kind = "openai",
        prefix: str = PREFIX,
        max_connections: int = MAX_CONNECTIONS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = Clients(base_url, api_key, max_connections, kind)
        self._secret = api_key
        self._prefix = prefix
        self._monotonic = monotonic

    @property
    def url(self) -> str:
        """Where its requests go."""
        return self._clients.vendor.url

    async def call(self, call: AiCall) -> AiAnswer:
        """Exactly one request. Raises AiError."""
        name, vendor = call.model.removeprefix(self._prefix), self._clients.vendor
        with self._clients.model(name) as model:
            return await ask(call, model, Asked(vendor.name, name, vendor.name, vendor.url), self._secret, self._monotonic)

    def price_of(self, call: AiCall, used: Usage) -> Price | None:
        """By the list: discounts are not known."""
        vendor = self._clients.vendor
        return list_price(used, call.model.removeprefix(self._prefix), url=vendor.url, vendor=vendor.name)

    async def aclose(self) -> None:
        await self._clients.aclose()
