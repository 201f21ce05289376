"""OpenAI's chat completions, at OpenAI or at any endpoint that speaks them: Ollama, vLLM, many others."""

from functools import lru_cache
from typing import Any

import httpx2
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from worker.ai.vendors import URLS, Vendor

URL = URLS["openai"]


class ChatModel(OpenAIChatModel):
    """Endpoints send null for counts that they do not know, which is no fault of the answer."""

    def _validate_completion(self, response: ChatCompletion) -> Any:
        usage: Any = response.usage
        if usage is not None and None in (usage.prompt_tokens, usage.completion_tokens):
            response.usage = None
        elif usage is not None and usage.total_tokens is None:
            usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
        return super()._validate_completion(response)


def connect(http: httpx2.AsyncClient, base_url: str | None, key: str) -> Vendor:
    sdk = AsyncOpenAI(api_key=key, base_url=base_url or URL, max_retries=0, http_client=http)
    sdk.organization = sdk.project = None
    sdk._custom_headers = {}
    provider: Provider[AsyncOpenAI] = (
        OpenAIProvider(openai_client=sdk)
        if base_url is None
        else OpenAICompatibleProvider("openai-compatible", openai_client=sdk)
    )
    return Vendor("openai", base_url or URL, lru_cache(64)(lambda name: ChatModel(name, provider=provider)))
