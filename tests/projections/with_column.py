"""The next release, which has a column more: `workflow_executions.step_count`, how many nodes an execution has entered.

As a process of its own, `python -m tests.projections.with_column OWNER_URL SYSTEM_URL`, it rebuilds the tables of work.
"""

import asyncio
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from domain.envelope import RecordedEvent
from domain.execution import ActivationStarted, ExecutionStarted
from projections import writing
from projections.rebuilding import schema
from projections.rebuilding.ledger_work import Sizes
from projections.rebuilding.rebuild import RebuildOptions, rebuild
from projections.rows import Rows
from projections.table import Column
from projections.workflow_executions import NAME, TABLE

MIGRATION = """
ALTER TABLE projections.workflow_executions ADD COLUMN step_count integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN projections.workflow_executions.step_count IS 'How many nodes it has entered.';
INSERT INTO runtime.projection_generations (groups, reason) VALUES ('{work}', 'workflow_executions.step_count');
"""
NAMED = "step_count"
BEFORE, AFTER = "    priority            integer NOT NULL,\n", "    step_count          integer NOT NULL DEFAULT 0,\n"


def upgrade(patch: pytest.MonkeyPatch, directory: Path) -> None:
    """What that release's sources say: the table's module, and tables.sql."""
    column = Column("integer", "How many nodes it has entered.")
    patch.setitem(TABLE.columns, NAMED, column)
    begin, enter = TABLE.appliers[ExecutionStarted], TABLE.appliers[ActivationStarted]

    def started(rows: Rows, record: RecordedEvent, event: Any) -> None:
        begin(rows, record, event)
        rows.update(NAME, record, (record.tenant_id, record.stream_id), {NAMED: 0})

    def entered(rows: Rows, record: RecordedEvent, event: Any) -> None:
        enter(rows, record, event)
        key = (record.tenant_id, record.stream_id)
        rows.update(NAME, record, key, {NAMED: rows.get(NAME, *key)[NAMED] + 1})

    patch.setitem(TABLE.appliers, ExecutionStarted, started)
    patch.setitem(TABLE.appliers, ActivationStarted, entered)
    for name in ("select_statement", "insert_statement", "update_statement"):
        patch.setattr(writing, name, cache(getattr(writing, name).__wrapped__))
    ddl = directory / "tables.sql"
    head, found, tail = schema.TABLES_SQL.read_text("utf-8").partition(BEFORE)
    assert found
    ddl.write_text(f"{head}{BEFORE}{AFTER}{tail}", "utf-8")
    patch.setattr(schema, "TABLES_SQL", ddl)


def main(owner_url: str, system_url: str) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        upgrade(patch, Path(directory))
        options = RebuildOptions(accepted=[f"{NAME}.{NAMED}"], sizes=Sizes(bulk=40, bulk_from=40))
        found = asyncio.run(rebuild(owner_url, system_url, options))
        sys.stdout.write(f"{dict(found.changes)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
