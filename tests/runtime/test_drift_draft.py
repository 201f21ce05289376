"""What was done by hand becomes a migration: up makes it elsewhere, down takes it back, and nothing else changes."""

import psycopg
import pytest

from runtime import migrations
from runtime.drift import Catalog, compare, draft, read_catalog
from runtime.migrations import Migration
from tests.conftest import Database, temporary_database

BY_HAND = {
    "a table with everything": """
        CREATE SCHEMA notes;
        GRANT USAGE ON SCHEMA notes TO gesta_api;
        CREATE SEQUENCE notes.numbers INCREMENT BY 2;
        CREATE TABLE notes.notes (
            tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, title text COLLATE "C" NOT NULL DEFAULT 'it''s',
            number bigint DEFAULT nextval('notes.numbers'), length int GENERATED ALWAYS AS (length(title)) STORED,
            author uuid REFERENCES projections.users (id), PRIMARY KEY (tenant_id, id), CHECK (title <> '')
        ) WITH (fillfactor = 70);
        ALTER SEQUENCE notes.numbers OWNED BY notes.notes.number;
        COMMENT ON TABLE notes.notes IS 'What people noted; “quoted”, ''so''.';
        COMMENT ON COLUMN notes.notes.title IS 'In short.';
        CREATE UNIQUE INDEX by_title ON notes.notes (tenant_id, lower(title)) WHERE number > 0;
        CREATE STATISTICS notes.related ON tenant_id, author FROM notes.notes;
        ALTER TABLE notes.notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY own ON notes.notes AS RESTRICTIVE FOR UPDATE TO gesta_api, gesta_system
            USING (tenant_id = (SELECT runtime.current_tenant())) WITH CHECK (number > 0);
        GRANT SELECT, UPDATE (title) ON notes.notes TO gesta_api;
        CREATE FUNCTION notes.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON notes.notes FOR EACH ROW EXECUTE FUNCTION notes.refuse();
        ALTER TABLE notes.notes DISABLE TRIGGER refuse;
        CREATE VIEW notes.mine WITH (security_invoker = true) AS SELECT id, title FROM notes.notes;
        COMMENT ON COLUMN notes.mine.title IS 'The same.';
        GRANT SELECT ON notes.mine TO gesta_api;
    """,
    "columns come, go and change": """
        ALTER TABLE projections.roles ADD COLUMN colour text NOT NULL DEFAULT 'red';
        COMMENT ON COLUMN projections.roles.colour IS 'As shown.';
        ALTER TABLE projections.roles DROP COLUMN description;
        ALTER TABLE projections.roles ALTER COLUMN name TYPE varchar(200), ALTER COLUMN name SET DEFAULT 'none';
        ALTER TABLE ledger.heads ALTER COLUMN epoch SET DEFAULT 7;
        ALTER TABLE ledger.heads ALTER COLUMN created_at DROP NOT NULL, ALTER COLUMN created_at DROP DEFAULT;
    """,
    "rules of access": """
        ALTER POLICY own_tenant ON ledger.events USING (true);
        DROP POLICY own_tenant ON ledger.heads;
        ALTER TABLE projections.roles DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
        GRANT UPDATE ON ledger.events TO gesta_system;
        REVOKE SELECT ON projections.roles FROM gesta_api;
        GRANT SELECT ON projections.users TO gesta_api WITH GRANT OPTION;
        GRANT UPDATE (epoch) ON ledger.heads TO gesta_system;
        GRANT EXECUTE ON FUNCTION ledger.open(uuid) TO gesta_api;
        ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
        ALTER DEFAULT PRIVILEGES IN SCHEMA ledger GRANT DELETE ON TABLES TO gesta_system;
    """,
    "constraints, indexes and triggers": """
        ALTER TABLE ledger.events DROP CONSTRAINT events_position_check, ADD CONSTRAINT from_ten CHECK (position >= 10) NOT VALID;
        ALTER TABLE projections.tenant_users DROP CONSTRAINT tenant_users_user_id_fkey;
        DROP INDEX projections.roles_by_creation;
        CREATE INDEX roles_by_creation ON projections.roles (created_at DESC);
        DROP TRIGGER append_only ON ledger.events;
        CREATE TRIGGER append_only BEFORE DELETE ON ledger.events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
        COMMENT ON TRIGGER append_only ON ledger.events IS 'Events are append-only.';
        ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;
        COMMENT ON TABLE ledger.events IS NULL;
        ALTER TABLE runtime.jobs RESET (fillfactor);
        CREATE RULE forget AS ON INSERT TO projections.roles DO INSTEAD NOTHING;
    """,
    "functions and views": """
        CREATE OR REPLACE FUNCTION ledger.open(tenant uuid) RETURNS void
            LANGUAGE sql SECURITY DEFINER SET search_path = ledger AS 'SELECT';
        DROP FUNCTION runtime.lease_jobs;
        CREATE PROCEDURE runtime.tidy(n int DEFAULT 3) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
        CREATE FUNCTION runtime.answer() RETURNS int LANGUAGE sql RETURN 42;
        CREATE VIEW projections.one AS SELECT runtime.answer() AS n;
        CREATE MATERIALIZED VIEW projections.two AS SELECT n FROM projections.one;
    """,
    "a table goes": "DROP TABLE projections.freshness; DROP TABLE runtime.tracking;",
}


def catalog_of(database: Database) -> Catalog:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        return read_catalog(connection)


@pytest.mark.parametrize("statements", BY_HAND.values(), ids=BY_HAND.keys())
def test_a_draft_makes_elsewhere_what_was_done_by_hand_and_takes_it_back(
    database: Database, template: str, statements: str
) -> None:
    known = migrations.load()
    with migrations.owner_connection(database.owner_url) as live:
        live.execute(statements.encode())
    wanted = catalog_of(database)
    with temporary_database(database.server, template) as fresh:
        before = catalog_of(fresh)
        up, down = draft(before, wanted), draft(wanted, before)
        assert (up.undrafted, down.undrafted) == ((), ())
        drafted = Migration(len(known) + 1, "drafted", up.text, down.text)
        with migrations.owner_connection(fresh.owner_url) as connection:
            migrations.migrate(connection, [*known, drafted])
            assert [str(drift) for drift in compare(wanted, catalog_of(fresh))] == []
            migrations.rollback(connection, [*known, drafted])
            assert [str(drift) for drift in compare(before, catalog_of(fresh))] == []


def test_between_equals_there_is_nothing_to_draft(database: Database) -> None:
    same = catalog_of(database)
    assert draft(same, same).statements == ()


def test_what_cannot_be_drafted_is_named_at_the_head(database: Database) -> None:
    before = catalog_of(database)
    with migrations.owner_connection(database.owner_url) as live:
        live.execute(
            "CREATE TYPE runtime.mood AS ENUM ('good', 'bad'); CREATE TABLE runtime.parts (id int) PARTITION BY LIST (id)"
        )
    drafted = draft(before, catalog_of(database))
    assert drafted.undrafted == (("table", "runtime.parts"), ("type", "runtime.mood"))
    assert "-- Not drafted, write it yourself: type runtime.mood\n" in drafted.text


def test_a_table_is_drafted_as_one_would_write_it(database: Database) -> None:
    before = catalog_of(database)
    with migrations.owner_connection(database.owner_url) as live:
        live.execute("CREATE TABLE runtime.notes (id uuid PRIMARY KEY, title text NOT NULL DEFAULT 'none')")
    assert draft(before, catalog_of(database)).statements == (
        "CREATE TABLE runtime.notes (\n    id uuid NOT NULL,\n    title text DEFAULT 'none'::text NOT NULL\n)",
        "ALTER TABLE runtime.notes ADD CONSTRAINT notes_pkey PRIMARY KEY (id)",
    )


def test_the_example_of_the_handbook_is_a_migration(database: Database) -> None:
    page = (migrations.DIRECTORY.parent / "docs" / "how-to" / "add-a-table.md").read_text("utf-8")
    code = "\n".join(line for line in page.splitlines() if line.startswith(" " * 8))
    with migrations.owner_connection(database.owner_url) as connection, connection.transaction():
        connection.execute(code.encode())
        assert connection.execute("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'notes'").fetchone() == (True,)
