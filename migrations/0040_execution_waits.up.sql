-- What open executions wait for is looked for by who can move it on, and by when it is due.
CREATE TABLE projections.execution_waits (
    tenant_id          uuid NOT NULL,
    waiter_id          uuid NOT NULL,
    kind               text NOT NULL,
    id                 uuid NOT NULL,
    execution_id       uuid NOT NULL,
    activation_id      uuid,
    item_id            uuid,
    item_index         integer,
    node_id            text,
    about              text NOT NULL,
    since              timestamptz NOT NULL,
    until              timestamptz,
    is_fixed           boolean NOT NULL,
    paused_at          timestamptz,
    moved_on_by        text NOT NULL,
    roles              text[],
    users              uuid[],
    model              text,
    job_type           text,
    event_type         text,
    workflow_key       text,
    child_execution_id uuid,
    version            bigint NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, waiter_id, kind, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id)
);
CREATE INDEX execution_waits_by_execution ON projections.execution_waits (tenant_id, execution_id);
CREATE INDEX execution_waits_by_kind ON projections.execution_waits (tenant_id, kind, about);
CREATE INDEX execution_waits_by_until ON projections.execution_waits (tenant_id, until) WHERE until IS NOT NULL;
COMMENT ON TABLE projections.execution_waits IS 'What open executions wait for: one row for each thing, gone when it is waited for no longer.';
COMMENT ON COLUMN projections.execution_waits.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.execution_waits.waiter_id IS 'What waits: a visit of a node, or the execution itself, for the time that it may take.';
COMMENT ON COLUMN projections.execution_waits.kind IS 'What for: job, timer, approval, ai_task, execution, event or foreach.';
COMMENT ON COLUMN projections.execution_waits.id IS 'The id of that: of the job, the timer, the approval request, the AI task, the child …';
COMMENT ON COLUMN projections.execution_waits.execution_id IS 'The execution.';
COMMENT ON COLUMN projections.execution_waits.activation_id IS 'The visit that waits, in node_activations; null where it is the execution.';
COMMENT ON COLUMN projections.execution_waits.item_id IS 'The foreach''s item that the visit belongs to; null outside of a foreach.';
COMMENT ON COLUMN projections.execution_waits.item_index IS 'That item''s place in the list, from 0.';
COMMENT ON COLUMN projections.execution_waits.node_id IS 'The node that is visited.';
COMMENT ON COLUMN projections.execution_waits.about IS 'A job''s type, what a timer is for, an event''s type, a child''s workflow.';
COMMENT ON COLUMN projections.execution_waits.since IS 'Since when it is waited for, by the database''s clock.';
COMMENT ON COLUMN projections.execution_waits.until IS 'When a timer fires; null of all else. While the execution is paused, as it was then: what is left of it counts from when that is resumed.';
COMMENT ON COLUMN projections.execution_waits.is_fixed IS 'Whether the moment was named, so that no pause moves it.';
COMMENT ON COLUMN projections.execution_waits.paused_at IS 'Since when it is held, because the execution is paused.';
COMMENT ON COLUMN projections.execution_waits.moved_on_by IS 'Who or what can move it on, in words.';
COMMENT ON COLUMN projections.execution_waits.roles IS 'Of an approval: the roles that may decide, by key.';
COMMENT ON COLUMN projections.execution_waits.users IS 'Of an approval: the people who may decide. Where there are neither roles nor users: every member who may decide approvals.';
COMMENT ON COLUMN projections.execution_waits.model IS 'Of an AI task: the model that is asked.';
COMMENT ON COLUMN projections.execution_waits.job_type IS 'Of a job: its type.';
COMMENT ON COLUMN projections.execution_waits.event_type IS 'Of an event: its type.';
COMMENT ON COLUMN projections.execution_waits.workflow_key IS 'Of a child: the workflow that it runs.';
COMMENT ON COLUMN projections.execution_waits.child_execution_id IS 'Of a child: its id.';
COMMENT ON COLUMN projections.execution_waits.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.execution_waits.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.execution_waits.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.execution_waits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY execution_waits_system ON projections.execution_waits TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY execution_waits_api ON projections.execution_waits FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.execution_waits FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.execution_waits TO gesta_system;
GRANT SELECT ON projections.execution_waits TO gesta_api;

-- What is waited for now is there at once, so that nobody sees an open execution wait for nothing. Whether a moment was named, what a
-- pause has moved, and since when something is held, is only in the events: the tables are to be built anew.
ALTER TABLE projections.execution_waits NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.node_activations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.workflow_executions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.ai_agent_tasks NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.timers NO FORCE ROW LEVEL SECURITY;
INSERT INTO projections.execution_waits
      (tenant_id, waiter_id, kind, id, execution_id, activation_id, item_id, item_index, node_id, about, since, until, is_fixed, paused_at,
       moved_on_by, roles, users, model, job_type, event_type, workflow_key, child_execution_id, version, created_at, updated_at)
SELECT n.tenant_id, n.id, w.kind, w.id, n.execution_id, n.id, n.item_id, n.item_index, n.node_id, w.about, w.since, w.until,
       coalesce(t.fixed, false), CASE WHEN e.status = 'paused' THEN e.updated_at END,
       CASE WHEN w.kind = 'job' AND starts_with(w.about, 'gesta.') THEN 'A worker of Gesta''s own.'
            WHEN w.kind = 'job' THEN 'A worker that does jobs of the type ' || w.about || '.'
            WHEN w.kind = 'ai_task' THEN coalesce('The answer of the model ' || a.model || '.', 'The answer of a model.')
            WHEN w.kind = 'event' THEN 'An event of the type ' || w.about || '.'
            WHEN w.kind = 'execution' THEN 'The end of a child, of the workflow ' || w.about || '.'
            WHEN w.kind = 'foreach' THEN 'The end of its items.'
            WHEN w.kind = 'approval' THEN 'A decision by ' || CASE cardinality(d.named) WHEN 0 THEN 'any member who may decide approvals'
                WHEN 1 THEN d.named[1] ELSE array_to_string(trim_array(d.named, 1), ', ') || ' or ' || d.named[cardinality(d.named)] END || '.'
            ELSE 'Time alone.' END,
       d.roles, d.users,
       CASE WHEN w.kind = 'ai_task' THEN a.model END,
       CASE WHEN w.kind = 'job' THEN w.about END,
       CASE WHEN w.kind = 'event' THEN w.about END,
       CASE WHEN w.kind = 'execution' THEN w.about END,
       CASE WHEN w.kind = 'execution' THEN w.id END,
       n.version, w.since, w.since
  FROM projections.node_activations n
  JOIN projections.workflow_executions e ON e.tenant_id = n.tenant_id AND e.id = n.execution_id
 CROSS JOIN LATERAL jsonb_to_recordset(n.waits) w (kind text, id uuid, about text, since timestamptz, until timestamptz)
  LEFT JOIN projections.approval_requests r ON w.kind = 'approval' AND r.tenant_id = n.tenant_id AND r.id = w.id
  LEFT JOIN LATERAL (
       SELECT p.roles, p.users, ARRAY(SELECT 'the role ' || role FROM unnest(p.roles) WITH ORDINALITY o (role, n) ORDER BY n)
              || CASE cardinality(p.users) WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['one person']
                                           ELSE ARRAY['one of ' || cardinality(p.users) || ' people'] END AS named
         FROM (SELECT ARRAY(SELECT jsonb_array_elements_text(r.assigned_to -> 'roles')) AS roles,
                      ARRAY(SELECT jsonb_array_elements_text(r.assigned_to -> 'users')::uuid) AS users) p) d ON r.id IS NOT NULL
  LEFT JOIN projections.ai_agent_tasks a ON w.kind = 'ai_task' AND a.tenant_id = n.tenant_id AND a.id = w.id
  LEFT JOIN runtime.timers t ON w.kind = 'timer' AND t.tenant_id = n.tenant_id AND t.id = w.id
 WHERE n.status = 'running' AND w.since IS NOT NULL
 UNION ALL
SELECT t.tenant_id, e.id, 'timer', t.id, e.id, NULL, NULL, NULL, NULL, t.kind, e.created_at, t.due_at, t.fixed,
       CASE WHEN e.status = 'paused' THEN e.updated_at END, 'Time alone.', NULL, NULL, NULL, NULL, NULL, NULL, NULL, e.version, e.created_at,
       e.created_at
  FROM runtime.timers t
  JOIN projections.workflow_executions e ON e.tenant_id = t.tenant_id AND e.id = t.owner_id
 WHERE t.kind = 'execution_timeout';
INSERT INTO runtime.projection_generations (groups, reason)
SELECT '{work}', 'The new table execution_waits.' WHERE EXISTS (SELECT FROM projections.execution_waits);
ALTER TABLE projections.execution_waits FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.node_activations FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.workflow_executions FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.ai_agent_tasks FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.timers FORCE ROW LEVEL SECURITY;
