"""The catalogue as a page with diagrams: one HTML file that loads nothing, runs no script, and opens in any browser.

Tables of an area are boxes in columns, those that are referred to on the left of those that refer to them; a line leads from a
column to the row that it names, dashed where no foreign key says so. What a column means is shown where the pointer rests.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from cli.catalogs.areas import Area, areas
from projections.catalog import Reference, Relation

WIDTH, GAP_X, GAP_Y, HEADER, ROW, MARGIN = 310, 120, 28, 30, 18, 12

STYLE = """
:root{color-scheme:light dark;--ink:#1c2733;--paper:#fbfbf9;--box:#fff;--line:#c6ccd2;--head:#e6ecf1;--soft:#667382;
--link:#2463a8}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--paper:#15191d;--box:#1d2329;--line:#3d464f;--head:#2a333c;--soft:#95a1ad;
--link:#7fb3ea}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}
header,section{padding:0 24px}h1{font-size:24px;margin:20px 0 4px}h2{font-size:19px;margin:32px 0 8px}
p{max-width:75ch;margin:4px 0 12px}
nav{position:sticky;top:0;background:var(--paper);padding:8px 24px;border-bottom:1px solid var(--line);z-index:1}
nav a{margin-right:18px}a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
.drawing{overflow:auto;border:1px solid var(--line);border-radius:6px;background:var(--paper)}
svg{display:block;font:12px ui-monospace,monospace}svg text{fill:var(--ink)}
.box{fill:var(--box);stroke:var(--line)}.head{fill:var(--head)}.name{font:600 13px system-ui,sans-serif}
svg .to{fill:var(--soft)}.key{font-weight:700}svg a .to{fill:var(--link)}
.edge{fill:none;stroke:var(--soft);stroke-opacity:.55;stroke-width:1.2}.soft{stroke-dasharray:4 3}
.edge:hover{stroke:var(--link);stroke-opacity:1;stroke-width:2.5}
.row:hover rect{fill:var(--head)}.row rect{fill:transparent}
table{border-collapse:collapse;margin:4px 0 20px}td,th{text-align:left;vertical-align:top;padding:2px 14px 2px 0;
border-bottom:1px solid var(--line)}code{font:13px ui-monospace,monospace}details{margin:6px 0}summary{cursor:pointer}
:target{outline:2px solid var(--link);outline-offset:2px}
"""


class Box(NamedTuple):
    relation: Relation
    x: int
    y: int

    @property
    def height(self) -> int:
        return HEADER + ROW * len(self.relation.columns) + 6

    def row(self, column: str) -> int:
        """The middle of a column's row."""
        return self.y + HEADER + ROW * list(self.relation.columns).index(column) + ROW // 2


def page(relations: tuple[Relation, ...]) -> str:
    found = [*areas(relations)]
    links = "".join(f'<a href="#{area.anchor}">{escape(area.title)}</a>' for area in found)
    tables = sum(len(area.tables) for area in found)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Gesta: tables</title><style>{STYLE}</style></head><body>"
        f"<header><h1>Gesta: what can be queried</h1><p>{tables} tables and {len(relations) - tables} views of the schema "
        "<code>projections</code>. Rest the pointer on a column to read what it means. A line leads from a column to the row "
        "that it names; dashed where no foreign key says so, so that the row may be missing. Bold: the primary key.</p></header>"
        f"<nav>{links}</nav>{''.join(_section(area) for area in found)}</body></html>\n"
    )


def _section(area: Area) -> str:
    views = "".join(_described(view) for view in area.views)
    heading = f"<h3>Views</h3>{views}" if views else ""
    return (
        f'<section id="{area.anchor}"><h2>{escape(area.title)}</h2><div class="drawing">{drawing(area)}</div>{heading}</section>'
    )


def _described(view: Relation) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(column.type)}</code></td><td>{escape(column.meaning)}</td></tr>"
        for name, column in view.columns.items()
    )
    summary = f"<summary><code><b>{view.name}</b></code>: {escape(view.comment)}</summary>"
    return f'<details id="{view.name}">{summary}<table>{rows}</table></details>'


# Layout -----------------------------------------------------------------------------------------------------------------


def layout(tables: tuple[Relation, ...]) -> dict[str, Box]:
    """Each table a column right of the last of those that its foreign keys name; within a column near what it refers to."""
    own = {table.name: table for table in tables}
    depths: dict[str, int] = {}
    for table in tables:
        depths[table.name] = _depth(table, own, depths, ())
    boxes: dict[str, Box] = {}
    for depth in range(max(depths.values(), default=0) + 1):
        y = MARGIN
        alone = {
            each.name
            for each in tables
            if depth == 0 and not any(r.table == each.name for other in tables for r in other.references)
        }
        here = (each for each in tables if depths[each.name] == depth)
        for table in sorted(here, key=lambda each: (each.name in alone, *_near(each, boxes))):
            box = Box(table, MARGIN + depth * (WIDTH + GAP_X), y)
            boxes[table.name] = box
            y += box.height + GAP_Y
    return boxes


def _depth(table: Relation, own: Mapping[str, Relation], known: dict[str, int], under: tuple[str, ...]) -> int:
    if table.name in known:
        return known[table.name]
    parents = [own[r.table] for r in table.references if r.enforced and r.table in own and r.table not in (*under, table.name)]
    known[table.name] = 1 + max((_depth(parent, own, known, (*under, table.name)) for parent in parents), default=-1)
    return known[table.name]


def _near(table: Relation, boxes: Mapping[str, Box]) -> tuple[float, str]:
    heights = [boxes[r.table].y for r in table.references if r.table in boxes]
    return (sum(heights) / len(heights) if heights else 0.0, table.name)


# Drawing ----------------------------------------------------------------------------------------------------------------


def drawing(area: Area) -> str:
    boxes = layout(area.tables)
    width = max((box.x + WIDTH for box in boxes.values()), default=0) + 60
    height = max((box.y + box.height for box in boxes.values()), default=0) + MARGIN
    lines = "".join(line for box in boxes.values() for line in _lines(box, boxes))
    drawn = "".join(_box(box, boxes) for box in boxes.values())
    title = f"<title>{escape(area.title)}: tables and references</title>"
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">{title}{lines}{drawn}</svg>'


def _lines(box: Box, boxes: Mapping[str, Box]) -> Iterator[str]:
    for reference in box.relation.references:
        if reference.table in boxes:
            yield _line(box, boxes[reference.table], reference)


def _line(box: Box, to: Box, reference: Reference) -> str:
    start, end = box.row(reference.columns[-1]), to.row(reference.to[-1])
    if to.x < box.x:
        x, target, out, into = box.x, to.x + WIDTH, -GAP_X // 2, GAP_X // 2
    elif to.x > box.x:
        x, target, out, into = box.x + WIDTH, to.x, GAP_X // 2, -GAP_X // 2
    else:
        x, target, out, into = box.x + WIDTH, to.x + WIDTH, GAP_X // 3, GAP_X // 3
    path = f"M{x} {start}C{x + out} {start} {target + into} {end} {target} {end}"
    says = f"{box.relation.name}.{reference.columns[-1]} → {to.relation.name}"
    return f'<path class="edge{"" if reference.enforced else " soft"}" d="{path}"><title>{escape(says)}</title></path>'


def _box(box: Box, boxes: Mapping[str, Box]) -> str:
    relation, x, y = box.relation, box.x, box.y
    elsewhere = {r.columns[-1]: r for r in relation.references if r.table not in boxes}
    rows = "".join(_row(box, name, elsewhere.get(name)) for name in relation.columns)
    title = f"<title>{escape(relation.comment)}</title>"
    return (
        f'<g id="{relation.name}"><rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{box.height}" rx="5"/>'
        f'<rect class="head" x="{x + 1}" y="{y + 1}" width="{WIDTH - 2}" height="{HEADER - 4}" rx="4"/>'
        f'<text class="name" x="{x + 10}" y="{y + 19}">{relation.name}{title}</text>{rows}</g>'
    )


def _row(box: Box, name: str, leads: Reference | None) -> str:
    column, y = box.relation.columns[name], box.row(name)
    key = ' class="key"' if name in box.relation.key else ""
    says = f"{column.type}{' null' if column.null else ''}" if leads is None else f"→ {leads.table}"
    right = f'<text class="to" x="{box.x + WIDTH - 8}" y="{y + 4}" text-anchor="end">{says}</text>'
    if leads is not None:
        right = f'<a href="#{leads.table}">{right}</a>'
    return (
        f'<g class="row"><rect x="{box.x + 1}" y="{y - ROW // 2}" width="{WIDTH - 2}" height="{ROW}"/>'
        f'<text{key} x="{box.x + 10}" y="{y + 4}">{name}</text>{right}<title>{escape(f"{name}: {column.meaning}")}</title></g>'
    )
