"""Mistral's chat completions."""

import httpx2
from mistralai.client import Mistral
from pydantic_ai.models.mistral import MistralModel
from pydantic_ai.providers.mistral import MistralProvider

from worker.ai.vendors import URLS, Vendor
from worker.ai.vendors.unused import UNUSED

URL = URLS["mistral"]


def connect(http: httpx2.AsyncClient, base_url: str | None, key: str) -> Vendor:
    sdk = Mistral(api_key=key, async_client=http, client=UNUSED, server_url=base_url or URL)
    provider = MistralProvider(mistral_client=sdk)
    return Vendor("mistral", base_url or URL, lambda name: MistralModel(name, provider=provider))
