"""Values of sensitive variables of prompts on their way in: sealed before the command that asks for their task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from api import sealing
from api.call import RequestContext
from api.commands import CommandSpec
from domain.access import Rights
from domain.ai_task import PromptRef
from domain.facts import Decided, Json, View
from domain.prompt import PROMPT, prompt_id_of
from engine.prompt_references import secrets_in
from engine.prompts import Kept, NoSuchPrompt, keep_apart, pinned_of
from runtime.master_keys import MasterKeys, tenant_digest
from store import sensitive
from store.command import CommandResult


@dataclass(frozen=True)
class Apart:
    """`prompt`: as it was given, without the values that are not recorded."""

    keys: MasterKeys
    prompt: Json
    kept: Kept


async def apart(call: RequestContext, spec: CommandSpec, prompt: Json) -> Apart | None:
    """None where nothing is to be kept out of the record, or nothing can be told of it: the decision refuses a sensitive value
    that it is given. The caller is known to be permitted before anything is said of values.

    Raises Invalid and Problem.
    """
    key, given = (prompt.get("key"), prompt.get("variables")) if isinstance(prompt, Mapping) else (None, None)
    if not isinstance(key, str) or not isinstance(given, Mapping):
        return None
    prompt_id, version = prompt_id_of(call.tenant_id, key), prompt.get("version")
    state, _ = await call.services.handler.read(call.tenant_id, PROMPT, prompt_id)
    try:
        content = pinned_of(PromptRef(prompt_id, key, 0), state, version if isinstance(version, int) else None).content
    except NoSuchPrompt:
        return None
    if not content.sensitive & (given.keys() - secrets_in(prompt).keys()):
        return None
    keys = await sealing.permitted(call, spec)
    kept = keep_apart(content, given, lambda text: tenant_digest(keys, call.tenant_id, text))
    return Apart(keys, {**prompt, "variables": kept.plain}, kept)


async def handle(
    call: RequestContext, spec: CommandSpec, task_id: UUID, apart: Apart, decide: Callable[[View, Rights], Decided]
) -> CommandResult:
    """Ask for the task, once its values are there. Where it is refused they are left to the sweep, as of whoever dies here."""
    async with call.services.system_pool.connection() as connection:
        await sensitive.write(connection, apart.keys, call.tenant_id, task_id, apart.kept.sealed)
    done = await sealing.handle(call, apart.keys, spec, None, lambda view, asking: decide(view, asking.who))
    if done.result["id"] != str(task_id):  # it was asked for before
        async with call.services.system_pool.connection() as connection:
            await sensitive.forget(connection, call.tenant_id, task_id)
    return done
