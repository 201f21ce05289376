"""A planted secret: where in a database is it to be read?"""

from base64 import b64encode
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.conftest import Database

TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY 1, 2
"""


def everywhere(database: Database, text: str, least: int = 30) -> list[str]:
    """The tables, of all schemas, of which some row has the text, in whatever column and form it may be written."""
    forms = {text, quote(text, safe=""), text.encode("unicode_escape").decode(), b64encode(text.encode()).decode().rstrip("=")}
    forms |= {form.encode().hex() for form in list(forms)}
    found = []
    with psycopg.connect(database.superuser_url) as connection:
        tables = connection.execute(TABLES).fetchall()
        assert len(tables) >= least, "all tables are looked through"
        for schema, table in tables:
            select = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, table))
            for (row,) in connection.execute(select):
                # what is stored as bytes is shown in hexadecimal
                if any(form in row for form in forms):
                    found.append(f"{schema}.{table}: {row}")
    return found
