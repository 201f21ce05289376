"""Drafts of answers go with the decision (`store.drafts`)."""

import logging
from uuid import UUID

import psycopg

from api.call import RequestContext
from store import drafts

log = logging.getLogger(__name__)


async def drop_with_decision(call: RequestContext, request_id: UUID, step: str | None) -> None:
    """The caller has decided: what they had begun is nothing any more. Whoever fails or dies here leaves it to `store.drafts`:
    the decision is made, whatever becomes of the draft."""
    user_id = call.session.rights.user_id
    if user_id is None:
        return
    try:
        async with call.services.system_pool.connection() as connection:
            await drafts.drop(connection, call.tenant_id, user_id, request_id, "", step or "")
    except psycopg.Error as error:
        log.warning("A draft was left: %s", error, extra={"action": "draft", "request_id": call.request.scope["request_id"]})
