"""Analysts: whether each login is held to its limits, can do no more than read its tenant's rows, and is still somebody's.

What a login can do is what was granted to it, to its group or to everybody, by the catalogs, which every login reads. Logins that
only another database of the server knows see nothing here, and are left alone.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, LiteralString

from psycopg import AsyncConnection

from cli.diagnostics.finding import CheckResult, fail, ok, warn
from runtime.addresses import Addresses
from runtime.pools import connect

HOW_TO = "docs/how-to/connect-as-an-analyst.md"
SHOWN = 3

COUNT = "SELECT count(*) FROM runtime.analyst_logins"

# login, what it is, the statement that mends it
MIGHTY = """
SELECT r.rolname::text,
       concat_ws(', ', CASE WHEN r.rolsuper THEN 'a superuser' END, CASE WHEN r.rolbypassrls THEN 'has BYPASSRLS' END,
                 CASE WHEN r.rolcreaterole THEN 'may make roles' END, CASE WHEN r.rolcreatedb THEN 'may make databases' END,
                 CASE WHEN r.rolreplication THEN 'may replicate' END,
                 CASE WHEN r.rolname = 'gesta_analyst' AND r.rolcanlogin THEN 'may log in' END),
       format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION%s', r.rolname,
              CASE WHEN r.rolname = 'gesta_analyst' THEN ' NOLOGIN' END)
  FROM pg_roles r
 WHERE (r.rolname = 'gesta_analyst' OR r.rolname IN (SELECT login FROM runtime.analyst_logins))
   AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
        OR r.rolname = 'gesta_analyst' AND r.rolcanlogin)
UNION ALL
SELECT r.rolname::text, 'has the rights of ' || other.rolname, format('REVOKE %I FROM %I', other.rolname, r.rolname)
  FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles other ON other.oid = m.roleid
 WHERE other.rolname <> 'gesta_analyst'
   AND (r.rolname = 'gesta_analyst' OR r.rolname IN (SELECT login FROM runtime.analyst_logins))
 ORDER BY 1, 2
"""

# Of tables that a replay or an operator made beside ours, those are in order that row-level security binds everybody on.
GRANTED = """
WITH who AS (
    SELECT 0::oid AS id, 'PUBLIC' AS name
    UNION ALL SELECT oid, quote_ident(rolname) FROM pg_roles
     WHERE rolname = 'gesta_analyst' OR rolname IN (SELECT login FROM runtime.analyst_logins)
), relation AS (
    SELECT c.oid, c.relkind, c.relacl, c.relowner, c.oid::regclass::text AS name,
           n.nspname = 'projections' OR n.nspname NOT IN ('ledger', 'runtime', 'gesta_meta')
               AND (c.relrowsecurity AND c.relforcerowsecurity OR coalesce(c.reloptions @> '{security_invoker=true}', false))
               AS is_bound
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), routine AS (
    SELECT p.oid, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE (n.nspname IN ('ledger', 'runtime', 'projections', 'gesta_meta')
            OR p.prosecdef AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%')
       AND p.oid IS DISTINCT FROM to_regprocedure('runtime.analyst_tenant()')
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
), found AS (
    SELECT a.grantee, a.privilege_type AS privilege, r.name AS thing, NULL AS instead
      FROM relation r CROSS JOIN aclexplode(r.relacl) a
     WHERE NOT (a.privilege_type = 'SELECT' AND r.is_bound) AND a.grantee <> r.relowner
    UNION ALL
    SELECT a.grantee, format('%s (%I)', a.privilege_type, t.attname), r.name, NULL
      FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid CROSS JOIN aclexplode(t.attacl) a
     WHERE NOT (a.privilege_type = 'SELECT' AND r.is_bound)
    UNION ALL
    SELECT r.relowner, 'everything', r.name, format('ALTER TABLE %s OWNER TO gesta_owner', r.name) FROM relation r
    UNION ALL
    SELECT a.grantee, 'EXECUTE', 'FUNCTION ' || r.oid::regprocedure::text, NULL
      FROM routine r CROSS JOIN aclexplode(r.acl) a
    UNION ALL
    SELECT a.grantee, a.privilege_type, 'SCHEMA ' || quote_ident(n.nspname), NULL
      FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
     WHERE a.privilege_type = 'CREATE'
    UNION ALL
    SELECT a.grantee, a.privilege_type, 'DATABASE ' || quote_ident(d.datname), NULL
      FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
     WHERE d.datname = current_database() AND a.privilege_type <> 'CONNECT'
    UNION ALL
    SELECT a.grantee, a.privilege_type, 'PARAMETER ' || p.parname, NULL FROM pg_parameter_acl p CROSS JOIN aclexplode(p.paracl) a
)
SELECT w.name, f.privilege || ' on ' || f.thing,
       coalesce(f.instead, format('REVOKE %s ON %s FROM %s', f.privilege, f.thing, w.name))
  FROM found f JOIN who w ON w.id = f.grantee
 ORDER BY 1, 2
"""

# What a session begins with. Where it is of no use, workers end what is beyond the limits, seconds later.
UNLIMITED = """
WITH login AS (
    SELECT l.*, r.oid, r.rolconnlimit FROM runtime.analyst_logins l JOIN pg_roles r ON r.rolname = l.login
), wanted AS (
    SELECT l.login, l.oid, w.name, w.most FROM login l CROSS JOIN LATERAL (VALUES
        ('statement_timeout', l.statement_seconds), ('idle_in_transaction_session_timeout', l.idle_seconds),
        ('default_transaction_read_only', NULL)) w (name, most)
), given AS (
    SELECT w.*, (SELECT split_part(c, '=', 2) FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
                  WHERE s.setrole = w.oid AND split_part(c, '=', 1) = w.name
                    AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                  ORDER BY s.setdatabase DESC LIMIT 1) AS value
      FROM wanted w
), judged AS (
    SELECT g.*, CASE WHEN g.most IS NULL THEN g.value IN ('on', 'true')
                     WHEN g.value ~ '^[1-9][0-9]{0,8}(ms|s|min|h)?$' THEN extract(epoch FROM
                        CASE WHEN g.value ~ '[a-z]' THEN g.value ELSE g.value || 'ms' END::interval) <= g.most
                     ELSE false END AS holds
      FROM given g
)
SELECT login,
       format('connections: %s instead of %s', coalesce(nullif(rolconnlimit, -1)::text, 'any number'), connections),
       format('ALTER ROLE %I CONNECTION LIMIT %s', login, connections)
  FROM login WHERE rolconnlimit < 0 OR rolconnlimit > connections
UNION ALL
SELECT login, name || ': ' || coalesce(value, 'none') || coalesce(' instead of ' || most || 's', ''),
       format('ALTER ROLE %I SET %s = %L', login, name, coalesce(most || 's', 'on'))
  FROM judged WHERE holds IS NOT TRUE
 ORDER BY 1, 2
"""

FORGOTTEN = """
SELECT l.login, 'its tenant ' || l.tenant_id || ' is gone', format('SELECT runtime.dismiss_analyst(%L), as gesta_system', l.login)
  FROM runtime.analyst_logins l
 WHERE NOT EXISTS (SELECT FROM ledger.heads h WHERE h.tenant_id = l.tenant_id)
UNION ALL
SELECT a.login, 'there is no such login, as after a restore on another server',
       format('gesta analyst rotate %s --tenant %s', quote_ident(a.name), t.slug)
  FROM projections.analysts a JOIN projections.tenants t ON t.id = a.tenant_id
 WHERE a.status = 'active' AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = a.login AND r.rolcanlogin)
 ORDER BY 1, 2
"""


async def examine(addresses: Addresses) -> AsyncIterator[CheckResult]:
    async with connect(addresses.system, name="gesta doctor") as connection:
        async for finding in judged(connection):
            yield finding


async def judged(connection: AsyncConnection[Any]) -> AsyncIterator[CheckResult]:
    """`connection`: as gesta_system."""
    row = await (await connection.execute(COUNT)).fetchone()
    count = row[0] if row is not None else 0
    if lost := await _found(connection, FORGOTTEN):
        yield warn("logins of analysts", _words(lost), lost[0][2])
    else:
        yield ok("logins of analysts", f"{count} logins, each bound to a tenant" if count else "there are none")
    if not count:
        return
    if mighty := await _found(connection, MIGHTY):
        yield fail("analysts as roles", _words(mighty), _all(mighty))
    if granted := await _found(connection, GRANTED):
        harmless = all("TEMPORARY on DATABASE" in words for _, words, _ in granted)
        yield (warn if harmless else fail)("rights of analysts", _words(granted), f"{_all(granted)}; see {HOW_TO}")
    if not mighty and not granted:
        yield ok("rights of analysts", "they may read their tenant's rows, and nothing else")
    if unlimited := await _found(connection, UNLIMITED):
        yield warn("limits of analysts", _words(unlimited), f"{_all(unlimited)}, or gesta analyst rotate")
    else:
        yield ok("limits of analysts", "each login has those that it was made with")


async def _found(connection: AsyncConnection[Any], statement: LiteralString) -> list[tuple[str, str, str]]:
    """(who, what is wrong, what mends it)."""
    return await (await connection.execute(statement)).fetchall()


def _words(found: Sequence[tuple[str, str, str]]) -> str:
    shown = "; ".join(f"{who}: {words}" for who, words, _ in found[:SHOWN])
    return shown if len(found) <= SHOWN else f"{shown}; and {len(found) - SHOWN} more"


def _all(found: Sequence[tuple[str, str, str]]) -> str:
    return "; ".join(remedy for *_, remedy in found[:SHOWN])
