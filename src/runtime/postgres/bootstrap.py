"""What the embedded server's superuser does, once: the login roles and the database. Nothing else ever runs as it."""

import psycopg
from psycopg import sql

from runtime.limits import set_limits

DATABASE = "gesta"
LOGINS = {
    "gesta_owner": sql.SQL("LOGIN CREATEROLE"),
    "gesta_system": sql.SQL("LOGIN"),
    "gesta_api": sql.SQL("LOGIN"),
}

FIND_ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
FIND_DATABASE = "SELECT 1 FROM pg_database WHERE datname = %s"
IS_LEAKPROOF = "SELECT proleakproof FROM pg_proc WHERE oid = 'pg_catalog.jsonb_contains(jsonb, jsonb)'::regprocedure"

# Under forced row-level security only leakproof operators reach an index. @> tells nothing of a row but through its
# result; only a superuser may say so, and on the embedded server we are one.
MARK_LEAKPROOF = "ALTER FUNCTION pg_catalog.jsonb_contains(jsonb, jsonb) LEAKPROOF"

# How much analysts' sorting may spill to disk, only who was given this may set.
MAY_BOUND_FILES = "SELECT has_parameter_privilege('gesta_owner', 'temp_file_limit', 'SET')"
LET_BOUND_FILES = "GRANT SET ON PARAMETER temp_file_limit TO gesta_owner"

# In a database that nobody looks after, whoever may connect can fill the disk with temporary tables and large objects.
OPEN_DATABASES = """
SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1') AND has_database_privilege('gesta_api', oid, 'CONNECT')
"""
CLOSE_DATABASE = sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC")

# It writes what is asked for into the write-ahead log, also in a transaction that only reads, for those who decode that log.
EMITTING = """
SELECT p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = 'pg_logical_emit_message'
   AND has_function_privilege('gesta_api', p.oid, 'EXECUTE')
"""


def bootstrap(maintenance_url: str, database_url: str) -> None:
    """Make what is missing. Both addresses are the superuser's: the database ``postgres``, and ours."""
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        for role, attributes in LOGINS.items():
            if connection.execute(FIND_ROLE, [role]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), attributes))
        if connection.execute(FIND_DATABASE, [DATABASE]).fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER gesta_owner TEMPLATE template0").format(sql.Identifier(DATABASE))
            )
        set_limits(connection)
        if connection.execute(MAY_BOUND_FILES).fetchone() == (False,):
            connection.execute(LET_BOUND_FILES)
        for (name,) in connection.execute(OPEN_DATABASES).fetchall():
            connection.execute(CLOSE_DATABASE.format(sql.Identifier(name)))
    with psycopg.connect(database_url, autocommit=True) as connection:
        if connection.execute(IS_LEAKPROOF).fetchone() == (False,):
            connection.execute(MARK_LEAKPROOF)
        for (function,) in connection.execute(EMITTING).fetchall():
            connection.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(sql.SQL(function)))
