"""Anthropic's messages."""

import httpx2
from anthropic import AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from worker.ai.vendors import URLS, Vendor

URL = URLS["anthropic"]


def connect(http: httpx2.AsyncClient, base_url: str | None, key: str) -> Vendor:
    sdk = AsyncAnthropic(api_key=key, base_url=base_url or URL, max_retries=0, http_client=http)
    sdk._custom_headers = {}
    provider = AnthropicProvider(anthropic_client=sdk)
    return Vendor("anthropic", base_url or URL, lambda name: AnthropicModel(name, provider=provider))
