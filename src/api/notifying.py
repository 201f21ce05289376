"""What a command needs that names somebody to notify."""

from api.call import RequestContext
from store import notification_cursors


async def follow(call: RequestContext) -> None:
    """Have the tenant's ledger looked through for what is to be delivered, from before the command on."""
    async with call.services.system_pool.connection() as connection:
        await notification_cursors.follow(connection, call.tenant_id)
