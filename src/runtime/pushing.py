"""Bringing a database of development to what the migrations make now, whatever it was given before.

For whoever edits a migration that is not published yet: the way from what is there to what is wanted is drafted from the catalogs
(``runtime.drift``) and taken in one transaction. Projected tables are emptied where they change, since the ledger has all that
was in them; nothing else that would be lost is taken away without being asked for, and nothing of the ledger ever.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from psycopg import Connection, Error, sql
from psycopg.rows import TupleRow

from runtime import migrations
from runtime.drift import Catalog, Drift, compare, draft, live_owner, with_wanted
from runtime.drift.catalog import Key, ancestors
from runtime.errors import OperatorError
from runtime.functions import Function
from runtime.migrations import Migration
from runtime.settings import Settings

MARK = "(gesta: development)"
"""In the comment on the database, where everybody sees it and a backup does not take it along."""
MARKED = """
SELECT coalesce(shobj_description(oid, 'pg_database'), ''), datname::text FROM pg_database WHERE datname = current_database()
"""
SET_MARK = sql.SQL("COMMENT ON DATABASE {} IS {}")
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND usename IN ('gesta_api', 'gesta_system') AND pid <> pg_backend_pid()
"""
VIEWS_SQL = migrations.DIRECTORY / "projections" / "views.sql"
PROJECTED = "projections."
OF_ROWS = frozenset({"table", "column", "generated column", "identity", "default", "not null", "constraint", "foreign key"})
"""Kinds of facts of a table that its rows have to fit: where one differs, the tables are filled again."""


@dataclass(frozen=True)
class Pushed:
    """What was done. ``history``: whether other migrations were on record."""

    applied: Sequence[Migration | Function]
    drifts: Sequence[Drift]
    history: bool
    emptied: bool


def push(
    settings: Settings, known: Sequence[Migration], functions: Sequence[Function], *, mark: bool = False, force: bool = False
) -> Pushed:
    """Raises OperatorError, and has changed nothing but what was pending, where the database is not marked, something would be
    lost, or no way can be drafted."""
    with live_owner(settings) as live:
        _refuse_unmarked(live, mark=mark, force=force)
        history = migrations.has_other_history(live, known)
        applied = [] if history else migrations.migrate(live, known, functions)
    with with_wanted(settings, known, functions) as (live, found, wanted):
        statements, emptied = way(found, wanted, force=force)
        if emptied and not force:
            _refuse_sessions(live)
        migrations.adopt(live, known, statements, functions)
    return Pushed(applied, compare(wanted, found), history, emptied)


def way(found: Catalog, wanted: Catalog, *, force: bool) -> tuple[list[str], bool]:
    """The statements, and whether they empty the projected tables."""
    changed = {key for key in found.keys() & wanted.keys() if found[key].value != wanted[key].value}
    differs = {key for key in changed | (found.keys() ^ wanted.keys()) if key[1].startswith(PROJECTED)}
    emptied = any(kind in OF_ROWS for kind, _ in differs)
    before: list[str] = []
    views = {key for key in found if key[0] == "view" and key[1].startswith(PROJECTED)}
    if emptied:
        tables = sorted(name for kind, name in found if kind == "table" and name.startswith(PROJECTED))
        before += [f"TRUNCATE {', '.join(tables)}"] if tables else []
    if views and (emptied or any(kind == "view" for kind, _ in differs)):
        before.append(f"DROP VIEW {', '.join(sorted(name for _, name in views))}")
        found = {key: fact for key, fact in found.items() if key not in views and views.isdisjoint(ancestors(found, key))}
    drafted = draft(found, wanted)
    if drafted.undrafted:
        names = ", ".join(f"{kind} {name}" for kind, name in drafted.undrafted)
        raise OperatorError(f"There is no way that can be drafted for: {names}. Begin with an empty database instead.")
    _refuse_loss(found.keys() - wanted.keys(), force=force)
    return [*before, *_by_their_file(drafted.statements, wanted)], emptied


def _by_their_file(statements: Sequence[str], wanted: Catalog) -> Iterator[str]:
    """Views are made by their file: what the catalog says of one is not, word for word, what it was made by."""
    made = {fact.make for fact in wanted.values() if fact.kind == "view" and fact.name.startswith(PROJECTED)}
    first = next((statement for statement in statements if statement in made), None)
    for statement in statements:
        if statement == first:
            yield VIEWS_SQL.read_text("utf-8")
        elif statement not in made:
            yield statement


def _refuse_loss(going: Iterable[Key], *, force: bool) -> None:
    lost = sorted(name for kind, name in going if kind in ("table", "column") and not name.startswith(PROJECTED))
    events = [name for name in lost if name.startswith("ledger.")]
    if events:
        raise OperatorError(f"{', '.join(events)} would be lost, which belongs to the ledger: that is never pushed.")
    if lost and not force:
        raise OperatorError(f"{', '.join(lost)} would be lost, which the ledger cannot rebuild: --force goes on.")


def _refuse_unmarked(live: Connection[TupleRow], *, mark: bool, force: bool) -> None:
    row = live.execute(MARKED).fetchone()
    assert row is not None
    comment, database = row
    if MARK in comment:
        return
    if mark:
        try:
            live.execute(SET_MARK.format(sql.Identifier(database), sql.Literal(f"{comment} {MARK}".strip())))
        except Error as error:
            raise OperatorError(f"The database {database} cannot be marked: {error.diag.message_primary or error}.") from error
    elif not force:
        raise OperatorError(
            f"The database {database} is not marked as one of development: gesta db push --mark marks it for good, "
            "--force goes on this once."
        )


def _refuse_sessions(live: Connection[TupleRow]) -> None:
    row = live.execute(SESSIONS).fetchone()
    if row is not None and row[0]:
        raise OperatorError(
            f"{row[0]} sessions of Gesta's processes are connected: end them first (gesta up, api, worker, projector)."
        )
