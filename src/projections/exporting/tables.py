"""Tables and views of one tenant, as of one position: each in a file of its own, with a manifest; or one alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from projections.exporting import parquet, text
from projections.exporting.files import Counted, is_one_file, new_directory, new_file
from projections.exporting.snapshot import Relation, Snapshot, chosen, relations, snapshot
from runtime import migrations
from runtime.errors import OperatorError
from runtime.pools import Connection

Format = Literal["csv", "jsonl", "parquet"]
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Exported:
    """A table or a view in a file."""

    table: str
    file: str
    rows: int
    bytes: int
    sha256: str
    relation: Relation


@dataclass(frozen=True)
class Wanted:
    """`tables`: all where none is named, and with `views` all views too. `seconds`: for how long the snapshot may be held."""

    tenant_id: UUID
    tenant: str
    tables: Sequence[str] = ()
    format: Format = "csv"
    views: bool = False
    seconds: float = 600.0


Told = Callable[[Exported], None]


async def export(connection: Connection, wanted: Wanted, to: Path, told: Told) -> dict[str, Any]:
    """Returns the manifest. `to`: a directory that is not there, or empty; of one table a file or `-`.

    `connection`: the API's login, which sees one tenant. Raises OperatorError where that is not possible.
    """
    if wanted.format == "parquet":
        parquet.arrow()
    held = chosen(await relations(connection), wanted.tables, views=wanted.views)
    alone = is_one_file(to)
    if alone and len(held) != 1:
        raise OperatorError(f"{len(held)} tables do not go into one file: name a directory, or one table with --table.")
    async with snapshot(connection, wanted.tenant_id, held, wanted.seconds) as moment:
        if alone:
            with new_file(to) as file:
                exported = await _one(moment, wanted, held[0], to.name, file)
            told(exported)
            return _manifest(moment, wanted, [exported])
        with new_directory(to) as directory:
            done = []
            for relation in held:
                name = f"{relation.name}.{wanted.format}"
                with new_file(directory / name, to / name) as file:
                    done.append(await _one(moment, wanted, relation, name, file))
                told(done[-1])
            manifest = _manifest(moment, wanted, done)
            with new_file(directory / MANIFEST, to / MANIFEST) as file:
                file.write(json.dumps(manifest, ensure_ascii=False, indent=1).encode() + b"\n")
    return manifest


async def _one(moment: Snapshot, wanted: Wanted, relation: Relation, name: str, file: Counted) -> Exported:
    if wanted.format == "parquet":
        about = {"gesta.tenant_id": str(wanted.tenant_id), "gesta.position": str(moment.position), "gesta.table": relation.name}
        rows = await parquet.copy(moment, relation, file, about)
    else:
        rows = await text.copy(moment, relation, wanted.format, file)
    return Exported(relation.name, name, rows, file.bytes, file.sha256, relation)


def _manifest(moment: Snapshot, wanted: Wanted, exported: Sequence[Exported]) -> dict[str, Any]:
    recorded = moment.recorded_at
    return {
        "gesta": version("gesta"),
        "schema_version": migrations.load()[-1].version,
        "tenant": {"id": str(wanted.tenant_id), "slug": wanted.tenant},
        "position": moment.position,
        "recorded_at": None if recorded is None else recorded.astimezone(UTC).isoformat(),
        "exported_at": datetime.now(UTC).isoformat(),
        "format": wanted.format,
        "tables": [
            {
                "name": each.table,
                "kind": "view" if each.relation.is_view else "table",
                "file": each.file,
                "rows": each.rows,
                "bytes": each.bytes,
                "sha256": each.sha256,
                "comment": each.relation.comment,
                "columns": [asdict(column) for column in each.relation.columns],
            }
            for each in exported
        ],
    }
