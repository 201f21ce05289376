"""Providers of AI models, each opened by a secret of the tenant's, and the names that definitions call models by."""

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any
from zlib import crc32

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import Body
from api.queries import ai_providers as queries
from api.routing import router
from api.schemas import ai_providers as schemas
from domain import ai_model, ai_provider
from domain.ai_kind import Kind
from domain.ai_model import LONGEST_TIMEOUT, MOST_MODELS, MOST_OUTPUT_TOKENS, ModelDefaults, ai_model_id_of
from domain.ai_provider import (
    LONGEST_MODEL,
    LONGEST_URL,
    MOST_CONCURRENCY,
    MOST_PRICES,
    MOST_REQUESTS,
    MOST_TOKENS,
    AiLimits,
    AiPrice,
    ai_provider_id_of,
)
from store import ai_providers

routes = router("AI models")

Key = Annotated[str, Field(min_length=1, max_length=63)]
ModelName = Annotated[str, Field(min_length=1, max_length=LONGEST_MODEL + 70)]
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,10})?$", max_length=17, examples=["0.15"])]


class LimitsGiven(Body):
    concurrency: Annotated[int | None, Field(ge=1, le=MOST_CONCURRENCY)] = None
    requests_per_minute: Annotated[int | None, Field(ge=1, le=MOST_REQUESTS)] = None
    tokens_per_minute: Annotated[int | None, Field(ge=1, le=MOST_TOKENS)] = None


class PriceGiven(Body):
    input: Amount
    output: Amount
    cached_input: Amount | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class ProviderGiven(Body):
    kind: Kind
    base_url: Annotated[str | None, Field(max_length=LONGEST_URL)] = None
    secret: Key | None = None
    limits: LimitsGiven = Field(default_factory=LimitsGiven)
    prices: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=LONGEST_MODEL)], PriceGiven], Field(max_length=MOST_PRICES)
    ] = Field(default_factory=dict)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "anthropic",
                    "secret": "anthropic-key",
                    "limits": {"concurrency": 20, "requests_per_minute": 1_000},
                    "prices": {"claude-sonnet-4-6": {"input": "3", "cached_input": "0.3", "output": "15", "currency": "USD"}},
                }
            ]
        }
    )


class DefaultsGiven(Body):
    max_output_tokens: Annotated[int | None, Field(ge=1, le=MOST_OUTPUT_TOKENS)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    timeout_seconds: Annotated[float | None, Field(gt=0, le=LONGEST_TIMEOUT.total_seconds())] = None


class ModelGiven(Body):
    models: Annotated[list[ModelName], Field(min_length=1, max_length=MOST_MODELS)]
    defaults: DefaultsGiven = Field(default_factory=DefaultsGiven)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"models": ["claude:claude-sonnet-4-6", "gpt:gpt-5"], "defaults": {"temperature": 0}}]}
    )


@routes.put("/ai-providers/{key}", **documented("Set up a provider of AI models", "How it stands", schemas.PROVIDER_RESULT))
async def set_provider(call: Calling, key: Key, body: ProviderGiven) -> Response:
    """In whole: what was there before under this key holds no longer. Attempts that begin from now on go by it.

    `secret` is the name of a secret whose hosts name the provider's.
    """
    limits = AiLimits(**body.limits.model_dump())
    prices = tuple(_price(model, given) for model, given in body.prices.items())
    return await call.command(
        commands.AI_PROVIDER_SET,
        lambda view, _who: ai_provider.set_up(
            view, key, body.kind, base_url=body.base_url, secret=body.secret, limits=limits, prices=prices
        ),
        ai_provider_id_of(call.tenant_id, key),
    )


@routes.get("/ai-providers", **paged("List providers of AI models", queries.PROVIDERS, schemas.PROVIDER_SUMMARY))
async def list_providers(call: Calling) -> Response:
    call.require("ai_models:read")
    return await call.page(queries.PROVIDERS)


@routes.get(
    "/ai-providers/{key}",
    **documented("Get a provider of AI models", "The provider, and how it does", schemas.PROVIDER, parameters=PAST),
)
async def get_provider(call: Calling, key: Key) -> Response:
    """`state`: whether it is asked, and how much of it was used in the last minute, by all processes. Null with `as_of`."""
    call.require("ai_models:read")
    provider_id = ai_provider_id_of(call.tenant_id, key)
    row, answer = await call.row(queries.PROVIDER, {"id": provider_id})
    if answer.past is not None:
        return call.shown({**row, "state": None}, answer)
    state = await call.services.system_pool.read(lambda connection: ai_providers.state(connection, call.tenant_id, provider_id))
    shown = None if state is None else asdict(state)
    return call.shown({**row, "state": shown}, answer, beside=None if shown is None else crc32(repr(shown).encode()))


@routes.delete("/ai-providers/{key}", **documented("Remove a provider of AI models", "As it was", schemas.PROVIDER_RESULT))
async def remove_provider(call: Calling, key: Key) -> Response:
    """Attempts that name it fail from now on."""
    return await call.command(
        commands.AI_PROVIDER_REMOVE,
        lambda view, _who: ai_provider.remove(view, key),
        ai_provider_id_of(call.tenant_id, key),
    )


@routes.put("/ai-models/{key}", **documented("Give AI models a name", "How it stands", schemas.MODEL_RESULT))
async def set_model(call: Calling, key: Key, body: ModelGiven) -> Response:
    """In whole. `models` are asked in this order: where one fails by no fault of the request, the next is asked at once."""
    defaults: dict[str, Any] = body.defaults.model_dump()
    return await call.command(
        commands.AI_MODEL_SET,
        lambda view, _who: ai_model.set_up(view, key, tuple(body.models), ModelDefaults(**defaults)),
        ai_model_id_of(call.tenant_id, key),
    )


@routes.get("/ai-models", **paged("List names of AI models", queries.MODELS, schemas.MODEL_SUMMARY))
async def list_models(call: Calling) -> Response:
    call.require("ai_models:read")
    return await call.page(queries.MODELS)


@routes.get("/ai-models/{key}", **documented("Get a name of AI models", "The name", schemas.MODEL, parameters=PAST))
async def get_model(call: Calling, key: Key) -> Response:
    call.require("ai_models:read")
    return await call.one(queries.MODEL, {"id": ai_model_id_of(call.tenant_id, key)})


@routes.delete("/ai-models/{key}", **documented("Remove a name of AI models", "As it was", schemas.MODEL_RESULT))
async def remove_model(call: Calling, key: Key) -> Response:
    """Attempts that name it fail from now on."""
    return await call.command(
        commands.AI_MODEL_REMOVE, lambda view, _who: ai_model.remove(view, key), ai_model_id_of(call.tenant_id, key)
    )


def _price(model: str, given: PriceGiven) -> AiPrice:
    cached = None if given.cached_input is None else Decimal(given.cached_input)
    return AiPrice(model, Decimal(given.input), Decimal(given.output), given.currency, cached)
