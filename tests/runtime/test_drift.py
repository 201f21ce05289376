"""Every kind of difference between a database and its migrations is found, and told once."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import SecretStr

from runtime import migrations
from runtime.drift import Catalog, both_sides, compare, read_catalog
from runtime.drift.catalog import QUERIES, schemas_of
from runtime.drift.compare import role_drifts, telling
from runtime.drift.kinds import BY_NAME
from runtime.errors import OperatorError
from runtime.postgres import EmbeddedServer
from runtime.settings import Settings
from tests.conftest import Database

# What is done to the live database, and the drifts that are told: kind, name, a word of what was expected and of what was found.
PLANTED = [
    (
        "ALTER TABLE ledger.events DROP CONSTRAINT events_position_check",
        [("constraint", "events_position_check on ledger.events", '"position" > 0', None)],
    ),
    (
        "ALTER TABLE projections.tenant_users DROP CONSTRAINT tenant_users_user_id_fkey",
        [("foreign key", "tenant_users_user_id_fkey on projections.tenant_users", "projections.users", None)],
    ),
    (
        "ALTER POLICY own_tenant ON ledger.events USING (true)",
        [("policy", "own_tenant on ledger.events", "runtime.current_tenant()", "USING (true)")],
    ),
    ("DROP POLICY own_tenant ON ledger.heads", [("policy", "own_tenant on ledger.heads", "gesta_api", None)]),
    (
        "CREATE POLICY back_door ON projections.roles FOR SELECT USING (true)",
        [("policy", "back_door on projections.roles", None, "TO PUBLIC")],
    ),
    ("ALTER TABLE projections.roles DISABLE ROW LEVEL SECURITY", [("row-level security", "projections.roles", "on", None)]),
    (
        "ALTER TABLE projections.roles NO FORCE ROW LEVEL SECURITY",
        [("forced row-level security", "projections.roles", "on", None)],
    ),
    (
        "GRANT UPDATE ON ledger.events TO gesta_system",
        [("grant", "ledger.events to gesta_system", "SELECT", "SELECT, UPDATE")],
    ),
    ("GRANT SELECT ON runtime.commands TO PUBLIC", [("grant", "runtime.commands to PUBLIC", None, "SELECT")]),
    ("REVOKE SELECT ON projections.roles FROM gesta_api", [("grant", "projections.roles to gesta_api", "SELECT", None)]),
    (
        "GRANT UPDATE (epoch) ON ledger.heads TO gesta_system",
        [("grant", "ledger.heads (epoch) to gesta_system", None, "UPDATE")],
    ),
    (
        "GRANT EXECUTE ON FUNCTION ledger.open(uuid) TO gesta_api",
        [("grant", "ROUTINE ledger.open(uuid) to gesta_api", None, "EXECUTE")],
    ),
    (
        "GRANT SELECT ON projections.roles TO gesta_api WITH GRANT OPTION",
        [
            ("grant", "projections.roles to gesta_api", "SELECT", None),
            ("grant", "projections.roles to gesta_api with grant option", None, "SELECT"),
        ],
    ),
    ("GRANT CREATE ON SCHEMA ledger TO gesta_system", [("grant", "SCHEMA ledger to gesta_system", "USAGE", "CREATE, USAGE")]),
    (
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        [("default privilege", "functions made by gesta_owner to PUBLIC", None, "EXECUTE")],
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA ledger GRANT DELETE ON TABLES TO gesta_system",
        [("default privilege", "tables made by gesta_owner IN SCHEMA ledger to gesta_system", None, "DELETE")],
    ),
    (
        "ALTER TABLE ledger.events DISABLE TRIGGER append_only",
        [("trigger state", "append_only on ledger.events", "always", "disabled")],
    ),
    (
        "DROP TRIGGER append_only ON ledger.events;"
        "CREATE TRIGGER append_only BEFORE DELETE ON ledger.events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()",
        [
            ("comment", "TRIGGER append_only on ledger.events", "append-only", None),
            ("trigger", "append_only on ledger.events", "UPDATE OR TRUNCATE", "BEFORE DELETE ON"),
            ("trigger state", "append_only on ledger.events", "always", None),
        ],
    ),
    (
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        [("function body", "ledger.refuse_change()", "RAISE EXCEPTION", "RETURN NULL")],
    ),
    ("ALTER FUNCTION ledger.open(uuid) SECURITY DEFINER", [("function body", "ledger.open(uuid)", "", "SECURITY DEFINER")]),
    (
        "ALTER FUNCTION ledger.open(uuid) SET search_path = public",
        [("function body", "ledger.open(uuid)", "", "SET search_path")],
    ),
    ("ALTER FUNCTION ledger.open(uuid) IMMUTABLE", [("function body", "ledger.open(uuid)", "", "IMMUTABLE")]),
    ("DROP INDEX projections.roles_by_creation", [("index", "projections.roles_by_creation", "created_at", None)]),
    (
        "CREATE INDEX extra ON projections.roles (name)",
        [("index", "projections.extra", None, "ON projections.roles USING btree (name)")],
    ),
    (
        "ALTER TABLE ledger.heads ALTER COLUMN epoch SET DEFAULT 2",
        [("default", "ledger.heads.epoch", "1", "2")],
    ),
    ("ALTER TABLE ledger.heads ALTER COLUMN epoch TYPE bigint", [("column", "ledger.heads.epoch", "integer", "bigint")]),
    (
        'ALTER TABLE projections.roles ALTER COLUMN description TYPE text COLLATE "C"',
        [("column", "projections.roles.description", "text", 'COLLATE pg_catalog."C"')],
    ),
    ("ALTER TABLE projections.roles ALTER COLUMN name DROP NOT NULL", [("not null", "projections.roles.name", "NOT NULL", None)]),
    ("ALTER TABLE projections.roles DROP COLUMN description", [("column", "projections.roles.description", "text", None)]),
    (
        "ALTER TABLE projections.roles ADD COLUMN colour text NOT NULL DEFAULT 'red'",
        [("column", "projections.roles.colour", None, "text")],
    ),
    (
        "COMMENT ON COLUMN projections.roles.name IS 'Nonsense.'",
        [("comment", "COLUMN projections.roles.name", "Its name for people.", "Nonsense.")],
    ),
    ("COMMENT ON TABLE projections.roles IS NULL", [("comment", "TABLE projections.roles", "permissions", None)]),
    ("CREATE TABLE ledger.extra (id uuid PRIMARY KEY)", [("table", "ledger.extra", None, "table")]),
    ("CREATE TABLE public.extra (id uuid PRIMARY KEY)", [("table", "public.extra", None, "table")]),
    ("CREATE SCHEMA extra CREATE TABLE extra.one (id int)", [("schema", "extra", None, "exists")]),
    (
        "CREATE VIEW projections.all_roles AS SELECT key FROM projections.roles",
        [("view", "projections.all_roles", None, "SELECT")],
    ),
    ("CREATE SEQUENCE runtime.extra", [("sequence", "runtime.extra", None, "AS bigint")]),
    ("CREATE TYPE runtime.mood AS ENUM ('good', 'bad')", [("type", "runtime.mood", None, "'good', 'bad'")]),
    (
        "ALTER TYPE ledger.dropped_row ADD ATTRIBUTE more integer",
        [("type", "ledger.dropped_row", "composite cmd integer, id uuid", "id uuid, more integer")],
    ),
    ("CREATE FUNCTION runtime.extra() RETURNS int LANGUAGE sql RETURN 1", [("function", "runtime.extra()", None, "integer")]),
    (
        "CREATE RULE forget AS ON INSERT TO projections.roles DO INSTEAD NOTHING",
        [("rule", "forget on projections.roles", None, "INSTEAD NOTHING")],
    ),
    (
        "ALTER TABLE runtime.jobs RESET (fillfactor)",
        [("storage parameters", "runtime.jobs", "fillfactor=80", "autovacuum_vacuum_scale_factor")],
    ),
    ("DROP TABLE projections.freshness", [("table", "projections.freshness", "table", None)]),
]

# What takes a superuser.
PLANTED_BY_SUPERUSER = [
    (
        "ALTER TABLE projections.tenant_users DISABLE TRIGGER ALL",
        [  # on either side of a reference
            (
                "foreign key enforcement",
                "tenant_user_roles_tenant_id_user_id_fkey on projections.tenant_user_roles",
                None,
                "disabled",
            ),
            ("foreign key enforcement", "tenant_users_user_id_fkey on projections.tenant_users", None, "disabled"),
        ],
    ),
    (
        "ALTER TABLE projections.roles OWNER TO gesta_api; GRANT ALL ON projections.roles TO gesta_owner",
        [
            ("grant", "projections.roles to gesta_api", "SELECT", "TRUNCATE"),
            ("owner other than gesta_owner", "projections.roles", None, "gesta_api"),
        ],
    ),
]


@pytest.fixture(scope="session")
def expected(postgres: EmbeddedServer, template: str) -> Catalog:
    """The facts of the migrations, from a database that nobody touched."""
    with psycopg.connect(postgres.url("gesta_owner", template), autocommit=True) as connection:
        return read_catalog(connection)


@pytest.fixture
def owner(database: Database) -> Iterator[Connection[TupleRow]]:
    with migrations.owner_connection(database.owner_url) as connection:
        yield connection


def settings_of(url: str, programs: Path | None = None) -> Settings:
    return Settings(database_url=SecretStr(url), postgres_bin=programs)


def told(expected: Catalog, connection: Connection[TupleRow]) -> list[tuple[str, str, str | None, str | None]]:
    drifts = compare(expected, read_catalog(connection, schemas_of(expected)))
    assert all("\n" not in str(drift) for drift in drifts)
    return [(drift.kind, drift.name, drift.expected, drift.found) for drift in drifts]


def matches(text: str | None, words: str | None) -> bool:
    return text is None if words is None else text is not None and words in text


def assert_told(
    seen: list[tuple[str, str, str | None, str | None]], wanted: list[tuple[str, str, str | None, str | None]]
) -> None:
    assert [drift[:2] for drift in seen] == [drift[:2] for drift in wanted]
    for (*_, was, now), (*_, old, new) in zip(seen, wanted, strict=True):
        assert matches(was, old), was
        assert matches(now, new), now


def test_a_database_made_by_the_migrations_has_not_drifted(expected: Catalog, owner: Connection[TupleRow]) -> None:
    assert told(expected, owner) == []
    assert {"policy", "trigger", "grant", "index", "function", "comment", "default privilege"} <= {kind for kind, _ in expected}


@pytest.mark.parametrize(("statement", "wanted"), PLANTED, ids=[statement[:60] for statement, _ in PLANTED])
def test_a_planted_drift_is_found_and_told_once(
    expected: Catalog, owner: Connection[TupleRow], statement: str, wanted: list[tuple[str, str, str | None, str | None]]
) -> None:
    owner.execute(statement.encode())
    assert_told(told(expected, owner), wanted)


@pytest.mark.parametrize(("statement", "wanted"), PLANTED_BY_SUPERUSER, ids=["enforcement", "owner"])
def test_what_only_a_superuser_can_plant_is_found(
    expected: Catalog, database: Database, statement: str, wanted: list[tuple[str, str, str | None, str | None]]
) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute(statement.encode())
        assert_told(told(expected, connection), wanted)


def test_a_role_that_became_powerful_is_told(database: Database) -> None:
    with psycopg.connect(database.superuser_url) as connection:  # roles are the server's: nothing of this is committed
        assert role_drifts(connection) == []
        connection.execute("ALTER ROLE gesta_api BYPASSRLS")
        connection.execute("GRANT gesta_owner TO gesta_system")
        connection.execute("ALTER ROLE gesta_api SET gesta.tenant_id = 'x'")
        assert [str(drift) for drift in role_drifts(connection)] == [
            "role gesta_api: expected NOBYPASSRLS, found BYPASSRLS",
            "role gesta_system: expected membership of nobody powerful, found member of gesta_owner",
            "setting of gesta_api: expected nothing, found gesta.tenant_id=x",
        ]
        connection.rollback()


def test_the_shadow_is_made_on_the_same_server_and_dropped(database: Database) -> None:
    known = migrations.load()
    sides = both_sides(settings_of(database.superuser_url), known)
    assert sides.drifts() == []
    with psycopg.connect(database.superuser_url) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'gesta_shadow_%'").fetchall()
    assert left == []


def test_an_owner_who_may_not_create_databases_gets_a_shadow_on_a_server_of_its_own(database: Database) -> None:
    bin_directory = database.server.binaries.path
    settings = settings_of(database.owner_url, bin_directory)
    assert both_sides(settings, migrations.load()).drifts() == []


def test_pending_migrations_are_told_and_the_rest_is_compared_as_of_the_last_applied(empty_database: Database) -> None:
    known = migrations.load()
    with migrations.owner_connection(empty_database.owner_url) as connection:
        migrations.migrate(connection, known[:-1])
        connection.execute("CREATE TABLE ledger.extra (id int)")
    settings = settings_of(empty_database.superuser_url)
    told = [(drift.kind, drift.name) for drift in both_sides(settings, known).drifts()]
    assert told == [("migration", str(known[-1])), ("table", "ledger.extra")]


def test_a_schema_can_be_left_out(database: Database) -> None:
    with migrations.owner_connection(database.owner_url) as connection:
        connection.execute("CREATE SCHEMA replayed CREATE TABLE replayed.one (id int)")
    settings = settings_of(database.superuser_url)
    assert [drift.name for drift in both_sides(settings, migrations.load()).drifts()] == ["replayed"]
    assert both_sides(settings, migrations.load(), ["replayed"]).drifts() == []


def test_without_the_owners_address_there_is_nothing_to_compare() -> None:
    with pytest.raises(OperatorError, match="DATABASE_URL is not set"):
        both_sides(Settings(system_database_url=SecretStr("postgresql://u@h/d")), migrations.load())


def test_every_kind_that_the_queries_speak_of_is_known_to_the_drafter() -> None:
    spoken = {line.split("'")[1] for query in QUERIES for line in query.splitlines() if line.startswith("SELECT '")}
    assert spoken | {"foreign key", "constraint"} == set(BY_NAME)


@pytest.mark.parametrize(
    ("expected_text", "found_text", "words"),
    [
        ("a\nb\nc", "a\nx\nc", ("line 2 b", "x")),
        ("a\nb", "a\nb\nc", ("line 3 nothing", "c")),
        ("a", None, ("a", "nothing")),
        ("x" * 200 + "1", "x" * 200 + "2", ("…" + "x" * 89 + "1", "…" + "x" * 89 + "2")),
    ],
)
def test_long_texts_are_told_by_what_differs(expected_text: str, found_text: str | None, words: tuple[str, str]) -> None:
    assert telling(expected_text, found_text) == words
