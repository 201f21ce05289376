"""What a call costs, by the price list that comes with genai-prices. It is a list price: no discounts, nothing fetched."""

from functools import lru_cache
from typing import TypeAlias

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import AbstractUsage, ModelInfo, Provider
from genai_prices.types import Usage as Counts

from domain.ai_task import Usage
from domain.usage_report import SMALLEST
from worker.ai.provider import Price

CURRENCY = "USD"  # all prices of the list

Entry: TypeAlias = tuple[ModelInfo, Provider]
"""Of the list. It knows the prices of a model at all times and in all amounts."""


def price(usage: AbstractUsage, models: tuple[str, ...], *, url: str, vendor: str) -> Price | None:
    """The price by the endpoint's own list, else by the vendor's, of the first model name that is in it; None: not known."""
    for name in models:
        for model, provider in _entries(name, url, vendor):
            try:
                amount = model.calc_price(usage, provider).total_price
            except LookupError:
                continue
            return Price(amount if amount == amount.quantize(SMALLEST) else amount.quantize(SMALLEST), CURRENCY)
    return None


def list_price(used: Usage, model: str, *, url: str, vendor: str) -> Price | None:
    """Of what a call may use, before it is made."""
    counts = Counts(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
    )
    return price(counts, (model,), url=url, vendor=vendor)


@lru_cache(1024)
def _entries(model: str, url: str, vendor: str) -> tuple[Entry, ...]:
    """Where to look, in that order. Kept, as the list remembers what it found but not what it searched in vain."""
    found = (_entry(model, provider_url=url), _entry(model, provider_id=vendor))
    return tuple(entry for entry in found if entry is not None)


def _entry(model: str, *, provider_id: str | None = None, provider_url: str | None = None) -> Entry | None:
    try:
        provider, info = get_snapshot().find_provider_model(model, None, provider_id, provider_url)
    except LookupError:
        return None
    return info, provider
