"""What an AI task keeps out of the record, nobody who decides about it writes there, though they may know it."""

from typing import TypeVar
from uuid import UUID

from api.call import RequestContext
from api.models import Body
from api.problems import Problem
from domain.ai_task import AI_TASK
from domain.approval import APPROVAL
from domain.redaction import Redaction
from store.vault import NotSetUp, SecretError, Vault

B = TypeVar("B", bound=Body)


async def without_withheld(call: RequestContext, request_id: UUID, body: B) -> B:
    """`form` and `comment` of a decision, without the task's sensitive values; they are opened for that."""
    said = {name: getattr(body, name) for name in ("form", "comment") if getattr(body, name, None) is not None}
    values = await _values(call, request_id) if said else []
    if not values:
        return body
    redaction = Redaction(values)
    return body.model_copy(update={name: redaction.json(value) for name, value in said.items()})


async def _values(call: RequestContext, request_id: UUID) -> list[str]:
    """Of the task that asks, if one does. A value that is gone cannot be looked for."""
    handler = call.services.handler
    task_id = (await handler.recall(call.tenant_id, APPROVAL, request_id)).ai_task_id
    if task_id is None:
        return []
    requested = (await handler.recall(call.tenant_id, AI_TASK, task_id)).requested
    parts = () if requested is None else requested.sensitive or ()
    vault, found = Vault(handler, call.services.system_pool, call.services.master_keys), list[str]()
    for name in dict.fromkeys(part.secret for part in parts):
        try:
            if name is None:
                found += (await vault.of_task(call.tenant_id, task_id)).values()
            else:
                found.append((await vault.open(call.tenant_id, name)).text)
        except SecretError:
            continue
        except NotSetUp:
            message = "This server has no master key, so it cannot tell what is sensitive here: GESTA_MASTER_KEY is not set."
            raise Problem(503, "no_master_key", message) from None
    return found
