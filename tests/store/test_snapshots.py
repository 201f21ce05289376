"""Snapshots spare the folding of long streams, and nothing depends on them."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.facts import Event
from domain.role import ROLE, Role, RoleChanged, RoleCreated
from store.codec import Codec
from store.handler import Handler
from store.loader import SELECT_STREAMS_AND_NAMES, Loader
from store.snapshots import Snapshots
from store.state_codec import codecs_of
from store.writer import Writer
from tests.conftest import Database
from tests.store.handling import AT_HAND, SNAPSHOT_AT, Process, command, count_up, running, stored
from tests.store.ledgers import append, connected, open_ledger

LONG = 40
assert LONG > 2 * SNAPSHOT_AT

SNAPSHOTS = "SELECT version, state_version FROM runtime.snapshots WHERE tenant_id = %s AND stream_id = %s ORDER BY version"


class CountingCodec(Codec):
    """Counts the events that it decodes."""

    decoded = 0

    def decode(self, topic: str, data: bytes) -> Event:
        self.decoded += 1
        return super().decode(topic, data)


def written(ledger: psycopg.Connection[Any], tenant: UUID, events: int = LONG) -> UUID:
    """A role whose name counts its events, appended by nobody who would take a snapshot."""
    role_id = uuid4()
    first = RoleCreated("key", "1", ())
    append(ledger, tenant, stored(role_id, first, *(RoleChanged(str(number), ()) for number in range(2, events + 1))))
    return role_id


def snapshots(ledger: psycopg.Connection[Any], tenant: UUID, stream_id: UUID) -> list[tuple[int, str]]:
    return ledger.execute(SNAPSHOTS, (tenant, stream_id)).fetchall()


async def read_by_another(database: Database, tenant: UUID, role_id: UUID) -> tuple[Role, int, int]:
    """The state and version as a process reads it that has never heard of the stream; and how many events it decoded."""
    codec, kept = CountingCodec(), Snapshots(database.system_url)
    loader = Loader(database.system_url, codec, state_versions=kept.state_versions)
    writer = Writer(database.system_url)
    try:
        state, version = await Handler(writer, loader, codec=codec, snapshots=kept).read(tenant, ROLE, role_id)
    finally:
        await writer.aclose()
        await kept.aclose()
        await loader.aclose()
    return state, version, codec.decoded


async def test_who_folds_a_long_stream_leaves_a_snapshot_and_the_next_one_reads_what_came_after(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID, process: Process
) -> None:
    role_id = written(ledger, tenant)
    state, version = await process.handler.read(tenant, ROLE, role_id)
    await process.snapshots.taken()
    assert [version for version, _ in snapshots(ledger, tenant, role_id)] == [LONG]
    append(ledger, tenant, stored(role_id, RoleChanged("last", ())))
    later, reached, decoded = await read_by_another(database, tenant, role_id)
    assert (state.name, version) == (str(LONG), LONG)
    assert (later.name, later.key, reached, decoded) == ("last", "key", LONG + 1, 1)


async def test_a_stream_that_grows_in_a_process_has_snapshots_as_it_goes(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID, process: Process
) -> None:
    """Nobody needs to lose a state for them. While it is at hand they are few, as nobody reads what they would spare."""
    role_id, at = written(ledger, tenant, 1), set[int]()
    for _ in range(LONG):
        await process.handler.handle(command(tenant), count_up(role_id))
        await process.snapshots.taken()
        at |= {version for version, _ in snapshots(ledger, tenant, role_id)}
    assert at == {AT_HAND}
    state, version, decoded = await read_by_another(database, tenant, role_id)
    assert (state.name, version) == (str(LONG + 1), LONG + 1)
    assert decoded == LONG + 1 - AT_HAND
    assert len(snapshots(ledger, tenant, role_id)) == 1


async def test_a_short_stream_has_none(ledger: psycopg.Connection[Any], tenant: UUID, process: Process) -> None:
    role_id = written(ledger, tenant, SNAPSHOT_AT - 1)
    await process.handler.read(tenant, ROLE, role_id)
    await process.snapshots.taken()
    assert snapshots(ledger, tenant, role_id) == []


HARM = {
    "deleted": "DELETE FROM runtime.snapshots",
    "a byte of it changed": "UPDATE runtime.snapshots SET state = set_byte(state, length(state) - 4, 57)",
    "the digest changed": "UPDATE runtime.snapshots SET state = set_byte(state, 0, get_byte(state, 0) # 1)",
    "cut off": "UPDATE runtime.snapshots SET state = substr(state, 1, length(state) - 5)",
    "empty": "UPDATE runtime.snapshots SET state = ''",
    "of another state version": "UPDATE runtime.snapshots SET state_version = 'role:of another release'",
    "of another aggregate": "UPDATE runtime.snapshots SET state_version = %(other)s",
    "of another stream": """
        UPDATE runtime.snapshots s SET state = o.state FROM runtime.snapshots o WHERE o.stream_id <> s.stream_id""",
    "of another version": """
        UPDATE runtime.snapshots s SET version = s.version - 1, command_id = e.command_id FROM ledger.events e
         WHERE e.tenant_id = s.tenant_id AND e.stream_id = s.stream_id AND e.version = s.version - 1""",
    "of a history that was taken back": "UPDATE runtime.snapshots SET command_id = gen_random_uuid()",
    "ahead of the ledger": "UPDATE runtime.snapshots SET version = version + 1",
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
async def test_without_them_and_with_damaged_ones_everything_goes_on_equal(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID, process: Process, harm: str
) -> None:
    role_id, second = written(ledger, tenant), written(ledger, tenant)
    for each in (role_id, second):
        await process.handler.read(tenant, ROLE, each)
    await process.snapshots.taken()
    assert len(snapshots(ledger, tenant, role_id)) == 1
    ledger.execute(harm, {"other": codecs_of((ROLE,))["role"].tag.replace("role", "user")} if "%" in harm else None)
    state, version, decoded = await read_by_another(database, tenant, role_id)
    assert (state.name, version) == (str(LONG), LONG)
    assert decoded >= LONG
    async with running(database.system_url) as other:
        done = await other.handler.handle(command(tenant), count_up(role_id))
        assert done.result == LONG + 1
        for _ in range(AT_HAND):
            await other.handler.handle(command(tenant), count_up(role_id))
            await other.snapshots.taken()
    _, version, decoded = await read_by_another(database, tenant, role_id)
    assert version == LONG + 1 + AT_HAND
    assert decoded < version, "another snapshot has taken its place"


async def test_one_of_a_stream_that_was_written_meanwhile_by_others_is_of_what_the_ledger_holds(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID, process: Process
) -> None:
    """A process that is behind a restore takes none: another event stands where its state ends."""
    role_id = written(ledger, tenant)
    await process.handler.read(tenant, ROLE, role_id)
    await process.snapshots.taken()
    ledger.execute("DELETE FROM runtime.snapshots")
    with psycopg.connect(database.superuser_url, autocommit=True) as restoring:
        restoring.execute("SET session_replication_role = replica")
        restoring.execute("ALTER TABLE ledger.events DISABLE TRIGGER ALL")
        restoring.execute("UPDATE ledger.events SET occurred_at = occurred_at - interval '1 second'")
    entry = process.handler._states.entries.find(tenant, role_id)
    assert entry is not None
    entry.snapshot = 0
    process.snapshots.note(tenant, role_id, entry)
    await process.snapshots.taken()
    assert snapshots(ledger, tenant, role_id) == []


@pytest.mark.parametrize("since", [0, 2_000], ids=["after a snapshot", "after a version"])
async def test_a_tail_is_read_without_going_through_the_stream(
    ledger: psycopg.Connection[Any], tenant: UUID, process: Process, since: int
) -> None:
    role_id = written(ledger, tenant, 2_000)
    await process.handler.read(tenant, ROLE, role_id)
    await process.snapshots.taken()
    append(ledger, tenant, stored(role_id, RoleChanged("last", ())))
    asked: list[Any] = [[tenant], [role_id], [since], list(process.snapshots.state_versions), [], [], []]
    query = f"EXPLAIN (ANALYZE, FORMAT JSON) {SELECT_STREAMS_AND_NAMES.replace('%b', '%s')}"
    ((plan,),) = ledger.execute(query, asked).fetchall()
    assert max(rows_of(plan[0]["Plan"])) <= 2


def rows_of(node: dict[str, Any]) -> Iterator[float]:
    """What each part of a plan has looked at."""
    yield node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    for part in node.get("Plans", ()):
        yield from rows_of(part)


async def test_those_of_releases_that_are_gone_are_cleared_away(
    ledger: psycopg.Connection[Any], tenant: UUID, process: Process
) -> None:
    role_id = written(ledger, tenant)
    insert = """INSERT INTO runtime.snapshots (tenant_id, stream_id, state_version, version, command_id, state, taken_at)
                VALUES (%s, %s, %s, 1, gen_random_uuid(), '', now() - %s::interval)"""
    ledger.execute(insert, (tenant, role_id, "role:long ago", "2 hours"))
    ledger.execute(insert, (tenant, role_id, "role:side by side", "1 minute"))
    await process.handler.read(tenant, ROLE, role_id)
    await process.snapshots.taken()
    assert [tag for _, tag in snapshots(ledger, tenant, role_id)] == ["role:side by side", codecs_of((ROLE,))["role"].tag]


async def test_they_are_encrypted_where_events_are(database: Database, ledger: psycopg.Connection[Any]) -> None:
    class Backwards:
        def encrypt(self, plaintext: bytes) -> bytes:
            return plaintext[::-1]

        def decrypt(self, ciphertext: bytes) -> bytes:
            return ciphertext[::-1]

    tenant = open_ledger(ledger)
    role_id = written(ledger, tenant)
    codec = Codec(cipher=Backwards())
    kept = Snapshots(database.system_url, codec, first_at=1, every=1, at_hand=1, rest=0)
    loader, writer = Loader(database.system_url, codec, state_versions=kept.state_versions), Writer(database.system_url)
    try:
        await Handler(writer, loader, codec=codec, snapshots=kept).read(tenant, ROLE, role_id)
        await kept.taken()
        again = Handler(writer, loader, codec=codec, snapshots=kept)
        state, version = await again.read(tenant, ROLE, role_id)
    finally:
        await writer.aclose()
        await kept.aclose()
        await loader.aclose()
    assert (state.name, version) == (str(LONG), LONG)
    ((data,),) = ledger.execute("SELECT state FROM runtime.snapshots").fetchall()
    assert b'"key"' not in data
    assert b'"yek"' in data


@pytest.mark.parametrize("url", [lambda database: database.api_url, lambda database: database.owner_url])
def test_nobody_but_the_system_sees_them(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID, url: Callable[[Database], str]
) -> None:
    ledger.execute(
        "INSERT INTO runtime.snapshots (tenant_id, stream_id, state_version, version, command_id, state, taken_at)"
        " VALUES (%s, %s, 'role:1', 1, gen_random_uuid(), '', now())",
        (tenant, uuid4()),
    )
    with connected(url(database)) as connection:
        connection.execute("SELECT set_config('gesta.tenant_id', %s, false)", (str(tenant),))
        try:
            seen = connection.execute("SELECT * FROM runtime.snapshots").fetchall()
        except psycopg.errors.InsufficientPrivilege:
            seen = []
    assert seen == []
