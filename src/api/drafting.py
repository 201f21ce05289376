"""Drafts of answers go with the decision (`store.drafts`)."""

from uuid import UUID

from api.call import RequestContext
from store import drafts


async def drop_with_decision(call: RequestContext, request_id: UUID, step: str | None) -> None:
    """The caller has decided: what they had begun is nothing any more. Whoever dies here leaves it to `store.drafts`."""
    user_id = call.session.rights.user_id
    if user_id is not None:
        async with call.services.system_pool.connection() as connection:
            await drafts.drop(connection, call.tenant_id, user_id, request_id, "", step or "")
