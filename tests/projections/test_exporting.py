"""Exports of tables and of the ledger, read back by readers that are not ours."""

import csv
import json
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet  # type: ignore[import-untyped]  # it has none
import pytest
from psycopg.rows import dict_row

from projections.exporting import ledger
from projections.exporting.files import new_file
from projections.exporting.tables import Exported, Format, Wanted, export
from runtime.errors import OperatorError
from runtime.pools import Connection, connect
from tests.conftest import Database
from tests.projections.story import ACME

pytestmark = pytest.mark.usefixtures("told")

WANTED = Wanted(ACME, "acme")


def nobody(_exported: Exported) -> None:
    """Nobody is told."""


@asynccontextmanager
async def asking(database: Database) -> AsyncIterator[Connection]:
    async with connect(database.api_url, name="test") as connection:
        yield connection


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The disk is full for every file that grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def digest_of(path: Path) -> tuple[int, str]:
    data = path.read_bytes()
    return len(data), sha256(data).hexdigest()


async def rows_of(database: Database, table: str, key: str) -> list[dict[str, Any]]:
    """As psycopg has them."""
    async with connect(database.system_url, name="test") as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(f"SELECT * FROM projections.{table} WHERE tenant_id = %s ORDER BY {key}", (ACME,))  # noqa: S608
        return await cursor.fetchall()


async def test_a_full_disk_is_told_in_a_line_and_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    async with asking(database) as connection:
        for format in ("csv", "parquet"):
            wanted = replace(WANTED, format=format, tables=("audit_logs",))
            for to in (tmp_path / f"one.{format}", tmp_path / format):
                with files_of_at_most(4096), pytest.raises(OperatorError, match="cannot be written: File too large"):
                    await export(connection, wanted, to, nobody)
    with pytest.raises(ConnectionError), new_file(tmp_path / "cut"):
        raise ConnectionResetError  # of the database, say
    assert names_in(tmp_path) == set()


async def test_every_table_comes_out_as_of_one_position_with_a_manifest(database: Database, tmp_path: Path) -> None:
    async with asking(database) as connection:
        manifests = {
            format: await export(connection, replace(WANTED, format=format, views=True), tmp_path / format, nobody)
            for format in ("csv", "jsonl", "parquet")
        }
    counts = []
    for format, manifest in manifests.items():
        directory = tmp_path / format
        assert json.loads((directory / "manifest.json").read_text()) == manifest
        assert names_in(directory) == {"manifest.json", *(each["file"] for each in manifest["tables"])}
        for each in manifest["tables"]:
            assert digest_of(directory / each["file"]) == (each["bytes"], each["sha256"])
        counts.append({each["name"]: each["rows"] for each in manifest["tables"]})
    assert counts[0] == counts[1] == counts[2]
    assert counts[0]["audit_logs"] == manifests["csv"]["position"] > 0
    assert counts[0]["approver_load"] > 0
    for name, count in counts[0].items():
        with (tmp_path / "csv" / f"{name}.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == count, name
        assert len((tmp_path / "jsonl" / f"{name}.jsonl").read_bytes().splitlines()) == count, name
        assert pyarrow.parquet.read_metadata(tmp_path / "parquet" / f"{name}.parquet").num_rows == count, name
    assert names_in(tmp_path) == {*manifests}


@pytest.mark.parametrize("table", ["ai_agent_tasks", "approval_requests"])
async def test_values_are_exact(database: Database, tmp_path: Path, table: str) -> None:
    rows = await rows_of(database, table, "id")
    assert rows
    async with asking(database) as connection:
        for format in ("csv", "jsonl", "parquet"):
            await export(connection, replace(WANTED, format=format, tables=(table,)), tmp_path / f"rows.{format}", nobody)
    with (tmp_path / "rows.csv").open(newline="") as file:
        for read, row in zip(csv.DictReader(file), rows, strict=True):
            assert {name: text or None for name, text in read.items()} == {name: as_csv(value) for name, value in row.items()}
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{name: as_json(value) for name, value in row.items()} for row in rows]
    table_read = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    for made, row in zip(table_read.to_pylist(), rows, strict=True):
        assert {name: from_arrow(value, row[name]) for name, value in made.items()} == row
    comments = {field.name: (field.metadata or {}).get(b"comment") for field in table_read.schema}
    assert comments["status"], comments


def as_json(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case list():
            return [as_json(each) for each in value]
    return value


def as_csv(value: Any) -> str | None:
    match value:
        case None | "":
            return None  # to Python's reader these are one
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return Same(value)
    return str(as_json(value))


class Same(str):
    """Equal to any JSON text of the same value."""

    def __new__(cls, value: Any) -> "Same":
        made = super().__new__(cls, "")
        made.value = as_json(value)
        return made

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and json.loads(other) == self.value

    __hash__ = str.__hash__


def from_arrow(value: Any, like: Any) -> Any:
    match like:
        case UUID():
            return UUID(value)
        case dict():
            return json.loads(value)
        case list() if isinstance(value, str):
            return json.loads(value)
        case list() if like and isinstance(like[0], UUID):
            return [UUID(each) for each in value]
    return value


async def test_hostile_text_stays_what_it_is(database: Database, tmp_path: Path) -> None:
    """Quotes, line breaks, backslashes, formulas, and what is not ASCII."""
    text = '=1+1\n"q"\r\n\\n \\\\ , \t 😀 ​ NULL \\N'
    async with connect(database.superuser_url, name="test") as connection:
        await connection.execute(
            "UPDATE projections.approval_requests SET title = %s, request_data = jsonb_build_object('t', %s::text)"
            " WHERE tenant_id = %s",
            (text, text, ACME),
        )
    async with asking(database) as connection:
        for format in ("csv", "jsonl", "parquet"):
            await export(
                connection, replace(WANTED, format=format, tables=("approval_requests",)), tmp_path / f"r.{format}", nobody
            )
    with (tmp_path / "r.csv").open(newline="") as file:
        read = [(row["title"], json.loads(row["request_data"])["t"]) for row in csv.DictReader(file)]
    read += [
        (row["title"], row["request_data"]["t"]) for row in map(json.loads, (tmp_path / "r.jsonl").read_bytes().split(b"\n")[:-1])
    ]
    parquet = pyarrow.parquet.read_table(tmp_path / "r.parquet").to_pylist()
    read += [(row["title"], json.loads(row["request_data"])["t"]) for row in parquet]
    assert set(read) == {(text, text)}


async def test_what_is_there_is_not_overwritten_and_what_fails_leaves_nothing(database: Database, tmp_path: Path) -> None:
    directory = tmp_path / "there"
    directory.mkdir()
    (directory / "mine").write_text("kept")
    async with asking(database) as connection:
        with pytest.raises(OperatorError, match="is there already"):
            await export(connection, WANTED, directory, nobody)
        with pytest.raises(OperatorError, match="There is no table nonsense"):
            await export(connection, replace(WANTED, tables=("nonsense",)), tmp_path / "no", nobody)
        with pytest.raises(OperatorError, match="into one file"):
            await export(connection, WANTED, tmp_path / "all.csv", nobody)
        with pytest.raises(OperatorError, match="longer than 0 seconds"):
            await export(connection, replace(WANTED, seconds=0.0), tmp_path / "late", nobody)
        await export(connection, replace(WANTED, tables=("roles",)), tmp_path / "roles.csv.gz", nobody)  # the connection is fit
    assert names_in(tmp_path) == {"there", "roles.csv.gz"}
    assert names_in(directory) == {"mine"}


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
async def test_the_ledger_comes_out_in_parts_that_make_the_whole(database: Database, tmp_path: Path, format: Format) -> None:
    async with connect(database.system_url, name="test") as connection:

        async def exported(name: str, part: ledger.Part) -> ledger.Found:
            with new_file(tmp_path / name) as file:
                return await ledger.export(connection, part, format, file)

        first = await exported("first", ledger.Part(ACME, until=100))
        rest = await exported("rest", ledger.Part(ACME, after=first.position))
        some = await exported("some", ledger.Part(ACME, topics=("approval.decided", "role.*")))
        nothing = await exported("nothing", ledger.Part(ACME, after=rest.position))
        rows = await (
            await connection.execute(
                "SELECT position, topic, data FROM ledger.events WHERE tenant_id = %s ORDER BY position", (ACME,)
            )
        ).fetchall()
    assert (first.events, first.position, nothing) == (100, 100, (0, rest.position))
    whole = [*read_events(tmp_path / "first", format), *read_events(tmp_path / "rest", format)]
    assert [int(each["position"]) for each in whole] == [row[0] for row in rows] == [*range(1, rest.position + 1)]
    for each, (_, topic, data) in zip(whole, rows, strict=True):
        assert each["topic"] == topic
        assert {**each["data"], "secret_hash": 0} == {**json.loads(data), "secret_hash": 0}, topic
    topics = {each["topic"].rpartition(".")[0] for each in read_events(tmp_path / "some", format)}
    assert topics == {"approval.decided", "role.created", "role.changed", "role.deleted"}
    assert some.position == rest.position


def read_events(path: Path, format: Format) -> list[dict[str, Any]]:
    if format == "parquet":
        found = pyarrow.parquet.read_table(path).to_pylist()
    elif format == "jsonl":
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    else:
        with path.open(newline="") as file:
            found = list(csv.DictReader(file))
    return [{**row, "data": json.loads(row["data"])} for row in found]
