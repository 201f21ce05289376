"""Which model an attempt asks: a name that the tenant gives to several, one of its providers', or one of the installation's own.

Several are a chain. A provider whose circuit is open, or that asked to be left alone, is passed over; where limits leave no room,
the attempt waits, and nothing is on record.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5

from domain.ai_model import AI_MODEL, ModelDefaults, ai_model_id_of
from domain.ai_provider import AI_PROVIDER, AiLimits, AiProvider, ai_provider_id_of
from domain.ai_task import Configuration
from domain.budget import Amounts
from domain.envelope import PLATFORM
from domain.hosts import hosts_of, is_listed
from domain.retry import FALLS_BACK
from domain.tenant import TENANT
from runtime.errors import OperatorError
from store import ai_answers, ai_providers
from store.ai_providers import Place, Verdict, Wait
from store.vault import NotSetUp, SecretError
from worker.ai import vendors
from worker.ai.caching import given_again, kept, request_of
from worker.ai.provider import AiAnswer, AiCall, AiError, Provider
from worker.ai.reckoning import bounded, expected_tokens, reckoned
from worker.ai.registry import DEFAULT
from worker.ai.streaming import Streaming
from worker.ai.tenants_provider import TenantsProvider, host_of_provider
from worker.context import WorkerContext

LATE = timedelta(seconds=15)
"""After its time-out, a call that nobody ended counts no longer."""
LONGEST_WAIT = timedelta(minutes=1)
COUNTS_AGAINST = frozenset({"overloaded", "unavailable", "timeout"})
SAYS_NOTHING = frozenset({"rate_limit", "quota", "auth", "bad_request"})


class ModelRef(Protocol):
    """A model of the installation's own, as attempts record it; see `worker.ai.registry`."""

    @property
    def full(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def timeout(self) -> timedelta: ...
    @property
    def limits(self) -> AiLimits | None: ...


class ProvidersOf(Protocol):
    """Who calls which model of the installation's own: `worker.ai.registry.Providers`."""

    @property
    def timeout(self) -> timedelta: ...
    def name(self, model: str) -> ModelRef: ...
    async def provider(self, named: Any) -> Provider: ...


@dataclass(frozen=True)
class Wanted:
    """What is to be asked of which model, or name for several. `link`: the place in the chain to begin at.

    `call`: the call, once it is known of whom, by the model's name and the time that it may take.
    """

    model: str
    link: int
    call: Callable[[str, timedelta], AiCall]
    cache: bool = False
    """Whether an answer to the very same request may be given again."""
    streams_to: UUID | None = None
    """The task for whose followers the text is kept as it comes."""


@dataclass(frozen=True)
class Candidate:
    """One model of a chain. `fault`: why it cannot be called. `owner_id`: whose provider it is; None: nobody counts."""

    provider: str
    model: str
    full: str
    timeout: timedelta
    caller: Provider | None
    fault: AiError | None = None
    owner_id: UUID | None = None
    provider_id: UUID | None = None
    limits: AiLimits = field(default_factory=AiLimits)
    secret: str | None = field(default=None, repr=False)
    where: str = ""
    """Beside the model's name: of whom it is asked."""
    kind: str = ""
    """By whose protocol, where it is a tenant's provider."""


@dataclass(frozen=True)
class ModelCall:
    """What an attempt asks. It is called once, or forgotten."""

    context: WorkerContext
    candidate: Candidate
    asked: AiCall
    place: Place | None
    has_next: bool
    """Whether the chain has another model, to be asked at once if this one fails."""
    tenant_id: UUID
    attempt_id: UUID
    wanted: Wanted
    found: AiAnswer | None = None
    """From the tenant's cache: nobody is called."""

    @property
    def provider(self) -> str:
        return self.candidate.provider

    @property
    def model(self) -> str:
        return self.candidate.model

    @property
    def takes(self) -> Amounts:
        """At most. One that nobody can be asked for takes nothing, and is an attempt all the same."""
        caller = self.candidate.caller
        return Amounts(calls=1) if caller is None or self.candidate.fault is not None else reckoned(caller, self.asked)

    def within_budget(self) -> "ModelCall":
        """With the most output that is put aside for it."""
        return replace(self, asked=bounded(self.asked))

    def falls_back(self, error: AiError) -> bool:
        return self.has_next and error.type in FALLS_BACK

    async def call(self) -> AiAnswer:
        """Exactly one request, or none. Raises AiError."""
        if self.candidate.fault is not None:
            raise self.candidate.fault
        if self.found is not None:
            return self.found
        assert self.candidate.caller is not None
        streaming = self._streaming()
        call = self.asked if streaming is None else replace(self.asked, told=streaming.told)
        try:
            answer = await self.candidate.caller.call(call)
        except AiError as error:
            await self._ended(_verdict(error), error)
            raise
        finally:
            digest = None if streaming is None else await streaming.finish()
        used = answer.report.usage
        await self._end("answered", tokens=None if used is None else used.input_tokens + used.output_tokens)
        if self.wanted.cache:
            await self._keep(answer)
        return replace(answer, stream_digest=digest)

    async def forget(self) -> None:
        """It is not called after all."""
        await self._end("unmade")

    def _streaming(self) -> Streaming | None:
        task_id = self.wanted.streams_to
        if task_id is None:
            return None
        return Streaming(self.context, self.tenant_id, task_id, self.attempt_id, self.candidate.secret)

    async def _keep(self, answer: AiAnswer) -> None:
        request = request_of(self.asked, self.candidate.where)
        codec = self.context.handler.codec
        async with self.context.pool.connection() as connection:
            await ai_answers.keep(connection, codec, self.tenant_id, request, self.attempt_id, kept(answer))

    async def _ended(self, verdict: Verdict, error: AiError) -> None:
        used = None if error.report is None else error.report.usage
        await self._end(
            verdict,
            error=error.type,
            tokens=None if used is None else used.input_tokens + used.output_tokens,
            rest=error.retry_after if error.type in ("rate_limit", "overloaded") else None,
        )

    async def _end(self, verdict: Verdict, **what: Any) -> None:
        if self.place is not None:
            async with self.context.pool.connection() as connection:
                await ai_providers.end(connection, self.place, verdict, **what)


class Choosing:
    """Of one process."""

    def __init__(self, context: WorkerContext, providers: ProvidersOf) -> None:
        self._context = context
        self._providers = providers

    async def choose(self, tenant_id: UUID, attempt_id: UUID, wanted: Wanted) -> ModelCall | Wait:
        """Raises AiError where no model has this name, and OperatorError where this process is not set up for it."""
        models, defaults = await self._chain(tenant_id, wanted.model)
        first = min(wanted.link, len(models) - 1)
        waits: list[Wait] = []
        for number in range(first, len(models)):
            candidate = await self._candidate(tenant_id, models[number], defaults)
            call = wanted.call(candidate.full, candidate.timeout)
            call = replace(call, configuration=configured(call.configuration, defaults))
            found = await self._found(tenant_id, candidate, call) if wanted.cache else None
            place = None if found is not None else _place(candidate, tenant_id, attempt_id)
            wait = None if place is None else await self._begin(place, candidate, call)
            if wait is None:
                has_next = number + 1 < len(models)
                return ModelCall(self._context, candidate, call, place, has_next, tenant_id, attempt_id, wanted, found)
            waits.append(wait)
            if wait.why not in ("open", "resting"):
                break
        return min(waits, key=_after)

    async def _chain(self, tenant_id: UUID, name: str) -> tuple[tuple[str, ...], ModelDefaults]:
        if ":" not in name and "/" not in name and name != DEFAULT:
            alias, _ = await self._context.handler.read(tenant_id, AI_MODEL, ai_model_id_of(tenant_id, name))
            if alias.exists:
                return alias.models, alias.defaults
        return (name,), ModelDefaults()

    async def _candidate(self, tenant_id: UUID, name: str, defaults: ModelDefaults) -> Candidate:
        key, found, model = name.partition(":")
        if found and key != "openai":
            provider_id = ai_provider_id_of(tenant_id, key)
            provider, _ = await self._context.handler.read(tenant_id, AI_PROVIDER, provider_id)
            if provider.exists:
                return await self._of_tenant(tenant_id, provider_id, provider, model, defaults)
        named = self._providers.name(name)
        limits = named.limits
        return Candidate(
            named.provider,
            named.model,
            named.full,
            _timeout(defaults, named.timeout),
            await self._providers.provider(named),
            owner_id=None if limits is None else PLATFORM,
            provider_id=None if limits is None else uuid5(PLATFORM, f"ai_provider:{named.provider}"),
            limits=limits or AiLimits(),
        )

    async def _of_tenant(
        self, tenant_id: UUID, provider_id: UUID, provider: AiProvider, model: str, defaults: ModelDefaults
    ) -> Candidate:
        candidate = Candidate(
            provider.key,
            model,
            f"{provider.key}:{model}",
            _timeout(defaults, self._providers.timeout),
            None,
            owner_id=tenant_id,
            provider_id=provider_id,
            limits=provider.limits,
            where=f"{provider.kind} {provider.base_url or ''}",
            kind=provider.kind,
        )
        # In a thread: the import would hold up the event loop, and with it the heartbeats of everything else.
        await asyncio.to_thread(vendors.load, provider.kind)
        tenant, _ = await self._context.handler.read(PLATFORM, TENANT, tenant_id)
        try:
            secret = None
            if provider.secret is not None:
                secret = await self._context.vault.open(tenant_id, provider.secret)
                host = host_of_provider(provider)
                if not is_listed(host, secret.hosts):
                    message = f"The secret {provider.secret} may not be sent to {host}: its hosts do not name it."
                    raise SecretError("secret_forbidden", message)
        except NotSetUp as error:
            raise OperatorError(str(error)) from error
        except SecretError as error:
            return replace(candidate, fault=AiError("auth", str(error)), owner_id=None, provider_id=None)
        caller = TenantsProvider(
            self._context.outbound, hosts_of(tenant.settings), provider, None if secret is None else secret.text
        )
        return replace(candidate, caller=caller, secret=None if secret is None else secret.text)

    async def _found(self, tenant_id: UUID, candidate: Candidate, call: AiCall) -> AiAnswer | None:
        """In the tenant's cache."""
        request = request_of(call, candidate.where)
        async with self._context.pool.connection() as connection:
            found = await ai_answers.find(connection, self._context.handler.codec, tenant_id, request)
        return None if found is None else given_again(found[1], found[0])

    async def _begin(self, place: Place, candidate: Candidate, call: AiCall) -> Wait | None:
        tokens = expected_tokens(call) if candidate.limits.tokens_per_minute is not None else 0
        async with self._context.pool.connection() as connection:
            wait = await ai_providers.begin(connection, place, candidate.limits, tokens, candidate.timeout + LATE)
        return None if wait is None else replace(wait, after=min(wait.after, LONGEST_WAIT))


def _place(candidate: Candidate, tenant_id: UUID, attempt_id: UUID) -> Place | None:
    if candidate.owner_id is None or candidate.provider_id is None:
        return None
    return Place(candidate.owner_id, candidate.provider_id, tenant_id, attempt_id)


def _after(wait: Wait) -> timedelta:
    return wait.after


def _timeout(defaults: ModelDefaults, otherwise: timedelta) -> timedelta:
    return otherwise if defaults.timeout_seconds is None else timedelta(seconds=defaults.timeout_seconds)


def _verdict(error: AiError) -> Verdict:
    if error.type in COUNTS_AGAINST:
        return "failed"
    return "neutral" if error.type in SAYS_NOTHING else "answered"


def configured(configuration: Configuration, defaults: ModelDefaults) -> Configuration:
    """What a task says comes first."""
    most, temperature = configuration.max_output_tokens, configuration.temperature
    return replace(
        configuration,
        max_output_tokens=defaults.max_output_tokens if most is None else most,
        temperature=defaults.temperature if temperature is None else temperature,
    )
