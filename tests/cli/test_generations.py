"""`gesta projections rebuild`."""

import asyncio

import pytest
from psycopg import AsyncConnection

from cli.generations import _rebuild, duration, words
from cli.up import rebuild_wanted
from projections.generation import groups_of
from projections.projector import Projector
from projections.rebuilding.rebuild import RebuildOptions, Stage
from projections.registry import TABLES
from runtime.addresses import Addresses
from runtime.errors import OperatorError
from tests.conftest import Database
from tests.projections.story import Ledgers


@pytest.mark.parametrize(
    ("stage", "since", "seconds", "expected"),
    [
        (Stage("filling", 50, 200), 50, 5.0, ["50 of 200", "10/s", "0:15 left", "████████        "]),
        (Stage("filling", 1_000_000, 2_000_000), 1000, 1.0, ["1,000,000 of 2,000,000", "1,000/s", "16:40 left"]),
        (Stage("comparing", 3, 3), 3, 1.0, ["3 of 3", "3/s", "█" * 30]),
        (Stage("filling", 0, 0), 0, 0.0, ["0 of 0"]),
    ],
)
def test_a_stage_shows_its_rate_and_the_time_left(stage: Stage, since: int, seconds: float, expected: list[str]) -> None:
    text = words(stage, since, seconds)
    assert [part for part in expected if part not in text] == []
    assert ("left" in text) == any("left" in part for part in expected)


@pytest.mark.parametrize(("seconds", "expected"), [(0.4, "0:00"), (61.0, "1:01"), (7325.0, "2:02:05")])
def test_the_time_left_reads_like_a_clock(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


async def test_tables_are_built_anew_and_the_old_ones_kept(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        await Ledgers(conn).everything()
    await Projector(database.system_url).catch_up()
    await _rebuild(database.owner_url, database.system_url, RebuildOptions(), None)
    said = capsys.readouterr()
    assert "The tables are rebuilt." in said.out
    assert [stage for stage in ("filling", "comparing", "exchanging") if stage not in said.err] == []
    async with await AsyncConnection.connect(database.owner_url, autocommit=True) as conn:
        kept = "SELECT count(*) FROM pg_class WHERE relnamespace = 'projections_old'::regnamespace AND relkind = 'r'"
        assert await (await conn.execute(kept)).fetchone() == (len(TABLES),)


async def test_up_builds_what_a_migration_asks_for(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        await Ledgers(conn).everything()
        await Projector(database.system_url).catch_up()
        await conn.execute("UPDATE projections.roles SET name = 'before'")
        await conn.execute(
            "INSERT INTO runtime.projection_generations (groups, reason, accepted) "
            "VALUES ('{people}', 'new names', '{roles.name}')"
        )
        for name, url in (("DATABASE_URL", database.owner_url), ("GESTA_SYSTEM_DATABASE_URL", database.system_url)):
            monkeypatch.setenv(name, url)
        caplog.set_level("INFO")
        stopping = asyncio.Event()
        addresses = Addresses(database.owner_url, database.system_url, None, None)
        task = asyncio.create_task(rebuild_wanted(addresses, stopping))
        async with asyncio.timeout(60):
            while "The tables are rebuilt." not in caplog.messages:  # noqa: ASYNC110  the log tells nobody
                await asyncio.sleep(0.05)
        stopping.set()
        await task
        asked = "SELECT state FROM runtime.projection_generations ORDER BY number"
        assert await (await conn.execute(asked)).fetchall() == [("done",), ("serving",)]
        assert await (await conn.execute("SELECT FROM projections.roles WHERE name = 'before'")).fetchall() == []


def test_a_table_is_built_with_its_group() -> None:
    assert groups_of(["roles", "audit_logs"]) == {"people", "audit"}
    with pytest.raises(OperatorError, match="no projected table nothing"):
        groups_of(["nothing"])
