"""Google's Gemini API."""

import httpx2
from google.genai.client import Client, DebugConfig
from google.genai.types import HttpOptions
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from worker.ai.vendors import URLS, Vendor
from worker.ai.vendors.unused import UNUSED

URL = URLS["google"]


def connect(http: httpx2.AsyncClient, base_url: str | None, key: str) -> Vendor:
    sdk = Client(
        vertexai=False,
        api_key=key,
        debug_config=DebugConfig(client_mode="", replays_directory="", replay_id=""),
        http_options=HttpOptions(base_url=base_url or URL, httpx_async_client=http, httpx_client=UNUSED),
    )
    provider = GoogleProvider(client=sdk)
    return Vendor("google", base_url or URL, lambda name: GoogleModel(name, provider=provider))
