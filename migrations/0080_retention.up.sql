-- How long finished executions stay in the tables, and where they go then: archived as the tenant's policy says. There were none before.
CREATE TABLE projections.retention_policies (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    workflow_key text,
    days         integer NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX retention_policies_by_creation ON projections.retention_policies (tenant_id, created_at, id);
COMMENT ON TABLE projections.retention_policies IS 'After how many days finished executions are archived.';
COMMENT ON COLUMN projections.retention_policies.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.retention_policies.id IS 'The policy''s id; follows from the workflow.';
COMMENT ON COLUMN projections.retention_policies.workflow_key IS 'Of which workflow''s executions; null: of all whose workflow has none of its own.';
COMMENT ON COLUMN projections.retention_policies.days IS 'How many days after their end they are archived.';
COMMENT ON COLUMN projections.retention_policies.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.retention_policies.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.retention_policies.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.retention_policies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY retention_policies_system ON projections.retention_policies TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY retention_policies_api ON projections.retention_policies FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.retention_policies FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.retention_policies TO gesta_system;
GRANT SELECT ON projections.retention_policies TO gesta_api;

CREATE TABLE projections.archived_rows (
    tenant_id    uuid NOT NULL,
    execution_id uuid NOT NULL,
    table_name   text NOT NULL,
    part         integer NOT NULL,
    month        text NOT NULL,
    row_count    integer NOT NULL,
    rows         jsonb NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, table_name, part)
);
COMMENT ON TABLE projections.archived_rows IS 'What the other tables held of executions that were archived, some rows together.';
COMMENT ON COLUMN projections.archived_rows.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.archived_rows.execution_id IS 'The execution, in archived_executions.';
COMMENT ON COLUMN projections.archived_rows.table_name IS 'The table that the rows were in.';
COMMENT ON COLUMN projections.archived_rows.part IS 'Which part of them, from 1: 200 rows at most, and about 256 KiB.';
COMMENT ON COLUMN projections.archived_rows.month IS 'The month in which the execution ended, UTC: 2026-03.';
COMMENT ON COLUMN projections.archived_rows.row_count IS 'How many rows.';
COMMENT ON COLUMN projections.archived_rows.rows IS 'The rows as they were, by column, in the order of their keys; moments, ids and amounts are texts.';
COMMENT ON COLUMN projections.archived_rows.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.archived_rows.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.archived_rows.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.archived_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY archived_rows_system ON projections.archived_rows TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY archived_rows_api ON projections.archived_rows FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.archived_rows FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.archived_rows TO gesta_system;
GRANT SELECT ON projections.archived_rows TO gesta_api;

CREATE TABLE projections.archived_executions (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    workflow_id         uuid NOT NULL,
    workflow_key        text NOT NULL,
    workflow_version    integer NOT NULL,
    execution_number    integer NOT NULL,
    business_key        text,
    status              text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    error               text,
    labels              jsonb NOT NULL,
    parent_execution_id uuid,
    correlation_id      uuid,
    started_at          timestamptz NOT NULL,
    created_by          uuid,
    ended_at            timestamptz NOT NULL,
    month               text NOT NULL,
    days                integer NOT NULL,
    row_counts          jsonb NOT NULL,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX archived_executions_by_creation ON projections.archived_executions (tenant_id, created_at, id);
CREATE INDEX archived_executions_by_month ON projections.archived_executions (tenant_id, month, created_at, id);
CREATE INDEX archived_executions_by_workflow ON projections.archived_executions (tenant_id, workflow_key, created_at, id);
CREATE INDEX archived_executions_by_number ON projections.archived_executions (tenant_id, workflow_id, execution_number);
COMMENT ON TABLE projections.archived_executions IS 'Finished executions that have left the other tables, as the tenant''s policy says.';
COMMENT ON COLUMN projections.archived_executions.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.archived_executions.id IS 'The execution''s id.';
COMMENT ON COLUMN projections.archived_executions.workflow_id IS 'The workflow it runs.';
COMMENT ON COLUMN projections.archived_executions.workflow_key IS 'That workflow''s key.';
COMMENT ON COLUMN projections.archived_executions.workflow_version IS 'The published version it runs.';
COMMENT ON COLUMN projections.archived_executions.execution_number IS '1, 2, 3 … in each workflow, in the order of starting.';
COMMENT ON COLUMN projections.archived_executions.business_key IS 'The starter''s own name for it; unique among a workflow''s open executions.';
COMMENT ON COLUMN projections.archived_executions.status IS 'How it ended: completed, failed or cancelled.';
COMMENT ON COLUMN projections.archived_executions.error IS 'Why it failed, in words.';
COMMENT ON COLUMN projections.archived_executions.labels IS 'Texts by key, as its starter or others gave them.';
COMMENT ON COLUMN projections.archived_executions.parent_execution_id IS 'The execution that started or was forked into this one.';
COMMENT ON COLUMN projections.archived_executions.correlation_id IS 'Groups what belongs together across systems.';
COMMENT ON COLUMN projections.archived_executions.started_at IS 'When it started.';
COMMENT ON COLUMN projections.archived_executions.created_by IS 'Who started it.';
COMMENT ON COLUMN projections.archived_executions.ended_at IS 'When it completed, failed or was cancelled.';
COMMENT ON COLUMN projections.archived_executions.month IS 'The month of that, UTC: 2026-03.';
COMMENT ON COLUMN projections.archived_executions.days IS 'After how many days the policy of that time had it archived.';
COMMENT ON COLUMN projections.archived_executions.row_counts IS 'How many rows it had, by table; they are in archived_rows.';
COMMENT ON COLUMN projections.archived_executions.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.archived_executions.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.archived_executions.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.archived_executions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY archived_executions_system ON projections.archived_executions TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY archived_executions_api ON projections.archived_executions FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.archived_executions FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.archived_executions TO gesta_system;
GRANT SELECT ON projections.archived_executions TO gesta_api;

CREATE INDEX workflow_executions_by_end ON projections.workflow_executions (tenant_id, workflow_key, (coalesce(completed_at, cancelled_at)))
    WHERE status IN ('completed', 'failed', 'cancelled');

CREATE VIEW projections.archive_months WITH (security_invoker = true) AS
SELECT a.tenant_id, a.month, a.workflow_key, count(*) AS executions, count(*) FILTER (WHERE a.status = 'completed') AS completed,
       count(*) FILTER (WHERE a.status = 'failed') AS failed, count(*) FILTER (WHERE a.status = 'cancelled') AS cancelled,
       min(a.ended_at) AS first_ended_at, max(a.ended_at) AS last_ended_at, max(a.created_at) AS last_archived_at
  FROM projections.archived_executions a
 GROUP BY 1, 2, 3;
COMMENT ON VIEW projections.archive_months IS 'What is in the archive: finished executions by the month in which they ended, and by workflow.';
COMMENT ON COLUMN projections.archive_months.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.archive_months.month IS 'The month, UTC: 2026-03.';
COMMENT ON COLUMN projections.archive_months.workflow_key IS 'The workflow.';
COMMENT ON COLUMN projections.archive_months.executions IS 'How many are in the archive.';
COMMENT ON COLUMN projections.archive_months.completed IS 'Of these, completed.';
COMMENT ON COLUMN projections.archive_months.failed IS 'Of these, failed.';
COMMENT ON COLUMN projections.archive_months.cancelled IS 'Of these, cancelled.';
COMMENT ON COLUMN projections.archive_months.first_ended_at IS 'When the first of them ended.';
COMMENT ON COLUMN projections.archive_months.last_ended_at IS 'When the last of them did.';
COMMENT ON COLUMN projections.archive_months.last_archived_at IS 'When one was archived last.';
GRANT SELECT ON projections.archive_months TO gesta_api, gesta_system;
