"""A tenant with a hundred thousand executions among fifty tenants, made by set-based SQL: what query plans are judged on.

The rows are not folded from a ledger, but they have its shapes. Ids rise with time.
The superuser makes them, since neither policies nor foreign keys need to be checked half a million times here.
"""

import re
from uuid import UUID

import psycopg

from tests.conftest import Database

BIG = UUID(int=0x7E57_0000_0000_0000_0000_0000_0000_0001)


def made(kind: int, number: int) -> UUID:
    """The id of a row; see the function of the same name below."""
    return UUID(f"{number:08x}-0000-7000-8000-{kind:012x}")


# tenant(n): the n-th of fifty, the first of them BIG. made(n): a uuid of kind k and number n that rises with n.
# Each no less volatile than what it calls: others would not be inlined, and cost seven times as much.
FUNCTIONS = """
CREATE FUNCTION pg_temp.tenant(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('7e570000-0000-0000-0000-' || lpad(to_hex(CASE WHEN n % 21 = 0 THEN 2 + n / 21 % 49 ELSE 1 END), 12,
       '0'))::uuid $$;
CREATE FUNCTION pg_temp.made(k int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(k), 12, '0'))::uuid $$;
CREATE FUNCTION pg_temp.moment(n bigint) RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT timestamptz '2026-01-01 00:00:00Z' + n * interval '7 seconds' $$;
"""

ROWS = """
INSERT INTO projections.tenants (id, slug, name, settings, is_active, version, created_at, updated_at)
SELECT pg_temp.made(1, n), 'tenant-' || n, 'T', '{}', true, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.users (id, email, display_name, preferences, is_active, version, created_at, updated_at)
SELECT pg_temp.made(2, n), n || '@example.com', 'U', '{}', true, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.permissions (id, key, resource, action, description, version, created_at, updated_at)
SELECT pg_temp.made(3, n), 'p:' || lpad(n::text, 5, '0'), 'p', n::text, 'P', 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.tenant_users (tenant_id, user_id, status, manager_id, joined_at, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(2, n), 'active', pg_temp.made(2, n % 5 + n / 100),
       pg_temp.moment(n), 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.retention_policies (tenant_id, id, workflow_key, days, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(60, n), 'flow-' || n, 30, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.archived_executions (tenant_id, id, workflow_id, workflow_key, workflow_version, execution_number, status,
    labels, started_at, ended_at, month, days, row_counts, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(61, n), pg_temp.made(6, n), CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'usual' END, 1, n,
       'completed', '{}', pg_temp.moment(n), pg_temp.moment(n), to_char(pg_temp.moment(n), 'YYYY-MM'), 30, '{}', 9,
       pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 20000) n;

INSERT INTO projections.archived_rows (tenant_id, execution_id, table_name, part, month, row_count, rows, version, created_at,
    updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(61, n), t.name, 1, '2026-01', 1, '[{}]', 9, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 20000) n CROSS JOIN (VALUES ('workflow_executions'), ('node_activations')) AS t (name);

INSERT INTO projections.calendars (tenant_id, id, key, name, time_zone, hours, holidays, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(16, n), 'calendar-' || lpad(n::text, 5, '0'), 'C', 'UTC', '{}', '{}', 1, pg_temp.moment(n),
       pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.ai_providers (tenant_id, id, key, kind, limits, prices, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(31, n), 'provider-' || lpad(n::text, 5, '0'), 'openai', '{}', '{}', 1, pg_temp.moment(n),
       pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.ai_models (tenant_id, id, key, models, defaults, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(32, n), 'model-' || lpad(n::text, 5, '0'), '{}', '{}', 1, pg_temp.moment(n),
       pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.delegations
       (tenant_id, id, from_user_id, to_user_id, kind, starts_at, workflows, status, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(15, n), pg_temp.made(2, n / 3), pg_temp.made(2, n / 3 + 1), 'delegation',
       pg_temp.moment(n), '{}', 'given', 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.budgets
       (tenant_id, id, key, status, scope, period, time_zone, hard, unknown, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(26, n), 'budget-' || n, CASE WHEN n % 3 = 0 THEN 'removed' ELSE 'active' END, 'tenant',
       'day', 'UTC', true, 'refuse', 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.budget_periods
       (tenant_id, id, budget_id, subject, starts_at, ends_at, used_cost, used_tokens, used_calls, used_tool_calls,
        reserved_cost, reserved_tokens, reserved_calls, reserved_tool_calls, open_calls, version, created_at, updated_at)
SELECT pg_temp.tenant(1), pg_temp.made(27, n), pg_temp.made(26, 1 + n % 3), 'subject-' || n % 300, pg_temp.moment(n),
       pg_temp.moment(n + 99), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 6000) n;

INSERT INTO projections.evaluations
       (tenant_id, id, name, status, suite, planned, recorded, passed_runs, unjudged_runs, unpriced, started_at, version,
        created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(28, n), 'suite-' || n % 700, CASE WHEN n % 700 = 1 THEN 'running' ELSE 'completed' END,
       '{}', 1, 1, 1, 0, 0, pg_temp.moment(n), 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.evaluation_results
       (tenant_id, task_id, evaluation_id, variant, case_name, number, status, passed, unjudged, verdicts, judge_task_ids,
        unpriced, input_tokens, output_tokens, latency_ms, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(29, n), pg_temp.made(28, 1 + n % 3), 'variant-' || n % 20, 'case-' || n, 1, 'completed',
       n % 300 > 3, false, '[]', '{}', 0, 1, 1, 1, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 6000) n;

INSERT INTO projections.bulk_operations
       (tenant_id, id, action, options, status, matched, done, failed, skipped, failures, started_at, version, created_at,
        updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(17, n), CASE WHEN n % 900 = 1 THEN 'fork' ELSE 'cancel' END, '{}',
       CASE WHEN n % 700 = 1 THEN 'running' ELSE 'completed' END, 1, 1, 0, 0, '[]', pg_temp.moment(n), 1, pg_temp.moment(n),
       pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.notification_deliveries
       (tenant_id, id, endpoint_id, kind, event_type, resource_id, status, attempts, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(18, n), pg_temp.made(19, n % 5), 'event',
       CASE WHEN n % 900 = 1 THEN 'approval.expired' ELSE 'execution.completed' END, pg_temp.made(7, n / 2),
       CASE WHEN n % 700 = 1 THEN 'failed' ELSE 'delivered' END, 1, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.roles (tenant_id, id, key, name, is_system, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(4, n), 'role-' || lpad(n::text, 5, '0'), 'R', false, 1, pg_temp.moment(n),
       pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.role_permissions (tenant_id, role_id, permission_id, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(4, n), pg_temp.made(3, n), 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.tenant_user_roles (tenant_id, user_id, role_id, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(2, n), pg_temp.made(4, n), 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.api_keys (tenant_id, id, name, permissions, by_platform, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(5, n), 'K', '{}', false, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.workflows (tenant_id, id, key, name, status, published_version, execution_count, version,
       created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(6, n), 'flow-' || lpad(n::text, 5, '0'), 'W',
       (ARRAY['active', 'draft', 'archived'])[1 + n % 3], 1, 0, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.workflow_versions (tenant_id, workflow_id, number, definition, published_at, version, created_at,
       updated_at)
SELECT w.tenant_id, w.id, v, '{}', w.created_at, v, w.created_at, w.created_at
  FROM projections.workflows w CROSS JOIN LATERAL generate_series(1, CASE WHEN w.key = 'flow-00002' THEN 500 ELSE 1 END) v;

INSERT INTO projections.prompts (tenant_id, id, key, status, current_version, latest_version, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(23, n), 'prompt-' || lpad(n::text, 5, '0'),
       (ARRAY['active', 'draft', 'archived'])[1 + n % 3], 1, 1, 1, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 3000) n;

INSERT INTO projections.prompt_versions (tenant_id, prompt_id, number, template, variables, defaults, published_at, is_current,
       version, created_at, updated_at)
SELECT p.tenant_id, p.id, v, '{}', '{}', '{}', p.created_at, v = 1, v, p.created_at, p.created_at
  FROM projections.prompts p CROSS JOIN LATERAL generate_series(1, CASE WHEN p.key = 'prompt-00002' THEN 500 ELSE 1 END) v;

INSERT INTO projections.workflow_executions (tenant_id, id, workflow_id, workflow_key, workflow_version, execution_number,
       business_key,
       status, trigger_type, variables, current_nodes, metrics, priority, started_at, version, created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(7, n), w.id, w.key, 1, n, CASE WHEN (n / 50) % 5 = 0 THEN 'again' ELSE 'B-' || n END,
       (ARRAY['completed', 'running', 'failed', 'cancelled', 'paused'])[1 + (n / 50) % 5], 'manual', '{}', '{review}', '{}', 0,
       pg_temp.moment(n), 3, pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 105000) n
  JOIN projections.workflows w ON w.tenant_id = pg_temp.tenant(n)
   AND w.id = pg_temp.made(6, CASE WHEN n % 21 = 0 THEN 21 * ((n / 21 - 1) % 49 + 1) ELSE 1 + n % 4 END);

INSERT INTO projections.execution_attributes (tenant_id, execution_id, name, kind, value, search_key, version, created_at,
       updated_at)
SELECT e.tenant_id, e.id, 'region', 'text', v, v, 1, e.created_at, e.created_at
  FROM projections.workflow_executions e
 CROSS JOIN LATERAL (SELECT (ARRAY['north', 'south', 'east'])[1 + e.execution_number % 3]) x (v);

INSERT INTO projections.execution_attributes (tenant_id, execution_id, name, kind, value, value_number, number_order,
       value_moment, search_key, version, created_at, updated_at)
SELECT e.tenant_id, e.id, 'size', 'number', e.execution_number::text, e.execution_number, e.execution_number, NULL,
       e.execution_number::text, 1, e.created_at, e.created_at
  FROM projections.workflow_executions e
 UNION ALL
SELECT e.tenant_id, e.id, 'due', 'text', e.created_at::text, NULL, NULL, e.created_at, e.created_at::text, 1, e.created_at,
       e.created_at
  FROM projections.workflow_executions e;

INSERT INTO projections.execution_labels (tenant_id, execution_id, key, value, execution_created_at, version, created_at,
       updated_at)
SELECT e.tenant_id, e.id, 'team', (ARRAY['red', 'blue'])[1 + e.execution_number % 2], e.created_at, 1, e.created_at, e.created_at
  FROM projections.workflow_executions e;

INSERT INTO projections.node_activations (tenant_id, id, execution_id, execution_created_at, node_id, node_type, visit, status,
       retry_count, started_at, version, created_at, updated_at)
SELECT e.tenant_id, pg_temp.made(8 + k, e.execution_number), e.id, e.created_at, (ARRAY['start', 'review'])[1 + k],
       (ARRAY['start', 'approval'])[1 + k], 1, CASE WHEN k = 1 AND e.status IN ('running',
       'paused') THEN 'running' ELSE 'completed' END,
       0, e.created_at, 2 + k, e.created_at, e.created_at
  FROM projections.workflow_executions e CROSS JOIN generate_series(0, 1) k;

INSERT INTO projections.approval_requests (tenant_id, id, execution_id, activation_id, node_id, title, priority, status,
       approval_type,
       required_approvals, received_approvals, received_rejections, request_data, escalation_level, assigned_to, due_at,
       version,
       created_at, updated_at)
SELECT e.tenant_id, pg_temp.made(10, e.execution_number), e.id, pg_temp.made(9, e.execution_number), 'review', 'R', 0,
       CASE WHEN e.status IN ('running',
       'paused') THEN 'pending' WHEN e.status = 'cancelled' THEN 'cancelled' ELSE 'resolved' END,
       'single', 1, 0, 0, '{}', 0, '{}', e.created_at + interval '1 day', 1, e.created_at, e.created_at
  FROM projections.workflow_executions e;

INSERT INTO projections.approval_assignees (tenant_id, request_id, kind, value, status, version, created_at, updated_at)
SELECT r.tenant_id, r.id, 'role', role, r.status, 1, r.created_at, r.created_at
  FROM projections.approval_requests r
  CROSS JOIN unnest(CASE WHEN r.due_at >= '2026-01-04' THEN ARRAY['approver']
                         WHEN substr(r.id::text, 8, 1) IN ('0', '5', 'a') THEN ARRAY['approver', 'rare']
                         WHEN substr(r.id::text, 8, 1) IN ('1', '6', 'b') THEN ARRAY['rare'] ELSE ARRAY['approver'] END) role;

INSERT INTO projections.approval_decisions
       (tenant_id, id, request_id, step, user_id, outcome, kind, decided_at, version, created_at, updated_at)
SELECT r.tenant_id, pg_temp.made(20, k * 200000 + row_number() OVER ()), r.id, 1, pg_temp.made(2, k), 'approved', 'approve',
       r.created_at, 2, r.created_at, r.created_at
  FROM projections.approval_requests r CROSS JOIN generate_series(1, 2) k
 WHERE r.status = 'resolved' AND r.due_at < '2026-01-04';

INSERT INTO projections.approval_steps (tenant_id, request_id, step, name, stage, ad_hoc, times_started, status,
       received_approvals, received_rejections, version, created_at, updated_at)
SELECT r.tenant_id, r.id, step, 'S' || step, step, false, 1, 'completed', 1, 0, 2, r.created_at, r.created_at
  FROM projections.approval_requests r CROSS JOIN generate_series(1, 2) step
 WHERE r.status = 'resolved' AND r.due_at < '2026-01-03';

INSERT INTO projections.audit_logs (tenant_id, position, event_id, user_id, actor_type, action, outcome, resource,
       resource_id, description,
       category, severity, metadata, payload, tags, command_id, correlation_id, occurred_at, recorded_at, version,
       created_at, updated_at)
SELECT e.tenant_id, row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.created_at), e.id, pg_temp.made(2,
       1 + e.execution_number % 20),
       'user', (ARRAY['execution.started', 'approval.decided'])[1 + e.execution_number % 2], 'accepted',
       (ARRAY['execution', 'approval'])[1 + e.execution_number % 2], pg_temp.made(11, e.execution_number % 500), 'D',
       (ARRAY['workflow', 'approval'])[1 + e.execution_number % 2], (ARRAY['info', 'warning'])[1 + e.execution_number % 2],
       '{}', '{}', '{}', e.id, pg_temp.made(12, e.execution_number % 300), e.created_at, e.created_at, 1, e.created_at,
       e.created_at
  FROM projections.workflow_executions e;

INSERT INTO projections.ai_agent_tasks (tenant_id, id, execution_id, activation_id, node_id, task_name, model, status, priority,
       prompt, configuration, usage, retry_count, version, created_at, updated_at)
SELECT e.tenant_id, pg_temp.made(13, e.execution_number), e.id, pg_temp.made(9, e.execution_number), 'classify', 'C',
       CASE WHEN e.execution_number % 1000 = 1 THEN 'rare' ELSE 'usual' END,
       CASE WHEN e.status IN ('running', 'paused') THEN 'pending' ELSE e.status END, 0, 'P', '{}', '{}', 0, 1, e.created_at,
       e.created_at
  FROM projections.workflow_executions e;

INSERT INTO projections.jobs (tenant_id, id, type, status, unique_key, priority, attempts, max_attempts, retries, run_at, version,
       created_at, updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(15, n), CASE WHEN n % 1000 = 1 THEN 'rare' ELSE 'usual' END,
       (ARRAY['completed', 'failed', 'cancelled', 'pending'])[1 + n % 4],
       CASE WHEN n % 3 = 0 THEN 'again' WHEN n % 3 = 1 THEN 'K-' || n END, 0, 0, 1, 0, pg_temp.moment(n), 1, pg_temp.moment(n),
       pg_temp.moment(n)
  FROM generate_series(1, 100000) n;

INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, attempt, max_attempts, input, error, created_at,
       updated_at)
SELECT pg_temp.tenant(n), pg_temp.made(14, n), CASE WHEN n % 1000 = 1 THEN 'rare' ELSE 'usual' END,
       (ARRAY['dead', 'ready'])[1 + n % 2], pg_temp.moment(n), 0, 1, 1, 'null', 'null', pg_temp.moment(n), pg_temp.moment(n)
  FROM generate_series(1, 30000) n;
"""


INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid = ANY (%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def fill(database: Database, rows: str = FUNCTIONS + ROWS) -> None:
    """Make the rows and have the planner know them. Indexes are made of all rows at once: that takes half as long."""
    tables = sorted(set(re.findall(r"INSERT INTO (\S+)", rows)))
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            indexes = connection.execute(INDEXES, [tables]).fetchall()
            for name, _ in indexes:
                connection.execute(f"DROP INDEX {name}")
            connection.execute(rows)
            for _, definition in indexes:
                connection.execute(definition)
        connection.execute(f"VACUUM ANALYZE {', '.join(tables)}")
