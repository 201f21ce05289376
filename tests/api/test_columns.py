"""What the API says of jobs and of JSON is said of columns that there are; lists show nothing that may be large."""

from psycopg import AsyncConnection

from api.schemas.job_columns import JOB_COLUMNS
from api.schemas.json_columns import JSON_COLUMNS
from projections.registry import TABLES
from tests.conftest import Database
from tests.projections.catalog import columns_of

OF_JSON = {(table.name, name): column for table in TABLES for name, column in table.columns.items() if column.type == "jsonb"}
SMALL = {
    ("workflow_executions", "error_details"),
    ("workflow_executions", "metrics"),
    ("approval_requests", "assigned_to"),
    ("ai_agent_tasks", "usage"),
    ("ai_agent_tasks", "error_details"),
    ("workflow_executions", "labels"),
    ("archived_executions", "labels"),
    ("archived_executions", "row_counts"),
    ("jobs", "error"),
    ("ai_models", "defaults"),
    ("evaluation_results", "verdicts"),
    ("ai_providers", "limits"),
    ("approval_comments", "attachments"),
    ("approval_versions", "changes"),
    ("approval_versions", "asked_again"),
}
"""Columns of JSON that lists show whole: what is in them is Gesta's own, or has its shape, and bounded."""
CUT = {("audit_logs", "metadata"), ("audit_logs", "payload")}
"""Shown by the list, where they are not large; else a link to the event."""
NOT_IN_LISTS_OF_THEIR_OWN = {
    "node_activations",
    "approval_decisions",
    "ai_agent_attempts",
    "ai_agent_tool_calls",
    "execution_items",
}


async def test_the_columns_of_jobs_are_those_of_the_database(database: Database) -> None:
    async with await AsyncConnection.connect(database.system_url) as conn:
        there = (await columns_of(conn, "runtime"))["jobs"]
    assert {name: there[name] for name in JOB_COLUMNS} == JOB_COLUMNS


def test_what_is_said_of_json_is_said_of_columns_that_hold_it() -> None:
    assert set(JSON_COLUMNS) <= OF_JSON.keys()


def test_lists_show_no_json_that_may_be_large() -> None:
    shown = {place for place, column in OF_JSON.items() if column.listed and place[0] not in NOT_IN_LISTS_OF_THEIR_OWN}
    assert shown == SMALL | CUT
