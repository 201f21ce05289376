"""What nobody may do to the ledger, and what two connections may not do to each other."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.conftest import Database
from tests.store.ledgers import append, connected, entry, open_ledger, positions, verdicts

CHANGES = (
    "UPDATE ledger.events SET data = ''",
    "DELETE FROM ledger.events",
    "TRUNCATE ledger.events",
)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("who", ["owner_url", "system_url", "api_url", "superuser_url"])
def test_nobody_changes_what_happened(database: Database, who: str, statement: str) -> None:
    with connected(database.system_url) as system:
        append(system, open_ledger(system), entry(uuid4()))
        with connected(getattr(database, who)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        assert system.execute("SELECT count(*), max(length(data)) FROM ledger.events").fetchone() == (1, 2)


BESIDE_APPEND = (
    "INSERT INTO ledger.events SELECT tenant_id, position + 100, stream_id, version + 100, topic, occurred_at, recorded_at, "
    "command_id, meta, data FROM ledger.events",
    "INSERT INTO runtime.commands VALUES (gen_random_uuid(), gen_random_uuid(), NULL, NULL, NULL, now())",
    "INSERT INTO runtime.claims VALUES (gen_random_uuid(), 's', 'n', gen_random_uuid())",
    "DELETE FROM runtime.claims",
    "UPDATE ledger.heads SET epoch = epoch + 1",
    "DELETE FROM ledger.heads",
)


@pytest.mark.parametrize("statement", BESIDE_APPEND)
def test_the_product_role_writes_by_append_only(database: Database, statement: str) -> None:
    with connected(database.system_url) as system:
        append(system, open_ledger(system), entry(uuid4()))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            system.execute(statement)


@pytest.mark.parametrize("function", ["append", "append_rows", "append_rows_2"])
def test_append_works_with_its_owners_rights_on_a_pinned_path(database: Database, function: str) -> None:
    """A later migration that makes the function anew must say so again."""
    with connected(database.system_url) as system:
        definer, settings = system.execute(
            "SELECT prosecdef, proconfig FROM pg_proc WHERE oid = ('ledger.' || %s)::regproc", [function]
        ).fetchone() or (False, [])
    assert definer
    assert "search_path=pg_catalog, pg_temp" in settings


def test_a_search_path_of_the_callers_changes_nothing_in_append(database: Database) -> None:
    with connected(database.system_url) as system:
        tenant = open_ledger(system)
        system.execute("CREATE TEMP TABLE heads (tenant_id uuid, epoch int)")
        system.execute("SET search_path = pg_temp, ledger, runtime")
        assert verdicts(append(system, tenant, entry(uuid4()))) == ["appended"]


def test_replication_mode_does_not_disarm_the_append_only_trigger(database: Database) -> None:
    with connected(database.system_url) as system, connected(database.superuser_url) as superuser:
        append(system, open_ledger(system), entry(uuid4()))
        superuser.execute("SET session_replication_role = replica")
        for statement in (*CHANGES, "UPDATE ledger.heads SET epoch = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                superuser.execute(statement)


def test_a_raised_epoch_is_written_down(database: Database) -> None:
    with connected(database.system_url) as system, connected(database.superuser_url) as superuser:
        tenant = open_ledger(system)
        superuser.execute("UPDATE ledger.heads SET epoch = epoch + 2 WHERE tenant_id = %s", (tenant,))
        assert system.execute("SELECT epoch, raised_by FROM ledger.epochs WHERE tenant_id = %s", (tenant,)).fetchall() == [
            (3, "postgres")
        ]


def test_the_product_role_changes_no_command_that_was_answered(database: Database) -> None:
    with connected(database.system_url) as system, pytest.raises(psycopg.errors.InsufficientPrivilege):
        system.execute("UPDATE runtime.commands SET result = ''")


def test_the_api_role_may_not_append(database: Database) -> None:
    with connected(database.system_url) as system, connected(database.api_url) as api:
        tenant = open_ledger(system)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            append(api, tenant, entry(uuid4()))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            open_ledger(api)
        for function in ("append", "append_rows", "append_rows_2", "judge", "judge_rows", "open"):
            allowed = system.execute(
                "SELECT has_function_privilege('gesta_api', p.oid, 'EXECUTE') FROM pg_proc p WHERE proname = %s "
                "AND pronamespace = 'ledger'::regnamespace",
                (function,),
            ).fetchall()
            assert allowed == [(False,)]


def test_the_api_role_sees_its_tenants_ledger_only(database: Database) -> None:
    with connected(database.system_url) as system, connected(database.api_url) as api:
        mine, theirs = open_ledger(system), open_ledger(system)
        append(system, mine, entry(uuid4()))
        append(system, theirs, entry(uuid4()))
        assert api.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)
        with api.transaction():
            api.execute("SELECT set_config('gesta.tenant_id', %s, true)", (str(mine),))
            assert api.execute("SELECT DISTINCT tenant_id FROM ledger.events").fetchall() == [(mine,)]
            assert api.execute("SELECT tenant_id FROM ledger.heads").fetchall() == [(mine,)]
        for table in ("runtime.commands", "runtime.claims"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                api.execute(psycopg.sql.SQL("TABLE {}").format(psycopg.sql.SQL(table)))


def test_row_level_security_binds_even_the_owner(database: Database) -> None:
    with connected(database.system_url) as system, connected(database.owner_url) as owner:
        append(system, open_ledger(system), entry(uuid4()))
        assert owner.execute("SELECT count(*) FROM ledger.events").fetchone() == (0,)


def test_no_reader_passes_an_uncommitted_event(database: Database) -> None:
    """A second append waits for the first's commit, so that nothing with a higher position is ever visible before it."""
    with connected(database.system_url) as one, connected(database.system_url) as two, connected(database.system_url) as reader:
        tenant = open_ledger(one)
        with ThreadPoolExecutor(1) as elsewhere:
            with one.transaction():
                append(one, tenant, entry(uuid4()))
                second = elsewhere.submit(append, two, tenant, entry(uuid4()))
                _await_waiting(reader)
                assert positions(reader, tenant) == []
                assert not second.done()
            assert [outcome.position for outcome in second.result(30)] == [2]
        assert positions(reader, tenant) == [1, 2]


def test_the_waiting_append_sees_what_the_first_one_committed(database: Database) -> None:
    with connected(database.system_url) as one, connected(database.system_url) as two, connected(database.system_url) as reader:
        tenant, a = open_ledger(one), uuid4()
        command = entry(a, expect=[(a, 0)])
        with ThreadPoolExecutor(1) as elsewhere:
            with one.transaction():
                append(one, tenant, command)
                second = elsewhere.submit(append, two, tenant, command, entry(a, expect=[(a, 0)]), entry(a, expect=[(a, 1)]))
                _await_waiting(reader)
            assert verdicts(second.result(30)) == ["done", "conflict", "appended"]


def test_a_held_head_is_answered_busy_without_waiting(database: Database) -> None:
    with connected(database.system_url) as one, connected(database.system_url) as two:
        tenant, free = open_ledger(one), open_ledger(one)
        with one.transaction():
            append(one, tenant, entry(uuid4()))
            assert verdicts(append(two, tenant, entry(uuid4()), entry(uuid4()), no_wait=True)) == ["busy", "busy"]
            assert verdicts(append(two, free, entry(uuid4()), no_wait=True)) == ["appended"]
        assert positions(two, tenant) == [1]


def test_append_never_updates_the_head(database: Database) -> None:
    with connected(database.system_url) as system:
        tenant = open_ledger(system)
        row = "SELECT xmin, ctid FROM ledger.heads WHERE tenant_id = %s"
        before = system.execute(row, (tenant,)).fetchone()
        append(system, tenant, entry(uuid4()))
        assert system.execute(row, (tenant,)).fetchone() == before


def test_every_table_and_column_says_what_it_is(database: Database) -> None:
    with connected(database.owner_url) as owner:
        nameless = owner.execute(
            """SELECT c.oid::regclass::text, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0
               WHERE c.relnamespace IN ('ledger'::regnamespace, 'runtime'::regnamespace) AND c.relkind = 'r'
               AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL"""
        ).fetchall()
    assert nameless == []


def _await_waiting(reader: psycopg.Connection[Any]) -> None:
    """Until another connection waits for a lock."""
    while reader.execute(WAITING).fetchone() is None:
        pass
