"""Plans that were made on small tables do not outlive them for long."""

from psycopg import AsyncConnection, sql

from runtime import query_plans
from tests.conftest import Database

LOOK = sql.SQL("EXPLAIN EXECUTE look (1)")


async def plan(conn: AsyncConnection[tuple[str]]) -> str:
    rows = await (await conn.execute(LOOK)).fetchall()
    return rows[0][0].split(" on ")[0].split(" using ")[0]


async def test_plans_are_made_anew_after_a_while(database: Database) -> None:
    now = 100.0
    async with await AsyncConnection[tuple[str]].connect(database.superuser_url, autocommit=True) as conn:
        await conn.execute("CREATE TEMP TABLE numbers (n integer PRIMARY KEY, told text)")
        await conn.execute("INSERT INTO numbers VALUES (0, 'one row')")
        await conn.execute("ANALYZE numbers")
        await conn.execute("SET plan_cache_mode = force_generic_plan")
        await conn.execute("PREPARE look (integer) AS SELECT told FROM numbers WHERE n = $1")
        await query_plans.renew(conn, lambda: now)
        assert await plan(conn) == "Seq Scan"  # of one row

        await conn.execute("INSERT INTO numbers SELECT n, repeat('x', 100) FROM generate_series(1, 10000) n")
        await query_plans.renew(conn, lambda: now + query_plans.KEEP_SECONDS - 1)
        assert await plan(conn) == "Seq Scan"  # of ten thousand: the plan was kept
        await query_plans.renew(conn, lambda: now + query_plans.KEEP_SECONDS)
        assert await plan(conn) == "Index Scan"
