"""sources.yml for dbt: what a YAML parser reads of it, and that its tests hold where they are asked as dbt asks them."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # the only use of it: no stubs for that
from psycopg import AsyncConnection

from cli.catalogs.dbt import sources
from projections.catalog import relations
from tests.conftest import Database
from tests.projections.story import ACME

# as the macros of dbt's generic tests have them, in short
UNIQUE = "SELECT {column} FROM {table} WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) > 1"
NOT_NULL = "SELECT 1 FROM {table} WHERE {column} IS NULL"
ACCEPTED = "SELECT {column} FROM {table} WHERE {column} NOT IN ({values})"
RELATED = "SELECT 1 FROM {table} c LEFT JOIN {to} p ON c.{column} = p.{field} WHERE c.{column} IS NOT NULL AND p.{field} IS NULL"
RELATED_ROWS = (
    "SELECT 1 FROM (SELECT {column} AS f FROM {table} WHERE {column} IS NOT NULL) c "
    "LEFT JOIN (SELECT {field} AS t FROM {to}) p ON c.f = p.t WHERE p.t IS NULL"
)


def read() -> list[dict[str, Any]]:
    document = yaml.safe_load(sources(relations(), "gesta", "projections", 24))
    assert document["version"] == 2
    (source,) = document["sources"]
    assert (source["name"], source["schema"]) == ("gesta", "projections")
    tables: list[dict[str, Any]] = source["tables"]
    return tables


def test_every_table_and_column_is_described_as_the_catalogue_has_it() -> None:
    found = {table["name"]: table for table in read()}
    assert list(found) == [each.name for each in relations()]
    for each in relations():
        table = found[each.name]
        assert table["description"] == each.comment
        columns = [(column["name"], column["description"], column["data_type"]) for column in table["columns"]]
        assert columns == [(name, column.meaning, column.type) for name, column in each.columns.items()]
    freshness = found["freshness"]["config"]
    assert freshness == {"loaded_at_field": "projected_at", "freshness": {"warn_after": {"count": 24, "period": "hour"}}}


def questions() -> Iterator[tuple[str, str]]:
    for table in read():
        places = [(column["name"], column) for column in table["columns"]] + [("", table)]
        for name, place in places:
            for test in place.get("data_tests", ()):
                kind, said = (test, {}) if isinstance(test, str) else next(iter(test.items()))
                arguments = said.get("arguments", {})
                where = {"table": f"projections.{table['name']}", "column": arguments.get("column_name", name)}
                match kind:
                    case "unique":
                        yield kind, UNIQUE.format(**where)
                    case "not_null":
                        yield kind, NOT_NULL.format(**where)
                    case "accepted_values":
                        yield kind, ACCEPTED.format(**where, values=", ".join(f"'{value}'" for value in arguments["values"]))
                    case "relationships":
                        to = "projections." + arguments["to"].split("'")[3]
                        asked = RELATED_ROWS if "(" in arguments["field"] else RELATED
                        yield kind, asked.format(**where, to=to, field=arguments["field"])


@pytest.mark.usefixtures("told")
async def test_its_tests_hold_for_an_analyst(database: Database) -> None:
    asked: dict[str, int] = {}
    async with await AsyncConnection.connect(database.api_url) as conn:
        await conn.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(ACME)])
        for kind, question in questions():
            asked[kind] = asked.get(kind, 0) + 1
            assert await (await conn.execute(question.encode())).fetchall() == [], question
    assert asked.keys() == {"unique", "not_null", "accepted_values", "relationships"}
    assert min(asked.values()) > 20
