"""What is known of each of very many ids: some in memory, the others in a temporary file, as `projections.spilling` has rows.

Looking at a ledger of ten million events takes a few values for each of its streams, a million and more.
"""

import sqlite3
from collections.abc import Iterator, MutableMapping
from typing import Any
from uuid import UUID

MOST = 20_000
"""Ids in memory; some 4 MB. A ledger takes four to five times as many: one lot for each thing that is known of them."""

CREATE = """
CREATE TABLE ids (id BLOB PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4096;
"""
READ = "SELECT value FROM ids WHERE id = ?"
WRITE = "INSERT OR REPLACE INTO ids VALUES (?, ?)"
REMOVE = "DELETE FROM ids WHERE id = ?"


class Ids(MutableMapping[UUID, int]):
    """Whole numbers by id."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._hot: dict[UUID, int] = {}
        self._file: sqlite3.Connection | None = None

    def _find(self, id: UUID) -> int | None:
        value = self._hot.get(id)
        if value is None and self._file is not None:
            found = self._file.execute(READ, (id.bytes,)).fetchone()
            if found is not None:
                value = self[id] = int(found[0])
        return value

    def get(self, id: UUID, default: Any = None) -> Any:
        value = self._find(id)
        return default if value is None else value

    def __contains__(self, id: object) -> bool:
        return isinstance(id, UUID) and self._find(id) is not None

    def __getitem__(self, id: UUID) -> int:
        value = self._find(id)
        if value is None:
            raise KeyError(id)
        return value

    def __setitem__(self, id: UUID, value: int) -> None:
        self._hot[id] = value
        if len(self._hot) > self._most:
            self._spill()

    def __delitem__(self, id: UUID) -> None:
        self[id]
        self._hot.pop(id, None)
        if self._file is not None:
            self._file.execute(REMOVE, (id.bytes,))

    def __iter__(self) -> Iterator[UUID]:
        self._spill()
        assert self._file is not None
        for (id,) in self._file.execute("SELECT id FROM ids"):
            yield UUID(bytes=id)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _spill(self) -> None:
        if self._file is None:
            self._file = sqlite3.connect("", isolation_level=None)
            self._file.executescript(CREATE)
        self._file.execute("BEGIN")
        self._file.executemany(WRITE, ((id.bytes, value) for id, value in self._hot.items()))
        self._file.execute("COMMIT")
        self._hot.clear()
