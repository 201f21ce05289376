"""projections.workflow_executions, as one and as a list. Each filter leads to the rows in order, by an index of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import sql

from api.listing import TEXT, TIME, Filter, Listing, Order, ValueType, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from api.reads import Question
from projections import execution_attributes, workflow_executions

EXECUTION = one(
    """
SELECT {columns},
       coalesce((SELECT jsonb_agg(jsonb_build_object('kind', o.kind, 'id', o.id, 'node_id', o.node_id,
                                                     'activation_id', o.activation_id)
                                  || CASE WHEN o.item_index IS NULL THEN '{}'
                                          ELSE jsonb_build_object('item_index', o.item_index) END
                                  ORDER BY o.activation_id, o.number)
                   FROM (SELECT CASE WHEN w.wait ->> 'kind' = 'job' THEN 'task' ELSE w.wait ->> 'kind' END AS kind,
                                w.wait ->> 'id' AS id, n.node_id, n.id AS activation_id, n.item_index, w.number
                           FROM projections.node_activations n
                          CROSS JOIN LATERAL jsonb_array_elements(n.waits) WITH ORDINALITY w (wait, number)
                          WHERE n.tenant_id = %(tenant_id)s AND n.execution_id = e.id AND n.status = 'running'
                            AND w.wait ->> 'kind' NOT IN ('timer', 'foreach')
                            AND (w.wait ->> 'kind' <> 'job' OR NOT starts_with(w.wait ->> 'about', 'gesta.'))) o), '[]') AS open,
       coalesce((SELECT jsonb_object_agg(a.name, CASE a.kind WHEN 'number' THEN to_jsonb(a.value_number)
                                                             WHEN 'boolean' THEN to_jsonb(a.value = 'true')
                                                             WHEN 'null' THEN 'null'
                                                             ELSE to_jsonb(a.value) END)
                   FROM projections.execution_attributes a
                  WHERE a.tenant_id = %(tenant_id)s AND a.execution_id = e.id), '{}') AS attributes
  FROM projections.workflow_executions e
 WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s
""",
    workflow_executions.TABLE,
    "e",
)

# What is held has no `until`: what is left of it counts from when the execution is resumed.
WAITS = """
SELECT e.id, e.version,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                            'kind', w.kind, 'id', w.id, 'about', w.about, 'node_id', w.node_id, 'activation_id', w.activation_id,
                            'since', to_char(w.since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'until', CASE WHEN w.paused_at IS NULL THEN to_char(w.until, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
                            'moved_on_by', w.moved_on_by,
                            'by', CASE WHEN w.kind = 'approval' AND NOT %(sees_names)s AND EXISTS (
                                            SELECT FROM projections.approval_requests r
                                             WHERE r.tenant_id = %(tenant_id)s AND r.id = w.id AND r.visibility <> 'names')
                                       THEN jsonb_build_object('roles', w.roles,
                                              'users', ARRAY(SELECT u FROM unnest(w.users) u WHERE u = ANY (%(me)s::uuid[])),
                                              'hidden', (SELECT count(*) FROM unnest(w.users) u WHERE u <> ALL (%(me)s::uuid[])))
                                       WHEN w.users IS NOT NULL THEN jsonb_build_object('users', w.users, 'roles', w.roles)
                                       WHEN w.model IS NOT NULL THEN jsonb_build_object('model', w.model)
                                       WHEN w.job_type IS NOT NULL THEN jsonb_build_object('job_type', w.job_type)
                                       WHEN w.workflow_key IS NOT NULL THEN jsonb_build_object('workflow_key', w.workflow_key)
                                       WHEN w.event_type IS NOT NULL THEN jsonb_build_object('event_type', w.event_type) END)
                        || CASE WHEN w.item_index IS NULL THEN '{}' ELSE jsonb_build_object('item_index', w.item_index) END
                        ORDER BY w.since, w.waiter_id, w.kind, w.id)
                   FROM projections.execution_waits w
                  WHERE w.tenant_id = %(tenant_id)s AND w.execution_id = e.id
                    AND e.status IN ('running', 'paused')), '[]') AS items
  FROM projections.workflow_executions e
 WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s
"""

# The streams of its items, whose visits are also its own.
PARTS = """
SELECT i.id FROM projections.execution_items i WHERE i.tenant_id = %(tenant_id)s AND i.execution_id = %(id)s LIMIT 20001
"""

ALL = rows_of(workflow_executions.TABLE, "e")

# Executions that have come to a node and wait there, found from its open visits. Several visits are one execution.
AT_NODE = """
SELECT DISTINCT ON (n.execution_created_at, n.execution_id)
       {columns}
  FROM projections.node_activations n
  JOIN projections.workflow_executions e ON e.tenant_id = %(tenant_id)s AND e.id = n.execution_id
 WHERE n.tenant_id = %(tenant_id)s AND n.status = 'running'
"""

# Executions with a search attribute, found from its values.
WITH_ATTRIBUTE = """
SELECT {columns}
  FROM projections.execution_attributes first_attribute
  JOIN projections.workflow_executions e ON e.tenant_id = %(tenant_id)s AND e.id = first_attribute.execution_id
 WHERE first_attribute.tenant_id = %(tenant_id)s
"""

# Executions with a label, found from its values.
WITH_LABEL = """
SELECT {columns}
  FROM projections.execution_labels first_label
  JOIN projections.workflow_executions e ON e.tenant_id = %(tenant_id)s AND e.id = first_label.execution_id
 WHERE first_label.tenant_id = %(tenant_id)s
"""


def _orders(fill: Callable[[str], sql.SQL]) -> dict[str, Order]:
    """By creation. `fill`: what is to be shown, put at {columns}."""
    return two_ways(
        "created_at",
        by_creation(fill(ALL), "e.created_at", "e.id"),
        (
            by_creation(fill(AT_NODE), "n.execution_created_at", "n.execution_id", drives="node_id"),
            by_creation(fill(WITH_ATTRIBUTE), "first_attribute.created_at", "first_attribute.execution_id", drives="attr."),
            by_creation(fill(WITH_LABEL), "first_label.execution_created_at", "first_label.execution_id", drives="label."),
        ),
    )


# A range, of the numbers or the moments among the values. Numbers are found by an index of about the same, and then compared.
AMONG = """   AND EXISTS (SELECT FROM projections.execution_attributes a
                WHERE a.tenant_id = %(tenant_id)s AND a.execution_id = e.id AND a.name = {name} AND """
OF_NUMBERS = AMONG + "a.number_order WIDE {key} AND a.value_number EXACT {value})"
OF_MOMENTS = AMONG + "a.value_moment EXACT {value})"


def _number_or_moment(text: str) -> Decimal | datetime:
    found = execution_attributes.number_of(text)
    if found is not None:
        return found
    moment = execution_attributes.moment_of(text)
    if moment is None:
        raise ValueError("a number, a date, or a moment as RFC 3339 has it, with its offset")
    return moment


NUMBER_OR_MOMENT = ValueType(_number_or_moment, {"type": "string", "minLength": 1})


def _range(wide: str, exact: str, words: str) -> Filter:
    numbers, moments = (sql.SQL(text.replace("WIDE", wide).replace("EXACT", exact)) for text in (OF_NUMBERS, OF_MOMENTS))

    def clause(value: Any) -> sql.SQL:
        return numbers if isinstance(value, Decimal) else moments

    return Filter(NUMBER_OR_MOMENT, clause, words, key=_about)


def _about(value: Decimal | datetime) -> float | datetime:
    """What is compared with the index: rounded, and so never past the value."""
    return float(value) if isinstance(value, Decimal) else value


RANGES = {
    "gte": _range(">=", ">=", "This value, or above."),
    "gt": _range(">=", ">", "Above this value."),
    "lte": _range("<=", "<=", "This value, or below."),
    "lt": _range("<=", "<", "Below this value."),
}

STATUSES = workflow_executions.TABLE.columns["status"].choices

EXECUTIONS = Listing(
    "executions",
    _orders(lambda statement: summaries(statement, workflow_executions.TABLE, "e")),
    filters={
        "status": Filter(choice(*STATUSES), sql.SQL("   AND e.status = %(status)s"), "Filter by status."),
        "workflow_key": Filter(TEXT, sql.SQL("   AND e.workflow_key = %(workflow_key)s"), "Filter by workflow key."),
        "business_key": Filter(TEXT, sql.SQL("   AND e.business_key = %(business_key)s"), "Filter by business key."),
        "node_id": Filter(TEXT, sql.SQL("   AND n.node_id = %(node_id)s"), "Filter by the node that it waits at."),
        "created_from": Filter(TIME, sql.SQL("   AND e.created_at >= %(created_from)s"), "Recorded at or after."),
        "created_to": Filter(TIME, sql.SQL("   AND e.created_at < %(created_to)s"), "Recorded before."),
    },
    prefixed={
        "attr.": Filter(
            TEXT,
            sql.SQL("""   AND EXISTS (SELECT FROM projections.execution_attributes a
                WHERE a.tenant_id = %(tenant_id)s AND a.execution_id = e.id AND a.name = {name} AND a.search_key = {key}
                  AND (a.kind = 'number' OR a.value = {value}))"""),
            "Filter by the search attribute of this name. Numbers are compared as numbers. Ranges of numbers, dates and moments: "
            "`attr.<name>.gte`, `.gt`, `.lte`, `.lt`.",
            key=execution_attributes.search_key,
            driving=sql.SQL("""   AND first_attribute.name = {name} AND first_attribute.search_key = {key}
   AND (first_attribute.kind = 'number' OR first_attribute.value = {value})"""),
            endings=RANGES,
        ),
        "label.": Filter(
            TEXT,
            sql.SQL("""   AND EXISTS (SELECT FROM projections.execution_labels l
                WHERE l.tenant_id = %(tenant_id)s AND l.execution_id = e.id AND l.key = {name} AND l.value = {value})"""),
            "Filter by the label of this key.",
            driving=sql.SQL("   AND first_label.key = {name} AND first_label.value = {value}"),
        ),
    },
)

ALL_IDS = replace(
    EXECUTIONS,
    name="execution-ids",
    orders=_orders(lambda statement: sql.SQL(statement.replace("{columns}", "e.id, e.created_at"))),
)
AS_ONE = sql.SQL("SELECT array_agg(found.id::text ORDER BY found.created_at, found.id) AS ids FROM ({}) found")


def all_ids(tenant_id: UUID, filters: Mapping[str, Any], most: int) -> Question:
    """For the ids of all that fit, the oldest first, in one row `ids`; and one more, if there are more than so many."""
    question = ALL_IDS.all_of(tenant_id, filters, most, "created_at").question()
    return Question(AS_ONE.format(question.statement), question.params)


WORKFLOWS_OF = """
SELECT DISTINCT e.workflow_id
  FROM projections.workflow_executions e
 WHERE e.tenant_id = %(tenant_id)s AND e.id = ANY(%(ids)s::uuid[])
"""


def workflows_of(tenant_id: UUID, ids: Sequence[str]) -> Question:
    """For the workflows of these executions, as `workflow_id`."""
    return Question(WORKFLOWS_OF, {"tenant_id": tenant_id, "ids": list(ids)})
