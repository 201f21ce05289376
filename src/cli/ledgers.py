"""Which ledgers a command is about: `--tenant SLUG`, or all of them."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

import typer

if TYPE_CHECKING:
    from psycopg import AsyncConnection

TenantOption = Annotated[str | None, typer.Option("--tenant", help="The tenant's slug or id, or “platform”; default: all.")]

# the head that every ledger has, and the name of those that are tenants
LEDGERS = """
SELECT h.tenant_id,
       coalesce(t.slug, CASE WHEN h.tenant_id = '00000000-0000-0000-0000-000000000001' THEN 'platform' END, h.tenant_id::text)
  FROM ledger.heads h LEFT JOIN projections.tenants t ON t.id = h.tenant_id
 ORDER BY h.tenant_id
"""


class Ledger(NamedTuple):
    tenant_id: UUID
    name: str


async def ledgers(conn: "AsyncConnection[Any]", tenant: str | None) -> list[Ledger]:
    """The ledgers meant, the platform's first. A wrong name is wrong usage."""
    cursor = await conn.execute(LEDGERS)
    known = [Ledger(*row) for row in await cursor.fetchall()]
    if tenant is None:
        return known
    found = [ledger for ledger in known if tenant in (ledger.name, str(ledger.tenant_id))]
    if not found:
        raise typer.BadParameter(f"There is no tenant {tenant}.", param_hint="--tenant")
    return found
