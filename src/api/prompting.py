"""The prompt of a task that is asked for by itself: pinned, filled in, its sensitive values sealed before the event."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from api.call import RequestContext
from api.problems import Problem
from domain.ai_task import PromptRef
from domain.facts import Json
from domain.prompt import PROMPT, prompt_id_of
from engine import prompts
from engine.prompts import Pinned, Rendered
from runtime.master_keys import tenant_digest
from store import sensitive


@dataclass(frozen=True)
class Prepared:
    """A version never changes, so what it says is known before the command is decided."""

    pinned: Pinned
    rendered: Rendered


async def prepared(call: RequestContext, task_id: UUID, prompt: Mapping[str, Json]) -> Prepared:
    """`prompt`: {key, version?, variables?}, whose shape is known to be right. That the caller may ask for the task was found out
    before (`RequestContext.authorize`). Where the command is then refused, `withdrawn` takes back what was sealed.

    Raises Invalid and Problem.
    """
    key, services = str(prompt["key"]), call.services
    prompt_id = prompt_id_of(call.tenant_id, key)
    state, _ = await services.handler.read(call.tenant_id, PROMPT, prompt_id)
    pinned = prompts.pinned_of(PromptRef(prompt_id, key, 0), state, prompt.get("version"))
    given = prompt.get("variables") or {}
    keys = services.master_keys
    if pinned.content.sensitive & given.keys() and keys is None:
        raise Problem(503, "no_master_key", "This server has no master key, so it keeps no secrets: GESTA_MASTER_KEY is not set.")
    kept = prompts.keep_apart(
        pinned.content, given, lambda text: "" if keys is None else tenant_digest(keys, call.tenant_id, text)
    )
    rendered = await services.handler.compute(
        call.tenant_id, lambda effort: prompts.render(pinned.content, kept.plain, kept.withheld, effort)
    )
    if kept.sealed:
        assert keys is not None
        async with services.system_pool.connection() as connection:
            await sensitive.write(connection, keys, call.tenant_id, task_id, kept.sealed)
    return Prepared(pinned, rendered)


async def withdrawn(call: RequestContext, task_id: UUID, prepared: Prepared) -> None:
    """There will be no such task."""
    if prepared.rendered.sensitive:
        async with call.services.system_pool.connection() as connection:
            await sensitive.forget(connection, call.tenant_id, task_id)
