"""sources.yml for dbt: every table and view with what columns mean, and tests of what the database holds to.

Each text is JSON's, which is YAML's too; so no library is needed, and the same catalogue gives the same file, byte for byte.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from projections.catalog import Reference, Relation

HEADER = "# Made by gesta db dbt; made anew by it, so change nothing here.\n"
CHECKPOINT = "freshness"
"""The table that says when a tenant's tables were projected last."""


def sources(relations: tuple[Relation, ...], name: str, schema: str, warn_after_hours: int) -> str:
    lines = [
        "version: 2",
        "sources:",
        f"  - name: {_text(name)}",
        f"    schema: {_text(schema)}",
        f"    description: {_text(DESCRIPTION)}",
        "    tables:",
        *(line for relation in relations for line in _table(relation, name, warn_after_hours)),
    ]
    return HEADER + "\n".join(lines) + "\n"


DESCRIPTION = "Tables and views of Gesta, projected from its ledger. Who asks sees the rows of a tenant alone."


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(relation: Relation, source: str, warn_after_hours: int) -> Iterator[str]:
    yield f"      - name: {_text(relation.name)}"
    yield f"        description: {_text(relation.comment)}"
    if relation.name == CHECKPOINT:
        yield "        config:"
        yield "          loaded_at_field: projected_at"
        yield f"          freshness: {{warn_after: {{count: {warn_after_hours}, period: hour}}}}"
    yield from _tests(of_table(relation, source), "        ")
    yield "        columns:"
    for name, column in relation.columns.items():
        yield f"          - name: {_text(name)}"
        yield f"            description: {_text(column.meaning)}"
        yield f"            data_type: {_text(column.type)}"
        yield from _tests(of_column(relation, name, source), "            ")


def _tests(tests: Sequence[tuple[str, dict[str, Any]]], indent: str) -> Iterator[str]:
    if tests:
        yield f"{indent}data_tests:"
    for test, arguments in tests:
        yield f"{indent}  - {test}" + (f": {{arguments: {_text(arguments)}}}" if arguments else "")


def of_table(relation: Relation, source: str) -> list[tuple[str, dict[str, Any]]]:
    """Keys and references of more columns than one, beside the tenant: a row of them in the place of a column."""
    key = _beside_the_tenant(relation.key)
    tests: list[tuple[str, dict[str, Any]]] = [("unique", {"column_name": _row(key)})] if len(key) > 1 else []
    for reference in relation.references:
        columns = _beside_the_tenant(reference.columns)
        if reference.enforced and len(columns) > 1:
            named = {
                "column_name": _row(columns),
                "to": _source(source, reference),
                "field": _row(_beside_the_tenant(reference.to)),
            }
            tests.append(("relationships", named))
    return tests


def of_column(relation: Relation, name: str, source: str) -> list[tuple[str, dict[str, Any]]]:
    column = relation.columns[name]
    tests: list[tuple[str, dict[str, Any]]] = [] if column.null else [("not_null", {})]
    if _beside_the_tenant(relation.key) == (name,):
        tests.append(("unique", {}))
    if column.choices:
        tests.append(("accepted_values", {"values": list(column.choices)}))
    tests += [
        ("relationships", {"to": _source(source, reference), "field": reference.to[-1]})
        for reference in relation.references
        if reference.enforced and _beside_the_tenant(reference.columns) == (name,)
    ]
    return tests


def _beside_the_tenant(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in columns if name != "tenant_id") or columns


def _row(columns: tuple[str, ...]) -> str:
    return f"ROW({', '.join(columns)})"


def _source(source: str, reference: Reference) -> str:
    return f"source('{source}', '{reference.table}')"
