"""Whatever the zone of a server, the times of our sessions are UTC."""

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

from runtime.addresses import in_utc, resolve
from runtime.settings import load_settings
from tests.conftest import Database

EDGES = "SELECT '0001-01-01T00:00:00Z'::timestamptz, '9999-12-31T23:59:59.999999Z'::timestamptz, current_setting('work_mem')"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
@pytest.mark.parametrize("variable", ["GESTA_SYSTEM_DATABASE_URL", "GESTA_API_DATABASE_URL", "GESTA_LISTEN_DATABASE_URL"])
def test_times_at_both_ends_of_the_calendar_are_read_from_a_server_in_another_zone(
    variable: str, zone: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        statement = sql.SQL("ALTER DATABASE {} SET timezone = {}").format(sql.Identifier(database.name), zone)
        superuser.execute(statement)
    monkeypatch.setenv("GESTA_SYSTEM_DATABASE_URL", database.system_url)
    monkeypatch.setenv(variable, database.system_url)
    with resolve(load_settings()) as addresses:
        name = variable.removeprefix("GESTA_").removesuffix("_DATABASE_URL").lower()
        with psycopg.connect(getattr(addresses, name)) as connection:
            row = connection.execute(EDGES).fetchone()
    assert row is not None
    assert row[:2] == (datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert str(row[0].tzinfo) == "UTC"


def test_options_that_were_given_stay(database: Database) -> None:
    plain = psycopg.conninfo.make_conninfo(database.system_url)
    for address in (
        f"{database.system_url}&options=-c%20work_mem%3D1MB",
        psycopg.conninfo.make_conninfo(plain, options="-c work_mem=1MB"),
    ):
        told = in_utc(address)
        assert told is not None
        with psycopg.connect(told) as connection:
            assert connection.execute(EDGES).fetchone() == (
                datetime(1, 1, 1, tzinfo=UTC),
                datetime.max.replace(tzinfo=UTC),
                "1MB",
            )
    for address in (database.system_url, plain):
        told = in_utc(address)
        assert told is not None
        with psycopg.connect(told) as connection:
            assert connection.info.parameter_status("TimeZone") == "UTC"
    assert in_utc(None) is None
