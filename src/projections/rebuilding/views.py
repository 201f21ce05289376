"""Gesta's own views of the tables: `migrations/projections/views.sql`, which makes them anew on those that serve.

A view is of the tables that it was made of, wherever these go. Made anew it is of those that have their names by then; its
rights, its comments, and what others have built on it stay.
"""

import re
from typing import Any

from psycopg import AsyncConnection

from projections.generation import SERVING_SCHEMA
from runtime.migrations import DIRECTORY

VIEWS_SQL = DIRECTORY / "projections" / "views.sql"
NAME = re.compile(rf"^CREATE OR REPLACE VIEW ({SERVING_SCHEMA}\.\w+)", re.MULTILINE)
THERE = "SELECT name FROM unnest(%s::text[]) WITH ORDINALITY v (name, n) WHERE to_regclass(name) IS NOT NULL ORDER BY n"


def names() -> list[str]:
    return NAME.findall(VIEWS_SQL.read_text("utf-8"))


async def there(conn: AsyncConnection[Any]) -> list[str]:
    """Those that exist: a schema of before has none."""
    return [row[0] for row in await (await conn.execute(THERE, [names()])).fetchall()]


async def make_anew(owner: AsyncConnection[Any]) -> None:
    await owner.execute(VIEWS_SQL.read_bytes())
