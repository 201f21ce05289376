"""docs/reference/tables.md: every table and view, its columns and what they mean, and a diagram of each area, in Markdown."""

from collections.abc import Iterator

from cli.catalogs.areas import Area, areas
from projections.catalog import Reference, Relation

HEAD = """# Tables

What analysts query: the schema `projections`. Made of the catalogue of tables, like `GET /v1/catalog`, by

    gesta db erd --markdown docs/reference/tables.md

`gesta db erd --html FILE` draws all columns and opens in a browser.

- Every table and view shows a tenant its own rows alone. `tenant_id` leads every key but those of `tenants`, `users` and
  `permissions`.
- `version` is the version of the stream whose event touched a row last, `created_at` and `updated_at` are recorded times; all
  other times are those at which things occurred. Days are days in UTC; names of durations end in their unit.
- **Key**: columns of the primary key. An arrow leads to the row that a column names; in italics where no foreign key says so, so
  that the row may be missing.
- All tables of a tenant move together: `freshness` says to which position of the ledger.

"""


def markdown(relations: tuple[Relation, ...]) -> str:
    found = [*areas(relations)]
    listed = "\n".join(
        f"- [{area.title}](#{area.anchor}): {', '.join(map(_link, (*area.tables, *area.views)))}" for area in found
    )
    return HEAD + listed + "\n\n" + "\n".join(_area(area) for area in found)


def _link(relation: Relation) -> str:
    return f"[{relation.name}](#{relation.name})"


def _area(area: Area) -> str:
    parts = [f"## {area.title}\n"]
    if any(table.references for table in area.tables):
        parts.append("```mermaid\n" + "\n".join(diagram(area)) + "\n```\n")
    parts += [_relation(relation) for relation in (*area.tables, *area.views)]
    return "\n".join(parts)


def diagram(area: Area) -> Iterator[str]:
    """Keys and what they refer to. What no foreign key says is drawn within the area, dotted."""
    own = {table.name for table in area.tables}
    yield "erDiagram"
    for table in area.tables:
        for reference in table.references:
            if reference.enforced or reference.table in own:
                line = "--" if reference.enforced else ".."
                one = "o|" if table.columns[reference.columns[-1]].null else "||"
                yield f'    {table.name} }}o{line}{one} {reference.table} : "{reference.columns[-1]}"'
    for table in area.tables:
        yield f"    {table.name} {{"
        foreign = {name for reference in table.references for name in reference.columns}
        for name, column in table.columns.items():
            marks = [mark for mark, has in (("PK", name in table.key), ("FK", name in foreign)) if has]
            if marks and name != "tenant_id":
                yield f"        {column.type.replace('[]', '_array')} {name} {', '.join(marks)}"
        yield "    }"


def _relation(relation: Relation) -> str:
    kind = "View" if relation.kind == "view" else f"Key: {', '.join(f'`{name}`' for name in relation.key)}"
    lines = [f"### {relation.name}\n", f"{relation.comment} {kind}.\n", "| Column | Type | |", "| --- | --- | --- |"]
    leads = {reference.columns[-1]: reference for reference in relation.references}
    for name, column in relation.columns.items():
        type_ = column.type if relation.kind == "view" or not column.null else f"{column.type}, null"
        lines.append(f"| `{name}` | {type_} | {_escaped(column.meaning)}{_arrow(leads.get(name))} |")
    return "\n".join(lines) + "\n"


def _arrow(reference: Reference | None) -> str:
    if reference is None:
        return ""
    link = f"→ [{reference.table}](#{reference.table})"
    return f" {link}" if reference.enforced else f" *{link}*"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
