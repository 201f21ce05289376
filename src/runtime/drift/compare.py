"""What differs between what should be and what is."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from runtime.drift.catalog import Catalog, Key, ancestors

LONGEST = 90

# Roles belong to the server and not to the database, so a shadow on the same server says nothing of them.
ROLES = """
SELECT r.rolname::text, r.rolsuper, r.rolbypassrls, r.rolreplication, r.rolcreatedb AND r.rolname <> 'gesta_owner',
       r.rolcreaterole AND r.rolname <> 'gesta_owner',
       (SELECT string_agg(quote_ident(g.rolname), ', ' ORDER BY g.rolname) FROM pg_roles g
         WHERE g.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, g.oid, 'MEMBER')
           AND (g.rolsuper OR g.rolbypassrls OR g.rolname LIKE 'gesta%' AND g.rolname NOT LIKE 'gesta\\_analyst%' OR g.rolname IN
                ('pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_execute_server_program', 'pg_read_server_files',
                 'pg_write_server_files')))
  FROM pg_roles r WHERE r.rolname IN ('gesta_owner', 'gesta_system', 'gesta_api') ORDER BY r.rolname
"""
ATTRIBUTES = ("SUPERUSER", "BYPASSRLS", "REPLICATION", "CREATEDB", "CREATEROLE")

# A setting that a role or the database begins every session with could choose a tenant or stop the triggers.
SETTINGS = """
SELECT coalesce((SELECT rolname::text FROM pg_roles WHERE oid = s.setrole), 'everybody'), word
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) word
 WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND (s.setrole = 0 OR s.setrole IN (SELECT oid FROM pg_roles WHERE rolname IN ('gesta_owner', 'gesta_system', 'gesta_api')))
   AND split_part(word, '=', 1) ~ '^(gesta\\..*|role|search_path|session_replication_role|row_security)$'
 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Drift:
    """One difference: ``expected`` is what the migrations say (None: nothing), ``found`` what the database does."""

    kind: str
    name: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        """One line. Of long texts, the first lines that differ."""
        expected, found = telling(self.expected, self.found)
        return f"{self.kind} {self.name}: expected {expected}, found {found}"


def compare(expected: Catalog, found: Catalog) -> list[Drift]:
    """Every difference once: of what is missing or too much as a whole, its parts are not told as well."""
    drifts = []
    for key in expected.keys() | found.keys():
        wanted, there = expected.get(key), found.get(key)
        if wanted is not None and there is not None:
            if wanted.value != there.value and not _told_by_parent(expected, found, key):
                drifts.append(Drift(*key, wanted.value, there.value))
        elif wanted is not None and not any(above not in found for above in ancestors(expected, key)):
            drifts.append(Drift(*key, wanted.value, None))
        elif there is not None and not any(above not in expected for above in ancestors(found, key)):
            drifts.append(Drift(*key, None, there.value))
    return sorted(drifts, key=lambda drift: (drift.kind, drift.name))


def role_drifts(connection: Connection[TupleRow]) -> list[Drift]:
    """What the three roles can do and should not."""
    rows = connection.execute(ROLES.encode()).fetchall()
    drifts = [
        Drift("role", role, "to exist", None)
        for role in ("gesta_api", "gesta_owner", "gesta_system")
        if role not in {row[0] for row in rows}
    ]
    for role, *attributes, member_of in rows:
        drifts += [Drift("role", role, f"NO{word}", word) for word, has in zip(ATTRIBUTES, attributes, strict=True) if has]
        if member_of is not None:
            drifts.append(Drift("role", role, "membership of nobody powerful", f"member of {member_of}"))
    settings = connection.execute(SETTINGS.encode()).fetchall()
    return drifts + [Drift("setting", f"of {role}", None, word) for role, word in settings]


def telling(expected: str | None, found: str | None) -> tuple[str, str]:
    """The two in short, each in one line: where both are texts of many lines, the first lines that differ."""
    if expected is None or found is None:
        return _short(expected), _short(found)
    ours, theirs = expected.splitlines(), found.splitlines()
    if len(ours) <= 1 and len(theirs) <= 1:
        return _around(expected, found), _around(found, expected)
    length = max(len(ours), len(theirs))
    for number, (one, other) in enumerate(zip(_padded(ours, length), _padded(theirs, length), strict=True), start=1):
        if one != other:
            return f"line {number} {_short(one)}", _short(other)
    return _short(expected), _short(found)


def _told_by_parent(expected: Catalog, found: Catalog, key: Key) -> bool:
    """A function's body contains its signature."""
    if key[0] != "function body":
        return False
    above = ("function", key[1])
    return above in expected and above in found and expected[above].value != found[above].value


def _around(text: str, other: str) -> str:
    """A long line from a little before the first difference."""
    if len(text) <= LONGEST:
        return _short(text)
    same = next((at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    start = max(0, min(same - 20, len(text) - LONGEST))
    return ("…" if start else "") + _short(text[start:])


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _padded(lines: Sequence[str], length: int) -> list[str | None]:
    return [*lines, *[None] * (length - len(lines))]
