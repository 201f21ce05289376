"""``gesta diff``: which rows of the tables are otherwise at one moment than at another, and in what."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_json

from cli.ledgers import TenantOption
from cli.moments import past_moment
from cli.progress import Progress

if TYPE_CHECKING:
    from cli.ledgers import Ledger
    from projections.differing import RowDifference
    from runtime.pools import Connection

SIGNS = {"came": "+", "went": "-", "changed": "~"}
LONGEST = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Point:
    """Of a ledger: where it stood at a moment, or a position."""

    at: datetime | int

    @classmethod
    def parse(cls, text: str) -> "Point":
        return cls(int(text[:18]) if text.isascii() and text.isdigit() else past_moment(text))


def diff(
    start: Annotated[
        Point, typer.Option("--from", parser=Point.parse, metavar="MOMENT", help="A time (RFC 3339), or a position.")
    ],
    end: Annotated[Point, typer.Option("--to", parser=Point.parse, metavar="MOMENT", help="A later time, or position.")],
    tenant: TenantOption = None,
    table: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this table; may be repeated.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Only the row with this key, its parts with commas between them; needs one --table.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, the summary last.")] = False,
) -> None:
    """Compare the tables as they stood at two moments, by table and row.

    + is a row that came, - one that went, ~ one that changed: column: before → after. The audit log, which only
    grows, is not compared. Exit code 0: nothing differs, 1: something does, 2: wrong usage.
    """
    from projections.differing import COMPARED
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    known = [each.name for each in COMPARED]
    for name in table or ():
        if name not in known:
            raise typer.BadParameter(f"There is no table {name} to compare.", param_hint="--table")
    if key is not None and len(table or ()) != 1:
        raise typer.BadParameter("A key is one of one table: name it with --table.", param_hint="--key")
    if tenant is None and (isinstance(start.at, int) or isinstance(end.at, int)):
        raise typer.BadParameter("A position is one of one ledger: name it with --tenant.", param_hint="--tenant")
    wanted = Wanted(start, end, frozenset(table or known), key, as_json)
    with resolve(load_settings()) as addresses:
        differs = asyncio.run(_diff(addresses.system, tenant, wanted))
    raise typer.Exit(1 if differs else 0)


class Wanted:
    """What is compared, and how it is told."""

    def __init__(self, start: Point, end: Point, tables: frozenset[str], key: str | None, as_json: bool) -> None:
        self.start = start
        self.end = end
        self.tables = tables
        self.key = key
        self.as_json = as_json

    def takes(self, found: "RowDifference") -> bool:
        return self.key is None or self.key == ",".join(map(str, found.key.values()))


async def _diff(url: str, tenant: str | None, wanted: Wanted) -> bool:
    from cli.ledgers import ledgers
    from runtime.pools import connect

    differs = False
    async with connect(url, name="gesta diff") as conn:
        for ledger in await ledgers(conn, tenant):
            differs = await _of_ledger(conn, ledger, wanted) or differs
    return differs


async def _of_ledger(conn: "Connection", ledger: "Ledger", wanted: Wanted) -> bool:
    from projections.differing import folded_between
    from projections.replay import snapshot

    counts: Counter[tuple[str, str]] = Counter()
    async with snapshot(conn):
        start, end = [
            await _position(conn, ledger, each, option) for each, option in ((wanted.start, "--from"), (wanted.end, "--to"))
        ]
        if start > end:
            raise typer.BadParameter("--to must not be before --from.", param_hint="--to")
        if not wanted.as_json:
            print(f"{ledger.name}: from position {start} to {end}")
        progress = Progress(ledger.name, end)
        async with folded_between(conn, ledger.tenant_id, start, end, wanted.tables, progress.tell) as found:
            progress.end()
            for each in found:
                if wanted.takes(each):
                    counts[each.table, each.what] += 1
                    print(_line(ledger, each) if wanted.as_json else "\n".join(_lines(each)), flush=True)
    _summarise(ledger, start, end, counts, as_json=wanted.as_json)
    return bool(counts)


async def _position(conn: "Connection", ledger: "Ledger", point: Point, option: str) -> int:
    from store.reading import head, position_at

    if not isinstance(point.at, int):
        return await position_at(conn, ledger.tenant_id, point.at)
    found = await head(conn, ledger.tenant_id)
    if found is None or point.at > found.position:
        end = 0 if found is None else found.position
        raise typer.BadParameter(f"The ledger of {ledger.name} ends at position {end}.", param_hint=option)
    return point.at


def _summarise(ledger: "Ledger", start: int, end: int, counts: Counter[tuple[str, str]], *, as_json: bool) -> None:
    tables: dict[str, dict[str, int]] = {}
    for (table, what), count in counts.items():
        tables.setdefault(table, dict.fromkeys(SIGNS, 0))[what] = count
    if as_json:
        print(json.dumps({"ledger": ledger.name, "from": start, "to": end, "summary": tables}), flush=True)
        return
    for table, of in tables.items():
        print(f"  {table}: {of['came']} came, {of['went']} went, {of['changed']} changed")
    if not tables:
        print("  nothing differs")


def _line(ledger: "Ledger", found: "RowDifference") -> str:
    told = {"ledger": ledger.name, "table": found.table, "key": found.key, "what": found.what, "changes": found.changes}
    return to_json(told).decode()


def _lines(found: "RowDifference") -> list[str]:
    key = ", ".join(f"{name} {value}" for name, value in found.key.items())
    lines = [f"{SIGNS[found.what]} {found.table} ({key})"]
    if found.what == "changed":
        lines += [f"    {name}: {_short(before)} → {_short(after)}" for name, (before, after) in found.changes.items()]
    return lines


def _short(value: Any) -> str:
    text = to_json(value).decode()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
