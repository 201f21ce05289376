"""Whether providers of AI models are asked at all."""

from collections.abc import AsyncIterator

from cli.diagnostics.finding import CheckResult, ok, warn
from runtime.addresses import Addresses
from runtime.pools import connect
from store import ai_providers


async def examine(addresses: Addresses) -> AsyncIterator[CheckResult]:
    async with connect(addresses.system, name="gesta doctor") as connection:
        count = await ai_providers.open_circuits(connection)
        providers, names = await ai_providers.dangling(connection)
    if providers or names:
        words = f"{providers} providers name a secret that is not there, and {names} names of models a provider that is not"
        yield warn("models", words, "their calls fail: set up again what is named; see docs/how-to/connect-a-provider.md")
    if count:
        words = f"{count} providers of AI models failed again and again, and are asked rarely until they answer"
        yield warn("models", words, "GET /v1/ai-providers/{key} says which and why; see docs/how-to/connect-a-provider.md")
    elif not (providers or names):
        yield ok("models", "no provider is passed over")
