-- The items of a foreach: rows of their own, and where a visit, a request or a task belongs to one, it says which.
CREATE TABLE projections.execution_items (
    tenant_id            uuid NOT NULL,
    id                   uuid NOT NULL,
    execution_id         uuid NOT NULL,
    execution_created_at timestamptz NOT NULL,
    execution_number     integer NOT NULL,
    workflow_key         text NOT NULL,
    parent_activation_id uuid NOT NULL,
    parent_item_id       uuid,
    node_id              text NOT NULL,
    item_index           integer NOT NULL,
    status               text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    item                 jsonb,
    output               jsonb,
    error                jsonb,
    started_at           timestamptz NOT NULL,
    completed_at         timestamptz,
    version              bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id)
);
CREATE INDEX execution_items_of_visit ON projections.execution_items (tenant_id, parent_activation_id, item_index);
CREATE INDEX execution_items_by_execution ON projections.execution_items (tenant_id, execution_id, id);
COMMENT ON TABLE projections.execution_items IS 'The items that a foreach runs through its body, and what came of each.';
COMMENT ON COLUMN projections.execution_items.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.execution_items.id IS 'The item''s id: that of the stream of its events.';
COMMENT ON COLUMN projections.execution_items.execution_id IS 'The execution that it is a part of, however deep it is nested.';
COMMENT ON COLUMN projections.execution_items.execution_created_at IS 'That execution''s created_at.';
COMMENT ON COLUMN projections.execution_items.execution_number IS 'That execution''s number.';
COMMENT ON COLUMN projections.execution_items.workflow_key IS 'The workflow that it runs.';
COMMENT ON COLUMN projections.execution_items.parent_activation_id IS 'The visit of the foreach node whose item it is.';
COMMENT ON COLUMN projections.execution_items.parent_item_id IS 'The item around it, of a foreach within another one.';
COMMENT ON COLUMN projections.execution_items.node_id IS 'The foreach node.';
COMMENT ON COLUMN projections.execution_items.item_index IS 'Its place in the list, from 0.';
COMMENT ON COLUMN projections.execution_items.status IS 'running, completed, failed or cancelled.';
COMMENT ON COLUMN projections.execution_items.item IS 'The item.';
COMMENT ON COLUMN projections.execution_items.output IS 'What it came to.';
COMMENT ON COLUMN projections.execution_items.error IS 'Why it failed: {code, message, node_id}.';
COMMENT ON COLUMN projections.execution_items.started_at IS 'When it began.';
COMMENT ON COLUMN projections.execution_items.completed_at IS 'When it completed, failed or was cancelled.';
COMMENT ON COLUMN projections.execution_items.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.execution_items.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.execution_items.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.execution_items ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY execution_items_system ON projections.execution_items TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY execution_items_api ON projections.execution_items FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.execution_items FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.execution_items TO gesta_system;
GRANT SELECT ON projections.execution_items TO gesta_api;

ALTER TABLE projections.node_activations ADD COLUMN item_id uuid, ADD COLUMN item_index integer;
COMMENT ON COLUMN projections.node_activations.item_id IS 'The foreach''s item that it belongs to, in execution_items; null outside of a foreach.';
COMMENT ON COLUMN projections.node_activations.item_index IS 'That item''s place in the list, from 0.';
ALTER TABLE projections.approval_requests ADD COLUMN item_index integer;
COMMENT ON COLUMN projections.approval_requests.item_index IS 'Of the foreach''s item that asks, from 0; null outside of a foreach.';
ALTER TABLE projections.ai_agent_tasks ADD COLUMN item_index integer;
COMMENT ON COLUMN projections.ai_agent_tasks.item_index IS 'Of the foreach''s item that asks, from 0; null outside of a foreach.';
COMMENT ON COLUMN projections.audit_logs.resource_version IS 'That thing''s version after it; null where a command was refused, or it happened to an item of a foreach.';
COMMENT ON COLUMN runtime.jobs.task_id IS 'The stream that it is for within its execution: the AI task that it is an attempt of, or the item of a foreach.';
