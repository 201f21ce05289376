"""A name that a tenant gives to models, as `fast` or `careful`: which are asked, in order, and what they are told by default.

Definitions name it, and no vendor. A change holds for attempts that begin from then on. Its stream's id follows from its key.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never
from uuid import UUID, uuid5

from domain.ai_provider import AI_PROVIDER, LONGEST_MODEL, ai_provider_id_of
from domain.ai_provider import RESERVED as INSTALLED
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, Json, NotFound, View
from domain.names import require_role_key
from domain.wording import listed

MOST_MODELS = 10
MOST_OUTPUT_TOKENS = 10_000_000
LONGEST_TIMEOUT = timedelta(hours=1)
RESERVED = frozenset({"default"})


@dataclass(frozen=True)
class ModelDefaults:
    """Where a task does not say. `timeout_seconds`: of one call."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class AiModelSet(Event):
    """As it is from now on, in whole. `models`: each `provider:model`; who fails gives way to the next."""

    key: str
    models: tuple[str, ...]
    defaults: ModelDefaults = ModelDefaults()


@dataclass(frozen=True)
class AiModelRemoved(Event):
    key: str


AiModelEvent = AiModelSet | AiModelRemoved


@dataclass(frozen=True)
class AiModel:
    exists: bool = False
    key: str = ""
    models: tuple[str, ...] = ()
    defaults: ModelDefaults = ModelDefaults()


def evolve(state: AiModel, event: AiModelEvent) -> AiModel:
    match event:
        case AiModelSet():
            return AiModel(True, event.key, event.models, event.defaults)
        case AiModelRemoved():
            return replace(state, exists=False)
        case _:
            assert_never(event)


AI_MODEL: Aggregate[AiModel] = Aggregate(
    "ai_model",
    AiModel(),
    evolve,
    (
        EventType(
            AiModelSet,
            "ai_model.set.v1",
            lambda e, _: f"The model {e.key} stands for {listed(e.models)}.",
            note="In whole. `models` in the order in which they are asked: where one fails, the next takes its place.",
        ),
        EventType(
            AiModelRemoved,
            "ai_model.removed.v1",
            lambda e, _: f"The model {e.key} was removed.",
            severity="warning",
            note="Tasks that name it fail.",
        ),
    ),
    "ai",
)


def ai_model_id_of(tenant_id: UUID, key: str) -> UUID:
    return uuid5(tenant_id, f"ai_model:{key}")


def set_up(view: View, key: str, models: tuple[str, ...], defaults: ModelDefaults = ModelDefaults()) -> Decided:
    """Set it up, or change it: what it was before holds no longer."""
    require_role_key(key, "/key", "A model's key")
    if key in RESERVED:
        raise Invalid("This name stands for the installation's own model.", "/key")
    _require_models(models)
    _require_defaults(defaults)
    model_id = ai_model_id_of(view.tenant_id, key)
    state = view.read(AI_MODEL, model_id)
    _require_providers(view, models, state.models)
    event = AiModelSet(key, models, defaults)
    return _answer(view, model_id, *(() if evolve(state, event) == state else (event,)))


def remove(view: View, key: str) -> Decided:
    model_id = ai_model_id_of(view.tenant_id, key)
    if not view.read(AI_MODEL, model_id).exists:
        raise NotFound
    return _answer(view, model_id, AiModelRemoved(key))


def _require_models(models: tuple[str, ...]) -> None:
    if not 1 <= len(models) <= MOST_MODELS:
        raise Invalid(f"There must be 1 to {MOST_MODELS} models.", "/models")
    if len(set(models)) < len(models):
        raise Invalid("A model is named twice.", "/models")
    for number, model in enumerate(models):
        provider, found, name = model.partition(":")
        if model.startswith("offline/") and len(model) <= LONGEST_MODEL:
            continue
        if not found or not provider or not 1 <= len(name) <= LONGEST_MODEL:
            raise Invalid("A model is named by its provider's key, a colon and its own name.", f"/models/{number}")
        require_role_key(provider, f"/models/{number}", "A provider's key")


def _require_providers(view: View, models: tuple[str, ...], before: tuple[str, ...]) -> None:
    """Those that were named before may have been removed since."""
    for number, model in enumerate(models):
        provider = model.partition(":")[0]
        if model in before or model.startswith("offline/") or provider in INSTALLED:
            continue
        if not view.read(AI_PROVIDER, ai_provider_id_of(view.tenant_id, provider)).exists:
            raise Invalid(f"There is no provider {provider}.", f"/models/{number}")


def _require_defaults(defaults: ModelDefaults) -> None:
    tokens, temperature, seconds = defaults.max_output_tokens, defaults.temperature, defaults.timeout_seconds
    if tokens is not None and not 1 <= tokens <= MOST_OUTPUT_TOKENS:
        raise Invalid(f"max_output_tokens must be from 1 to {MOST_OUTPUT_TOKENS}.", "/defaults/max_output_tokens")
    if temperature is not None and not 0 <= temperature <= 2:
        raise Invalid("temperature must be from 0 to 2.", "/defaults/temperature")
    if seconds is not None and not 0 < seconds <= LONGEST_TIMEOUT.total_seconds():
        raise Invalid("timeout_seconds must be more than 0, and at most 3600.", "/defaults/timeout_seconds")


def defaults_json(defaults: ModelDefaults) -> Json:
    return {
        "max_output_tokens": defaults.max_output_tokens,
        "temperature": defaults.temperature,
        "timeout_seconds": defaults.timeout_seconds,
    }


def _answer(view: View, model_id: UUID, *events: AiModelEvent) -> Decided:
    state = view.read(AI_MODEL, model_id)
    for event in events:
        state = evolve(state, event)
    result = {
        "id": str(model_id),
        "key": state.key,
        "models": list(state.models),
        "defaults": defaults_json(state.defaults),
        "version": view.version(model_id) + len(events),
    }
    return Decided(tuple(Fact(model_id, event) for event in events), result=result)
