"""What a call costs, by the price list that comes with genai-prices. It is a list price: no discounts, nothing fetched."""

from decimal import Decimal

from genai_prices import calc_price
from genai_prices.types import AbstractUsage

from worker.ai.provider import Price

CURRENCY = "USD"  # all prices of the list
SMALLEST = Decimal("1e-10")  # what the tables keep


def price(usage: AbstractUsage, models: tuple[str, ...], *, url: str, vendor: str) -> Price | None:
    """The price by the endpoint's own list, else by the vendor's, of the first model name that is in it; None: not known."""
    for model in models:
        for amount in (_by_url(usage, model, url), _by_vendor(usage, model, vendor)):
            if amount is not None:
                return Price(amount if amount == amount.quantize(SMALLEST) else amount.quantize(SMALLEST), CURRENCY)
    return None


def _by_url(usage: AbstractUsage, model: str, url: str) -> Decimal | None:
    try:
        return calc_price(usage, model, provider_api_url=url).total_price
    except LookupError:
        return None


def _by_vendor(usage: AbstractUsage, model: str, vendor: str) -> Decimal | None:
    try:
        return calc_price(usage, model, provider_id=vendor).total_price
    except LookupError:
        return None
