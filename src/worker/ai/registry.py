"""Which provider calls which model, by the beginning of the model's name. A new provider is one line in `KINDS`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from domain.ai_provider import AiLimits
from runtime.errors import OperatorError
from runtime.settings import Settings
from worker.ai import offline, vendors
from worker.ai.provider import AiError, Provider

DEFAULT = "default"
"""The model's name that stands for GESTA_AI_MODEL."""


@dataclass(frozen=True)
class ProviderKind:
    """`prefix`: of the names of its models; `name`: what attempts record as the provider; `strips`: the prefix is ours alone."""

    prefix: str
    name: str
    make: Callable[[Settings], Provider]
    strips: bool = True


def make_openai(settings: Settings) -> Provider:
    """Imports pydantic-ai, which takes a second or two. Raises OperatorError where the extra is not installed."""
    vendors.load("openai")
    from worker.ai.pydantic_ai_provider import PydanticAiProvider

    key = settings.ai_api_key.get_secret_value() if settings.ai_api_key else None
    if key is None and settings.ai_base_url is None:
        raise OperatorError("GESTA_AI_API_KEY: OpenAI's endpoint needs a key; name another endpoint with GESTA_AI_BASE_URL")
    return PydanticAiProvider(settings.ai_base_url, key)


KINDS = (
    ProviderKind("offline/", offline.PROVIDER, lambda _settings: offline.OfflineProvider(), strips=False),
    ProviderKind("openai:", "openai", make_openai),
)


@dataclass(frozen=True)
class ModelRef:
    """A model as attempts record it before the call, and the kind of provider that calls it."""

    full: str
    """For `AiCall.model`."""
    kind: ProviderKind
    timeout: timedelta
    """Of one call."""
    limits: AiLimits | None = None
    """None: nobody counts the calls."""

    @property
    def provider(self) -> str:
        return self.kind.name

    @property
    def model(self) -> str:
        return self.full.removeprefix(self.kind.prefix) if self.kind.strips else self.full


class Providers:
    """The providers of a process: each is made when its first model is called, and is shared from then on."""

    def __init__(self, settings: Settings, kinds: tuple[ProviderKind, ...] = KINDS) -> None:
        self._settings = settings
        self._kinds = kinds
        self._made: dict[str, Provider] = {}
        self._making = asyncio.Lock()

    @property
    def timeout(self) -> timedelta:
        """Of one call, where nobody says otherwise."""
        return timedelta(seconds=self._settings.ai_timeout)

    @property
    def _limits(self) -> AiLimits:
        settings = self._settings
        return AiLimits(settings.ai_concurrency, settings.ai_requests_per_minute, settings.ai_tokens_per_minute)

    def name(self, model: str) -> ModelRef:
        """Raises AiError bad_request for a name that no provider has."""
        if model == DEFAULT:
            if not self._settings.ai_model:
                raise AiError("bad_request", "The node names no model, and GESTA_AI_MODEL is not set.")
            model = self._settings.ai_model
        for kind in self._kinds:
            if model.startswith(kind.prefix) and model != kind.prefix:
                return ModelRef(model, kind, self.timeout, self._limits if kind.strips else None)
        known = ", ".join(
            [*(f"{kind.prefix}…" for kind in self._kinds), "or the key of a provider of the tenant's own and a colon"]
        )
        raise AiError("bad_request", f"No provider calls the model {model!r}; names begin with one of: {known}")

    async def provider(self, named: ModelRef) -> Provider:
        """Raises OperatorError where this process is not set up for it: then nothing was called, and no attempt need be made."""
        async with self._making:
            if named.kind.prefix not in self._made:
                # In a thread: the import would hold up the event loop, and with it the heartbeats of everything else.
                self._made[named.kind.prefix] = await asyncio.to_thread(named.kind.make, self._settings)
        return self._made[named.kind.prefix]

    async def aclose(self) -> None:
        for provider in self._made.values():
            await provider.aclose()
        self._made.clear()
