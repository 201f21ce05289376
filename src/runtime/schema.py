"""Whether a process of this release can work on the database's schema: on its own and on newer ones, never on an older one.

A release expands the schema first, and takes away what it no longer needs a release later. So the processes of the release before
go on working while the new ones begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from psycopg.errors import InsufficientPrivilege, InvalidSchemaName, UndefinedTable

from runtime import functions, migrations
from runtime.errors import OperatorError
from runtime.functions import Function
from runtime.migrations import Migration
from runtime.pools import Connection, connect

APPLIED = "SELECT version, checksum FROM gesta_meta.migrations ORDER BY version"
GIVEN = "SELECT DISTINCT name, checksum FROM gesta_meta.functions"

State: TypeAlias = Literal["ok", "older", "other"]


@dataclass(frozen=True)
class Schema:
    """What a release needs."""

    migrations: Sequence[Migration]
    functions: Sequence[Function]

    @cached_property
    def _versions(self) -> list[tuple[int, str]]:
        return [(one.version, one.checksum) for one in self.migrations]

    @cached_property
    def _texts(self) -> set[tuple[str, str]]:
        return {(one.name, one.checksum) for one in self.functions}

    async def state(self, connection: Connection) -> tuple[State, str]:
        """other: the schema's history is another. The words say what is applied."""
        try:
            cursor = await connection.execute(APPLIED)
            applied = [(row[0], row[1]) for row in await cursor.fetchall()]
        except (UndefinedTable, InvalidSchemaName, InsufficientPrivilege):
            applied = []
        known, both = len(self._versions), min(len(applied), len(self._versions))
        if applied[:both] != self._versions[:both]:
            return "other", "its migrations are not this version's"
        if len(applied) < known:
            return "older", f"{len(applied)} of {known} migrations are applied"
        given = {(row[0], row[1]) for row in await (await connection.execute(GIVEN)).fetchall()}
        if missing := sorted(name for name, _ in self._texts - given):
            return "older", f"{len(missing)} functions are not this version's yet, {missing[0]} among them"
        newer = f", and {len(applied) - known} of a newer version" if len(applied) > known else ""
        return "ok", f"all {known} applied{newer}"


def of_this_release() -> Schema:
    return Schema(migrations.load(), functions.load())


async def refuse_older(url: str) -> None:
    """Raises OperatorError, in one line, where this release cannot work on the database's schema. `url`: as gesta_system."""
    async with connect(url, name="gesta") as connection:
        state, words = await of_this_release().state(connection)
    if state != "ok":
        remedy = "run gesta db migrate as the owner first." if state == "older" else "run the version that migrated it."
        raise OperatorError(f"The database's schema is not one that this version can work on ({words}): {remedy}")
