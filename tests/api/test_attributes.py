"""Search attributes: numbers compare as numbers, texts as they are, however long; and what was there before is found, too."""

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from projections.execution_attributes import search_key
from runtime.migrations import load, migrate, owner_connection, rollback
from tests.api.behind import ok
from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import INSTANT
from tests.api.test_reads import everything

LONG = "x" * 300
VALUES: list[Any] = [
    12.5,
    100,
    1e300,
    -0.25,
    10**40,
    0,
    "12.50",
    "100",
    "1e2",
    "true",
    True,
    None,
    f"{LONG}a",
    f"{LONG}b",
    "ü" * 2000,
    "2026-03-01",
    "2026-02-30",
    "2026-03-01t10:00:00.25+01:00",
    "1999-12-31T23:59:59.123456789Z",
]
ROWS = """
SELECT * FROM projections.execution_attributes WHERE tenant_id = %s ORDER BY execution_id
"""


async def with_values(gesta: Gesta) -> tuple[Tenant, dict[int, Any]]:
    """Executions with one attribute each, by their place among the values."""
    acme = await gesta.tenant()
    await acme.publish({**INSTANT, "search_attributes": {"a": "=input.a"}})
    items = [{"business_key": str(number), "input": {"a": value}} for number, value in enumerate(VALUES)]
    answer = await ok(acme.admin.post("/executions/bulk", {"workflow_key": "instant", "items": items}))
    return acme, {number: one["execution"]["id"] for number, one in enumerate(answer["items"])}


async def found(acme: Tenant, text: str, **more: str) -> list[Any]:
    params = {"attr.a": text, "limit": "2", **more}
    return [VALUES[int(row["business_key"])] for row in await everything(acme.admin, "/executions", **params)]


async def test_numbers_are_found_as_numbers_and_texts_as_they_are(gesta: Gesta) -> None:
    acme, ids = await with_values(gesta)
    cases: list[tuple[str, list[Any]]] = [
        ("12.5", [12.5]),
        ("12.50", ["12.50", 12.5]),
        ("1.25e1", [12.5]),
        ("100", ["100", 100]),
        ("100.0", [100]),
        ("1e2", ["1e2", 100]),
        ("1E+300", [1e300]),
        ("1" + "0" * 40, [10**40]),
        ("-0.250", [-0.25]),
        ("-0", [0]),
        ("012.5", []),
        ("+100", []),
        ("1e999", []),
        ("1e999999999", []),
        ("true", [True, "true"]),
        ("null", [None]),
        (LONG, []),
        (f"{LONG}a", [f"{LONG}a"]),
        (f"{LONG}b", [f"{LONG}b"]),
        ("ü" * 2000, ["ü" * 2000]),
        ("ü" * 1999, []),
    ]
    for text, expected in cases:
        for more in ({}, {"order": "created_at"}, {"status": "completed"}):
            values = await found(acme, text, **more)
            assert sorted(map(repr, values)) == sorted(map(repr, expected)), (text[:40], more)
    for number, id in ids.items():
        shown = (await ok(acme.admin.get(f"/executions/{id}")))["attributes"]["a"]
        given = VALUES[number]
        if isinstance(given, float):  # jsonb writes it without its exponent
            shown = float(shown)
        assert (shown, isinstance(shown, bool)) == (given, isinstance(given, bool))


async def test_what_was_there_before_is_found_after_the_migration(gesta: Gesta) -> None:
    """The way back cuts the values; the way forth takes them from the events, and comes to what a projector writes."""
    acme, _ = await with_values(gesta)
    await everything(acme.admin, "/executions")  # the tables are there
    known = load()
    before = await rows(gesta, acme)
    number = next(one.version for one in known if one.name == "search_keys")
    with owner_connection(gesta.database.owner_url) as owner:
        rollback(owner, known, to=number - 1)
        migrate(owner, known)
    assert await rows(gesta, acme) == before
    assert await found(acme, f"{LONG}a") == [f"{LONG}a"]


async def rows(gesta: Gesta, acme: Tenant) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(gesta.database.system_url, row_factory=dict_row) as connection:
        return await (await connection.execute(ROWS, (acme.id,))).fetchall()


@pytest.mark.parametrize(("text", "key"), [("-0.0", "0"), ("1e-2", "0.01"), ("x" * 500, "x" * 400), ("1e2e", "1e2e"), ("", "")])
def test_a_key_is_short_and_without_exponent(text: str, key: str) -> None:
    assert search_key(text) == key
