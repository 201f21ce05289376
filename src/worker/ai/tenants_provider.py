"""A provider that a tenant has set up, for one call: its client, key and way out are made for that, and kept by nobody."""

from collections.abc import Collection
from urllib.parse import urlsplit

from domain.ai_provider import AiProvider
from domain.ai_task import Usage
from domain.redaction import Redaction
from worker.ai import vendors
from worker.ai.http import client
from worker.ai.provider import AiAnswer, AiCall, AiError, ModelPrice, Price
from worker.outbound.client import Outbound
from worker.outbound.transport import GuardedTransport


def host_of_provider(provider: AiProvider) -> str:
    """The host that requests go to."""
    return urlsplit(provider.base_url or vendors.URLS[provider.kind]).hostname or ""


class TenantsProvider:
    """A `Provider`. `hosts`: where the tenant lets its requests go; `key`: the secret, opened."""

    def __init__(self, outbound: Outbound, hosts: Collection[str] | None, provider: AiProvider, key: str | None) -> None:
        self._outbound = outbound
        self._hosts = hosts
        self._provider = provider
        self._key = key
        self._redaction = Redaction(() if key is None else (key,))

    @property
    def url(self) -> str:
        """Where its requests go."""
        return self._provider.base_url or f"https://{host_of_provider(self._provider)}"

    async def call(self, call: AiCall) -> AiAnswer:
        """Exactly one request. Raises AiError."""
        from worker.ai.answering import Asked
        from worker.ai.pydantic_ai_provider import ask

        provider = self._provider
        name = call.model.partition(":")[2]
        transport = GuardedTransport(self._outbound, self._hosts, confidential=self._key is not None)
        async with client(transport=transport, trust_env=False) as http:
            vendor = vendors.connect(provider.kind, http, provider.base_url, self._key)
            asked = Asked(provider.key, name, vendor.name, vendor.url, self._price(name))
            try:
                return (await ask(call, vendor.model(name), asked, self._key)).without(self._redaction)
            except AiError as error:
                raise error.without(self._redaction) from None

    def price_of(self, call: AiCall, used: Usage) -> Price | None:
        """By what the tenant says; else by the list, where the provider is a vendor's own."""
        name, kind = call.model.partition(":")[2], self._provider.kind
        said = self._price(name)
        if said is not None:
            return said.of(used)
        from worker.ai.pricing import list_price

        return list_price(used, name, url=f"https://{host_of_provider(self._provider)}", vendor=kind)

    async def aclose(self) -> None:
        return

    def _price(self, model: str) -> ModelPrice | None:
        price = self._provider.price_of(model)
        return None if price is None else ModelPrice(price.input, price.output, price.currency, price.cached_input)
