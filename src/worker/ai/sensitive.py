"""Sensitive values of an AI task: put into what is sent for the moment of the call, and taken out of what comes back.

The task as it is recorded has something else in their places (`SensitivePart`). A secret goes only to the hosts that it may be
sent to; values that were given with a task of its own go to whatever model it asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask, SensitivePart
from domain.hosts import is_listed
from domain.redaction import REDACTED, Redaction
from store.jobs import LeasedJob
from store.vault import NotSetUp, SecretError, Vault
from worker.ai.choosing import ModelCall
from worker.ai.provider import AiAnswer, AiCall, AiError, Provider
from worker.context import WorkerContext

MISPLACED = "The recorded prompt does not have the places of its sensitive values."


@dataclass(frozen=True)
class WithValues:
    """A `Provider` for the calls of one task."""

    vault: Vault
    job: LeasedJob
    task: AiTask
    provider: Provider

    @property
    def url(self) -> str | None:
        """Where its requests go."""
        return getattr(self.provider, "url", None)

    async def call(self, call: AiCall) -> AiAnswer:
        return await ask(self.vault, self.job, self.task, self.provider, call)

    async def aclose(self) -> None:
        return


def within(vault: Vault, job: LeasedJob, task: AiTask, chosen: ModelCall) -> ModelCall:
    """The same call, with the task's sensitive values in it."""
    caller = chosen.candidate.caller
    if caller is None or task.requested is None or not task.requested.sensitive:
        return chosen
    return replace(chosen, candidate=replace(chosen.candidate, caller=WithValues(vault, job, task, caller)))


async def ask(vault: Vault, job: LeasedJob, task: AiTask, provider: Provider, call: AiCall) -> AiAnswer:
    """One request, with the task's sensitive values in it; neither the answer nor an error has them. Raises AiError."""
    assert task.requested is not None
    recorded = task.requested.prompt, task.requested.system_prompt
    if not task.requested.sensitive or (call.prompt, call.system_prompt) != recorded:  # a guard's has words of its own
        return await provider.call(call)
    values = await _values(vault, job, task.requested.sensitive, provider)
    redaction = Redaction(values.values())
    filled = replace(
        call,
        prompt=_filled(call.prompt, "prompt", task.requested.sensitive, values),
        system_prompt=None
        if call.system_prompt is None
        else _filled(call.system_prompt, "system_prompt", task.requested.sensitive, values),
        told=None,  # a piece of an answer may end within a value, which could not be found there
    )
    try:
        return (await provider.call(filled)).without(redaction)
    except AiError as error:
        told = _without_beginning(redaction.text(error.message), values.values())
        raise error.without(redaction, told) from None


async def forget_if_over(context: WorkerContext, tenant_id: UUID, task_id: UUID) -> None:
    """The values that are sealed for a task, once it is over. Whoever dies before that leaves them to the sweep."""
    task = await context.handler.recall(tenant_id, AI_TASK, task_id)
    parts = () if task.requested is None else task.requested.sensitive or ()
    if any(part.secret is None for part in parts):
        task, _ = await context.handler.read(tenant_id, AI_TASK, task_id)
        if task.closed:
            await context.vault.forget_task(tenant_id, task_id)


async def _values(vault: Vault, job: LeasedJob, parts: tuple[SensitivePart, ...], provider: Provider) -> Mapping[str, str]:
    """By variable. What is wrong with one fails the attempt; a worker without the master key hands the job back."""
    values: dict[str, str] = {}
    try:
        if any(part.secret is None for part in parts):
            assert job.task_id is not None, "a job of an AI task names it"
            values |= await vault.of_task(job.tenant_id, job.task_id)
        for part in parts:
            if part.secret is not None and part.variable not in values:
                values[part.variable] = await _secret(vault, job.tenant_id, part.secret, provider)
    except SecretError as error:
        raise AiError("bad_request", str(error), retryable=error.retryable) from None
    except NotSetUp as error:
        raise AiError("unavailable", "The worker that was to call the model is not set up for its sensitive values.") from error
    return values


async def _secret(vault: Vault, tenant_id: UUID, name: str, provider: Provider) -> str:
    opened = await vault.open(tenant_id, name)
    url = getattr(provider, "url", "")
    if url is not None:  # it is sent somewhere
        host = urlsplit(url).hostname or "this model's provider"
        if not is_listed(host, opened.hosts):
            raise SecretError("secret_forbidden", f"The secret {name} may not be sent to {host}.")
    return opened.text


def _filled(text: str, of: str, parts: tuple[SensitivePart, ...], values: Mapping[str, str]) -> str:
    out, end = [], 0
    for part in sorted((each for each in parts if each.of == of), key=lambda each: each.start):
        stands = text[part.start : part.end]
        if part.start < end or not (stands.startswith("[") and stands.endswith("]")) or part.variable not in values:
            raise AiError("bad_request", MISPLACED)
        out += [text[end : part.start], values[part.variable]]
        end = part.end
    return "".join([*out, text[end:]])


def _without_beginning(text: str, values: Iterable[str]) -> str:
    """An error's message may be the beginning of what the provider said, and so end within a value."""
    said = text.rstrip(" .…'\")}]")
    for value in values:
        longest = next((n for n in range(min(len(value), len(said)), 3, -1) if said.endswith(value[:n])), 0)
        if longest:
            return f"{said[: len(said) - longest]}{REDACTED}…"
    return text
