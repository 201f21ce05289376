"""Values of secrets on their way in: sealed and written before the command that names them (`store.secrets`)."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from api.call import RequestContext
from api.commands import CommandSpec
from api.problems import Problem
from domain.access import Asking, Rights
from domain.facts import Decided, View
from runtime.master_keys import MasterKeys
from store import secrets
from store.command import Command, CommandResult
from store.secrets import Value


async def permitted(
    call: RequestContext,
    spec: CommandSpec,
    id: UUID | None = None,
    further: Callable[[View, Rights], None] = lambda _view, _who: None,
) -> MasterKeys:
    """Before anything is written for the caller. A refusal is on record. `further`: as `RequestContext.authorize`."""
    await call.authorize(spec, id, further)
    keys = call.services.master_keys
    if keys is None:
        raise Problem(503, "no_master_key", "This server has no master key, so it keeps no secrets: GESTA_MASTER_KEY is not set.")
    return keys


async def write(call: RequestContext, keys: MasterKeys, value: Value, text: str) -> None:
    async with call.services.system_pool.connection() as connection:
        await secrets.write(connection, keys, value, text)


async def handle(
    call: RequestContext, keys: MasterKeys, spec: CommandSpec, id: UUID | None, decide: Callable[[View, Asking], Decided]
) -> CommandResult:
    """The request's hash is kept with its Idempotency-Key: this one says nothing of a value that could be guessed."""
    command: Command = call.to_command(call.tenant_id, spec, id)
    if command.request_hash is not None:
        command = replace(command, request_hash=keys.fingerprint(command.request_hash))
    return await call.handle(spec, command, decide)


async def doubt(call: RequestContext, *secret_ids: UUID) -> None:
    """An event is about to say that these have no value any more: what they have is looked at again."""
    async with call.services.system_pool.connection() as connection:
        for secret_id in secret_ids:
            await secrets.doubt(connection, call.tenant_id, secret_id)


async def drop(call: RequestContext, before: UUID | None) -> None:
    """The value of before. Whoever dies here leaves it to the sweep."""
    if before is not None:
        async with call.services.system_pool.connection() as connection:
            await secrets.delete(connection, call.tenant_id, before)
