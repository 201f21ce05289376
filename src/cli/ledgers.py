"""Which ledgers a command is about: `--tenant SLUG`, or all of them."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

import typer

from domain.envelope import PLATFORM

if TYPE_CHECKING:
    from psycopg import AsyncConnection

TenantOption = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="The tenant's slug or id, or “platform”; default: all.")
]

OneTenantOption = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="The tenant's slug or id, or “platform”.")]

# the head that every ledger has, and the name of those that are tenants
LEDGERS = """
SELECT h.tenant_id,
       coalesce(t.slug, CASE WHEN h.tenant_id = '00000000-0000-0000-0000-000000000001' THEN 'platform' END, h.tenant_id::text)
  FROM ledger.heads h LEFT JOIN projections.tenants t ON t.id = h.tenant_id
 ORDER BY h.tenant_id
"""

# the tenants that a table knows, one index look-up for each
TRACES = """
WITH RECURSIVE found AS (
    (SELECT tenant_id FROM {table} ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.tenant_id FROM {table} t WHERE t.tenant_id > found.tenant_id ORDER BY t.tenant_id LIMIT 1)
      FROM found WHERE found.tenant_id IS NOT NULL)
SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL
"""
KEEPING = (
    ("ledger", "events"),
    ("runtime", "commands"),
    ("runtime", "claims"),
    ("runtime", "jobs"),
    ("runtime", "timers"),
    ("projections", "freshness"),
)
"""Tables in which a tenant leaves traces, whether or not there is a head of its ledger. So are all that are projected."""

NAMES = "SELECT id, slug FROM projections.tenants"


class Ledger(NamedTuple):
    tenant_id: UUID
    name: str


async def ledgers(conn: "AsyncConnection[Any]", tenant: str | None, *, headless: bool = False) -> list[Ledger]:
    """The ledgers meant, the platform's first. A wrong name is wrong usage. `headless`: also those whose head is gone."""
    cursor = await conn.execute(LEDGERS)
    known = [Ledger(*row) for row in await cursor.fetchall()]
    if headless:
        from projections.registry import TABLES

        tables = [*KEEPING, *(("projections", table.name) for table in TABLES if "tenant_id" in table.columns)]
        traced = {tenant_id for table in tables for tenant_id in await _traced(conn, table)}
        traced.add(PLATFORM)  # which there always is
        traced -= {ledger.tenant_id for ledger in known}
        names = dict(await (await conn.execute(NAMES)).fetchall()) if traced else {}
        known = sorted([*known, *(Ledger(tenant_id, names.get(tenant_id, str(tenant_id))) for tenant_id in traced)])
    if tenant is None:
        return known
    found = [ledger for ledger in known if tenant in (ledger.name, str(ledger.tenant_id))]
    if not found:
        raise typer.BadParameter(f"There is no tenant {tenant}.", param_hint="--tenant")
    return found


async def _traced(conn: "AsyncConnection[Any]", table: tuple[str, str]) -> list[UUID]:
    """The tenants that the table knows; none, where it cannot be read: what is asked of each ledger meets that and tells it."""
    from psycopg import DatabaseError, OperationalError, sql

    try:
        cursor = await conn.execute(sql.SQL(TRACES).format(table=sql.Identifier(*table)))
        return [tenant_id for (tenant_id,) in await cursor.fetchall()]
    except OperationalError:
        raise
    except DatabaseError:
        return []
