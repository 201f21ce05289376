"""A provider of AI models as a tenant uses it: whose protocol it speaks, where it is, which secret opens it, and how much of it
may be used. Its stream's id follows from its key, by which models are named: `key:model`.

The secret is named, never its value; it is opened for the moment of a call, and only goes to hosts that it names itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import assert_never
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from domain.ai_kind import KINDS, Kind
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, Json, NotFound, View
from domain.names import require_role_key, require_web_address
from domain.secret import SECRET, secret_id_of
from domain.usage_report import CURRENCY, MOST_PAID

RESERVED = frozenset({"openai", "offline", "default"})
"""Names of the process's own models begin with these."""
LONGEST_URL = 2_000
MOST_PRICES = 200
MOST_CONCURRENCY = 10_000
MOST_REQUESTS = 1_000_000
MOST_TOKENS = 1_000_000_000
LONGEST_MODEL = 150


@dataclass(frozen=True)
class AiLimits:
    """How much of a provider may be used: calls at a time, requests and tokens in any minute. None: as much as one likes."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True)
class AiPrice:
    """What a model costs, for a million tokens each. `cached_input`: of input read from a cache; None: as other input."""

    model: str
    input: Decimal
    output: Decimal
    currency: str
    cached_input: Decimal | None = None


@dataclass(frozen=True)
class AiProviderSet(Event):
    """As it is from now on, in whole. `secret`: a name. `base_url`: None: the vendor's own."""

    key: str
    kind: Kind
    base_url: str | None = None
    secret: str | None = None
    limits: AiLimits = AiLimits()
    prices: tuple[AiPrice, ...] = ()


@dataclass(frozen=True)
class AiProviderRemoved(Event):
    key: str


AiProviderEvent = AiProviderSet | AiProviderRemoved


@dataclass(frozen=True)
class AiProvider:
    exists: bool = False
    key: str = ""
    kind: Kind = "openai"
    base_url: str | None = None
    secret: str | None = None
    limits: AiLimits = AiLimits()
    prices: tuple[AiPrice, ...] = ()

    def price_of(self, *names: str) -> AiPrice | None:
        """Of the first name that has one."""
        known = {price.model: price for price in self.prices}
        return next((known[name] for name in names if name in known), None)


def evolve(state: AiProvider, event: AiProviderEvent) -> AiProvider:
    match event:
        case AiProviderSet():
            return AiProvider(True, event.key, event.kind, event.base_url, event.secret, event.limits, event.prices)
        case AiProviderRemoved():
            return replace(state, exists=False)
        case _:
            assert_never(event)


AI_PROVIDER: Aggregate[AiProvider] = Aggregate(
    "ai_provider",
    AiProvider(),
    evolve,
    (
        EventType(
            AiProviderSet,
            "ai_provider.set.v1",
            lambda e, _: f"The AI provider {e.key} was set up: {e.kind}{'' if e.base_url is None else f' at {e.base_url}'}.",
            note="In whole. `secret`: the name of a secret, never its value. Prices are for a million tokens, exact.",
        ),
        EventType(
            AiProviderRemoved,
            "ai_provider.removed.v1",
            lambda e, _: f"The AI provider {e.key} was removed.",
            severity="warning",
            note="Tasks that name it fail.",
        ),
    ),
    "ai",
)


def ai_provider_id_of(tenant_id: UUID, key: str) -> UUID:
    return uuid5(tenant_id, f"ai_provider:{key}")


def set_up(
    view: View,
    key: str,
    kind: Kind,
    *,
    base_url: str | None = None,
    secret: str | None = None,
    limits: AiLimits = AiLimits(),
    prices: tuple[AiPrice, ...] = (),
) -> Decided:
    """Set it up, or change it: what it was before holds no longer."""
    _require(key, kind, base_url, secret)
    _require_limits(limits)
    _require_prices(prices)
    provider_id = ai_provider_id_of(view.tenant_id, key)
    state = view.read(AI_PROVIDER, provider_id)
    if secret is not None and secret != state.secret and not view.read(SECRET, secret_id_of(view.tenant_id, secret)).exists:
        raise Invalid(f"There is no secret {secret}.", "/secret")
    event = AiProviderSet(key, kind, base_url, secret, limits, tuple(sorted(prices, key=lambda price: price.model)))
    return _answer(view, provider_id, *(() if evolve(state, event) == state else (event,)))


def remove(view: View, key: str) -> Decided:
    provider_id = ai_provider_id_of(view.tenant_id, key)
    if not view.read(AI_PROVIDER, provider_id).exists:
        raise NotFound
    return _answer(view, provider_id, AiProviderRemoved(key))


def _require(key: str, kind: str, base_url: str | None, secret: str | None) -> None:
    require_role_key(key, "/key", "A provider's key")
    if key in RESERVED:
        raise Invalid("Models of the installation's own have names that begin so.", "/key")
    if kind not in KINDS:
        raise Invalid(f"kind must be one of {', '.join(KINDS)}.", "/kind")
    if base_url is None and kind == "openai_compatible":
        raise Invalid("An OpenAI-compatible endpoint has a base_url.", "/base_url")
    if base_url is not None:
        _require_url(base_url)
    if secret is not None:
        require_role_key(secret, "/secret", "A secret's name")
    elif base_url is None:
        raise Invalid("The vendor's own endpoint needs a key: name a secret.", "/secret")


def _require_url(url: str) -> None:
    if len(url) > LONGEST_URL:
        raise Invalid(f"A URL must not have more than {LONGEST_URL} characters.", "/base_url")
    require_web_address(url, "/base_url")
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise Invalid("A base URL has no query and no fragment.", "/base_url")


def _require_limits(limits: AiLimits) -> None:
    most = {"concurrency": MOST_CONCURRENCY, "requests_per_minute": MOST_REQUESTS, "tokens_per_minute": MOST_TOKENS}
    for name, highest in most.items():
        value = getattr(limits, name)
        if value is not None and not 1 <= value <= highest:
            raise Invalid(f"{name} must be from 1 to {highest}.", f"/limits/{name}")


def _require_prices(prices: tuple[AiPrice, ...]) -> None:
    if len(prices) > MOST_PRICES:
        raise Invalid(f"There may be prices of {MOST_PRICES} models.", "/prices")
    if len({price.model for price in prices}) < len(prices):
        raise Invalid("A model has one price.", "/prices")
    for price in prices:
        path = f"/prices/{price.model}"
        if not 1 <= len(price.model) <= LONGEST_MODEL:
            raise Invalid(f"A model's name has 1 to {LONGEST_MODEL} characters.", "/prices")
        if not CURRENCY.fullmatch(price.currency):
            raise Invalid("A currency is named by its three letters (ISO 4217).", f"{path}/currency")
        for name in ("input", "output", "cached_input"):
            value: Decimal | None = getattr(price, name)
            if value is None:
                continue
            exponent = value.as_tuple().exponent
            if not value.is_finite() or not 0 <= value < MOST_PAID or not isinstance(exponent, int) or exponent < -10:
                raise Invalid(
                    "A price is from 0 to less than a million, with at most ten digits after the point.", f"{path}/{name}"
                )


def limits_json(limits: AiLimits) -> Json:
    return {
        "concurrency": limits.concurrency,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
    }


def prices_json(prices: tuple[AiPrice, ...]) -> Json:
    """By model; amounts as text, because they are exact."""
    return {price.model: _price_json(price) for price in prices}


def _price_json(price: AiPrice) -> Mapping[str, Json]:
    told = {"input": f"{price.input:f}", "output": f"{price.output:f}", "currency": price.currency}
    return told if price.cached_input is None else {**told, "cached_input": f"{price.cached_input:f}"}


def _answer(view: View, provider_id: UUID, *events: AiProviderEvent) -> Decided:
    state = view.read(AI_PROVIDER, provider_id)
    for event in events:
        state = evolve(state, event)
    result = {
        "id": str(provider_id),
        "key": state.key,
        "kind": state.kind,
        "base_url": state.base_url,
        "secret": state.secret,
        "limits": limits_json(state.limits),
        "prices": prices_json(state.prices),
        "version": view.version(provider_id) + len(events),
    }
    return Decided(tuple(Fact(provider_id, event) for event in events), result=result)
