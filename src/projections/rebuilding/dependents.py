"""What people have made beside Gesta's own on the tables that serve: what goes along when they are exchanged, and what cannot."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from projections.generation import NEXT_SCHEMA
from projections.rebuilding import views
from projections.table import Table

# to other roles than Gesta's, on tables and on columns
GRANTS = """
SELECT format('GRANT %%s%%s ON projections.%%I TO %%s%%s', a.privilege_type,
              CASE WHEN acl.attname IS NULL THEN '' ELSE format(' (%%I)', acl.attname) END, c.relname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_class c
 CROSS JOIN LATERAL (
       SELECT NULL::name AS attname, c.relacl AS acl
        UNION ALL
       SELECT t.attname, t.attacl FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) acl
 CROSS JOIN LATERAL aclexplode(acl.acl) a
 WHERE c.oid = ANY(%(tables)s::text[]::regclass[])
   AND (a.grantee = 0 OR a.grantee::regrole::text NOT IN ('gesta_owner', 'gesta_system', 'gesta_api', 'gesta_analyst'))
"""

POLICIES = """
SELECT format('CREATE POLICY %%I ON projections.%%I AS %%s FOR %%s TO %%s%%s%%s', p.polname, c.relname,
              CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
              CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                            ELSE 'ALL' END,
              (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(p.polroles) r),
              coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ''),
              coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''))
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE c.oid = ANY(%(tables)s::text[]::regclass[])
   AND NOT EXISTS (SELECT FROM pg_policy n
                    WHERE n.polrelid = to_regclass(format('%%I.%%I', %(next)s::text, c.relname)) AND n.polname = p.polname)
"""

DEPENDENTS = """
WITH serving AS (SELECT oid, oid::regclass AS name, relname FROM pg_class WHERE oid = ANY(%(tables)s::text[]::regclass[]))
SELECT format('the view %%s reads %%s', r.ev_class::regclass, s.name)
  FROM pg_depend d JOIN serving s ON s.oid = d.refobjid JOIN pg_rewrite r ON r.oid = d.objid
 WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass AND r.ev_class <> s.oid
   AND r.ev_class <> ALL(%(ours)s::text[]::regclass[])
 UNION
SELECT format('the foreign key %%I of %%s refers to %%s', k.conname, k.conrelid::regclass, s.name)
  FROM pg_constraint k JOIN serving s ON s.oid = k.confrelid
 WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT oid FROM serving)
 UNION
SELECT format('the function %%s reads %%s', d.objid::regprocedure, s.name)
  FROM pg_depend d JOIN serving s ON s.oid = d.refobjid
 WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_proc'::regclass
 UNION
SELECT format('the policy %%I of %%s reads %%s', p.polname, p.polrelid::regclass, s.name)
  FROM pg_depend d JOIN serving s ON s.oid = d.refobjid JOIN pg_policy p ON p.oid = d.objid
 WHERE d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_policy'::regclass AND p.polrelid NOT IN (SELECT oid FROM serving)
 UNION
SELECT format('the publication %%I publishes %%s', p.pubname, s.name)
  FROM pg_publication_rel r JOIN serving s ON s.oid = r.prrelid JOIN pg_publication p ON p.oid = r.prpubid
 UNION
SELECT format('the trigger %%I is on %%s', t.tgname, s.name)
  FROM pg_trigger t JOIN serving s ON s.oid = t.tgrelid
 WHERE NOT t.tgisinternal
 UNION
SELECT format('the index %%s is on %%s', i.indexrelid::regclass, s.name)
  FROM pg_index i JOIN serving s ON s.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
 WHERE to_regclass(format('%%I.%%I', %(next)s::text, c.relname)) IS NULL
 ORDER BY 1
"""


class ForeignGrants(NamedTuple):
    """What lets roles of others read: statements about the tables by the names that they serve under."""

    statements: list[str]


async def rights_of(conn: AsyncConnection[Any], schema: str, tables: Sequence[Table]) -> ForeignGrants:
    """Within a transaction: expressions are written out with all names qualified."""
    await conn.execute("SET LOCAL search_path = pg_catalog")
    names = {"tables": _names(schema, tables), "next": NEXT_SCHEMA}
    found = [row[0] for query in (GRANTS, POLICIES) for row in await (await conn.execute(query, names)).fetchall()]
    return ForeignGrants(found)


async def dependents(conn: AsyncConnection[Any], schema: str, tables: Sequence[Table]) -> list[str]:
    """What would stay with the old tables, in words."""
    names = {"tables": _names(schema, tables), "next": NEXT_SCHEMA, "ours": await views.there(conn)}
    return [row[0] for row in await (await conn.execute(DEPENDENTS, names)).fetchall()]


def _names(schema: str, tables: Sequence[Table]) -> list[str]:
    return [f"{schema}.{table.name}" for table in tables]
