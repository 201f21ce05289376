"""A fold as a set of tables of its own, in another schema: everything that the serving ones have (keys, references, indexes,
policies, comments, views), made of the same files, and readable by those who may read the serving ones.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.errors import DuplicateSchema, InvalidSchemaName, ReservedName

from domain.envelope import PLATFORM
from projections.copying import copy
from projections.generation import SERVING_SCHEMA, Generation
from projections.rebuilding import loading
from projections.rebuilding import schema as tables
from projections.rebuilding.views import VIEWS_SQL
from projections.registry import CONCERNED, TABLES
from projections.rows import Rows
from runtime import limits
from runtime.errors import OperatorError, WrongUsage

MOST_BYTES = 63
MADE = "Made by gesta replay"
"""How the comment on such a schema begins: none but these is replaced."""
FRESHNESS = sql.SQL("""
INSERT INTO {schema}.freshness (tenant_id, position, recorded_at, projected_at, version, created_at, updated_at)
VALUES (%(tenant)s, %(position)s, %(recorded_at)s, now(), %(position)s,
        coalesce(%(recorded_at)s, now()), coalesce(%(recorded_at)s, now()))
""")
COMMENT = sql.SQL("COMMENT ON SCHEMA {schema} IS {words}")
COMMENT_OF = "SELECT obj_description(to_regnamespace(quote_ident(%s)), 'pg_namespace')"

GRANTS = """
SELECT format('GRANT USAGE ON SCHEMA %%I TO %%I', %(schema)s::text, r.rolname)
  FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a JOIN pg_roles r ON r.oid = a.grantee
 WHERE n.nspname = %(serving)s::text AND a.privilege_type = 'USAGE' AND a.grantee <> n.nspowner
UNION ALL
SELECT format('GRANT SELECT ON %%I.%%I TO %%I', %(schema)s::text, c.relname, r.rolname)
  FROM pg_class c CROSS JOIN aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
  JOIN pg_class made ON made.relnamespace = to_regnamespace(quote_ident(%(schema)s::text)) AND made.relname = c.relname
 WHERE c.relnamespace = to_regnamespace(%(serving)s::text) AND c.relkind IN ('r', 'v') AND a.privilege_type = 'SELECT'
   AND a.grantee <> c.relowner
"""
POLICIES = """
SELECT format('CREATE POLICY %%I ON %%I.%%I AS %%s FOR %%s TO %%s USING (',
              p.policyname, %(schema)s::text, p.tablename, p.permissive, p.cmd,
              (SELECT string_agg(quote_ident(role), ', ') FROM unnest(p.roles) role)), p.qual
  FROM pg_policies p
 WHERE p.schemaname = %(serving)s::text AND p.cmd = 'SELECT'
   AND EXISTS (SELECT FROM pg_tables t WHERE t.schemaname = %(schema)s::text AND t.tablename = p.tablename)
   AND NOT EXISTS (SELECT FROM pg_policies q
                    WHERE q.schemaname = %(schema)s::text AND q.tablename = p.tablename AND q.policyname = p.policyname)
"""
VIEW_COMMENTS = """
SELECT CASE WHEN d.objsubid = 0 THEN format('COMMENT ON VIEW %%I.%%I IS %%L', %(schema)s::text, c.relname, d.description)
            ELSE format('COMMENT ON COLUMN %%I.%%I.%%I IS %%L', %(schema)s::text, c.relname, a.attname, d.description) END
  FROM pg_description d
  JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid AND c.relkind = 'v'
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
 WHERE c.relnamespace = to_regnamespace(%(serving)s::text)
   AND EXISTS (SELECT FROM pg_views v WHERE v.schemaname = %(schema)s::text AND v.viewname = c.relname)
"""
OF_SERVING = re.compile(rf"\b{SERVING_SCHEMA}\.")


@dataclass
class Copy:
    """A schema that is being filled. `conn`: as gesta_system, in one transaction."""

    schema: str
    conn: AsyncConnection[Any]

    async def fill(
        self, rows: Rows, tenant_id: UUID, position: int, recorded_at: datetime | None, users: set[UUID] | None
    ) -> None:
        """Add the rows of one ledger. `users`: only what a tenant needs of the platform's: these users, and the tenant itself."""
        for table in TABLES:
            of_platform = "tenant_id" not in table.columns
            if of_platform if users is not None else (not of_platform or tenant_id == PLATFORM):
                only = users if table.name != "permissions" else None
                some = (row for row in rows.of(table.name).each() if only is None or row["id"] in only)
                await copy(self.conn, self.schema, table, some)
        if users is None:
            named = {"tenant": tenant_id, "position": position, "recorded_at": recorded_at}
            await self.conn.execute(FRESHNESS.format(schema=sql.Identifier(self.schema)), named)


@asynccontextmanager
async def copying(owner_url: str, system_url: str, schema: str, words: str, *, replace: bool = False) -> AsyncIterator[Copy]:
    """Make the schema and its empty tables, to be filled within. Whatever fails there takes it away again.

    What PostgreSQL does not copy with, and what is better made at the end, comes after that (`rebuilding.loading`); nobody
    reaches the schema until then.

    `words`: what the comment on it says. `replace`: one that was made here before gives way. Raises OperatorError where there is
    another, or it may not be called so.
    """
    async with await AsyncConnection.connect(owner_url, autocommit=True) as owner:
        generation = Generation(schema, TABLES, CONCERNED)
        await _create(owner, generation, replace=replace)
        try:
            async with await AsyncConnection.connect(system_url) as conn:
                await conn.execute(limits.NONE)
                yield Copy(schema, conn)
            await loading.finish(owner, generation, lambda _done, _of: None)
            await _open(owner, schema)
            named = {"schema": sql.Identifier(schema), "words": sql.Literal(f"{MADE}: {words}.")}
            await owner.execute(COMMENT.format(**named))
        except BaseException:
            await tables.drop(owner, schema)
            raise


async def _create(owner: AsyncConnection[Any], generation: Generation, *, replace: bool) -> None:
    schema = generation.schema
    if schema.startswith(SERVING_SCHEMA):
        raise WrongUsage(f"No schema {schema}: names that begin with {SERVING_SCHEMA} are Gesta's own.")
    # PostgreSQL would cut it off without a word; psycopg takes a percent sign in a statement for a parameter's place
    if not 0 < len(schema.encode()) <= MOST_BYTES or set(schema) & {'"', "\\", "%"}:
        allowed = f"a name has from 1 to {MOST_BYTES} bytes, and no quotation marks, backslashes or percent signs"
        raise WrongUsage(f"No schema {schema}: {allowed}.")
    async with owner.transaction():
        if replace:
            await _make_room(owner, schema)
        try:
            await tables.create(owner, generation)
        except (DuplicateSchema, InvalidSchemaName, ReservedName) as error:
            hint = " Give --replace if a replay made it." if isinstance(error, DuplicateSchema) else ""
            raise OperatorError(f"No schema {schema}: {error.diag.message_primary}.{hint}") from error
        words = sql.Literal(f"{MADE}, which has not ended: its tables are not complete.")
        await owner.execute(COMMENT.format(schema=sql.Identifier(schema), words=words))
        await loading.put_off(owner, generation)


async def _open(owner: AsyncConnection[Any], schema: str) -> None:
    """Views, and for those who may read the serving tables the same rights and policies."""
    async with owner.transaction():
        name = sql.Identifier(schema)
        await owner.execute(OF_SERVING.sub(f"{name.as_string()}.", VIEWS_SQL.read_text("utf-8")).encode())
        named = {"schema": schema, "serving": SERVING_SCHEMA}
        for query in (GRANTS, VIEW_COMMENTS):
            for (statement,) in await (await owner.execute(query, named)).fetchall():
                await owner.execute(statement.encode())
        for head, condition in await (await owner.execute(POLICIES, named)).fetchall():
            await owner.execute(f"{head}{OF_SERVING.sub(f'{name.as_string()}.', condition)})".encode())


async def _make_room(owner: AsyncConnection[Any], schema: str) -> None:
    row = await (await owner.execute(COMMENT_OF, [schema])).fetchone()
    comment = None if row is None else row[0]
    if comment is not None and comment.startswith(MADE):
        await tables.drop(owner, schema)
    elif await tables.exists(owner, sql.Identifier(schema).as_string()):
        raise OperatorError(f"The schema {schema} is not replaced: no replay made it.")
