"""The publication that the how-to shows, read as a connector reads it: one tenant's events, and no other."""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from runtime import functions, migrations
from runtime.postgres import embedded

PAGE = (Path(__file__).parents[2] / "docs/how-to/stream-with-debezium.md").read_text("utf-8")
PUBLICATION, LOGIN = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
TENANT = UUID("0195d1b0-0000-7000-8000-000000000000")
CHANGES = """
SELECT data
  FROM pg_logical_slot_get_binary_changes('gesta_acme', NULL, NULL, 'proto_version', '1', 'publication_names', 'gesta_acme')
"""
EVENT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES (%s, %s, %s, 1, %s, %s, %s, %s, '{"ip": "10.1.2.3"}', %s)
"""
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def inserted(messages: list[bytes]) -> Iterator[dict[str, Any]]:
    """Rows of pgoutput's inserts, by the names that its relations give: values as text."""
    columns: list[str] = []
    for message in messages:
        if message[:1] == b"R":
            rest = message[5:].split(b"\0", 2)[2]  # its namespace and its name
            (count,) = struct.unpack(">h", rest[1:3])
            rest, columns = rest[3:], []
            for _ in range(count):
                name, rest = rest[1:].split(b"\0", 1)
                columns.append(name.decode())
                rest = rest[8:]
        elif message[:1] == b"I":
            rest, values = message[8:], list[str]()
            for _ in columns:
                assert rest[:1] == b"t"
                (length,) = struct.unpack(">i", rest[1:5])
                values.append(rest[5 : 5 + length].decode())
                rest = rest[5 + length :]
            yield dict(zip(columns, values, strict=True))


@pytest.mark.nightly
def test_a_connector_sees_one_tenant_s_events_and_no_secrets(tmp_path: Path) -> None:
    """On a server of its own: the tests' has no logical log."""
    with embedded(tmp_path / "home", parameters={"wal_level": "logical"}, durable=False) as server:
        with psycopg.connect(server.url("gesta_owner", "gesta"), autocommit=True) as owner:
            migrations.migrate(owner, migrations.load(), functions.load())
            owner.execute(PUBLICATION)
        with psycopg.connect(server.url("postgres", "gesta"), autocommit=True) as admin:
            for statement in filter(str.strip, LOGIN.split(";")):
                admin.execute(statement)
            other = uuid4()
            for tenant, position, topic in (
                (TENANT, 1, "execution.started.v1"),
                (other, 1, "execution.started.v1"),
                (TENANT, 2, "api_key.created.v2"),
                (TENANT, 3, "approval_link.made.v1"),
                (TENANT, 4, "secret.created.v1"),
                (TENANT, 5, "approval.decided.v1"),
            ):
                data = b'{"tenant": "%s", "outcome": "gr\xc3\xbcn"}' % str(tenant).encode()
                admin.execute(EVENT, (tenant, position, uuid4(), topic, NOW, NOW, uuid4(), data))
            messages = [row[0] for row in admin.execute(CHANGES).fetchall()]
            assert admin.execute(CHANGES).fetchall() == [], "what was read is not read again"
        with psycopg.connect(server.url("gesta_debezium", "gesta")) as login, pytest.raises(psycopg.errors.InsufficientPrivilege):
            login.execute("SELECT FROM ledger.events")
    rows = list(inserted(messages))
    assert [(row["tenant_id"], row["position"], row["topic"]) for row in rows] == [
        (str(TENANT), "1", "execution.started.v1"),
        (str(TENANT), "5", "approval.decided.v1"),
    ]
    for row in rows:
        assert "meta" not in row
        assert bytes.fromhex(row["data"].removeprefix("\\x")).decode() == f'{{"tenant": "{TENANT}", "outcome": "grün"}}'
    assert str(other).encode() not in b"".join(messages)
    assert b"10.1.2.3" not in b"".join(messages)


def test_the_connector_names_columns_that_the_publication_has() -> None:
    published = set(re.findall(r"\w+", re.findall(r"ledger\.events \((.*?)\)", PUBLICATION)[0]))
    settings = dict(re.findall(r'"transforms\.outbox\.([\w.]+)": "(.*?)"', PAGE))
    named = {value for name, value in settings.items() if name.startswith("table.field.event.") or name == "route.by.field"}
    named |= {each.partition(":")[0] for each in settings["table.fields.additional.placement"].split(",")}
    assert named <= published
    assert "data" in published - {"meta"}
    routed = re.compile(settings["route.topic.regex"].replace("?<", "?P<")).fullmatch("execution.started.v1")
    assert routed is not None
    assert routed["aggregate"] == "execution"
