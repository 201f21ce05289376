"""What one database's catalogs say, as facts that can be compared with another's: names instead of oids, no order."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from runtime.drift import queries, queries_of_rules
from runtime.drift.kinds import RANK

Key: TypeAlias = tuple[str, str]
"""A fact's kind and name."""

QUERIES = (
    queries.SCHEMAS,
    queries.TYPES,
    queries.SEQUENCES,
    queries.TABLES,
    queries.STORAGE,
    queries.VIEWS,
    queries_of_rules.FUNCTIONS,
    queries_of_rules.CONSTRAINTS,
    queries_of_rules.ENFORCEMENT,
    queries_of_rules.INDEXES,
    queries_of_rules.STATISTICS,
    queries_of_rules.RULES,
    queries_of_rules.TRIGGERS,
    queries_of_rules.POLICIES,
    queries_of_rules.ROW_LEVEL_SECURITY,
    queries_of_rules.GRANTS,
    queries_of_rules.DEFAULT_PRIVILEGES,
    queries_of_rules.COMMENTS,
    queries_of_rules.OWNERS,
)
SNAPSHOT = sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
QUALIFY = sql.SQL("SET LOCAL search_path = pg_catalog")
NOBODYS = ("public",)


@dataclass(frozen=True)
class CatalogFact:
    """One thing that is so. ``make``, ``undo`` and ``change`` are statements (see ``queries``), or None.

    ``parent``: the fact without which this one cannot be. ``oid``: of two of a kind, the one made earlier has the lower.
    """

    kind: str
    name: str
    value: str
    make: str | None
    change: str | None
    undo: str | None
    parent: Key | None
    oid: int

    @property
    def key(self) -> Key:
        return self.kind, self.name

    @property
    def place(self) -> tuple[int, int, str]:
        """Where a draft makes it: after what it may depend on."""
        return RANK[self.kind], self.oid, self.name


Catalog: TypeAlias = Mapping[Key, CatalogFact]


def read_catalog(
    connection: Connection[TupleRow], schemas: Collection[str] = NOBODYS, but_not: Collection[str] = ()
) -> dict[Key, CatalogFact]:
    """The facts of these schemas and of all that belong to gesta_owner, except ``but_not``. All seen at one moment.

    ``connection`` is in autocommit, or at least in no transaction. Any login may read catalogs.
    """
    with connection.transaction():
        connection.execute(SNAPSHOT)
        connection.execute(QUALIFY)
        scope: dict[str, list[str] | list[int]] = {"schemas": [*schemas], "but_not": [*but_not]}
        scope["scope"] = _one(connection, queries.SCOPE, scope)
        scope["skipped"] = _one(connection, queries.SKIPPED, scope)
        rows = [row for query in QUERIES for row in connection.execute(query.encode(), scope).fetchall()]
    return {fact.key: fact for fact in _facts(rows)}


def schemas_of(catalog: Catalog) -> list[str]:
    """The names of its schemas as the server knows them. (Ours need no quotes.)"""
    return [name for kind, name in catalog if kind == "schema"]


def ancestors(catalog: Catalog, key: Key) -> Iterator[Key]:
    """A fact's parent, the parent's parent, and so on."""
    fact = catalog.get(key)
    while fact is not None and fact.parent is not None:
        yield fact.parent
        fact = catalog.get(fact.parent)


def _one(connection: Connection[TupleRow], query: str, parameters: Mapping[str, object]) -> list[int]:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return list(row[0])


def _facts(rows: Collection[TupleRow]) -> Iterator[CatalogFact]:
    owners = {row[6]: (row[0], row[1]) for row in rows if row[6] is not None}
    for kind, name, value, make, change, undo, _, parent, oid in rows:
        found = owners.get(parent) or (owners.get(parent.rpartition("/")[0] + "/0") if parent else None)
        if kind == "comment" and found is None:
            continue  # on something outside these schemas
        yield CatalogFact(kind, name, value, make, change, undo, found, oid)
