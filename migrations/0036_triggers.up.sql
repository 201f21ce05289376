-- What starts executions by itself, when next, and what came of it. The actors of what they start are theirs.
CREATE TABLE projections.workflow_triggers (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    workflow_id       uuid NOT NULL,
    workflow_key      text NOT NULL,
    workflow_version  integer NOT NULL,
    key               text NOT NULL,
    name              text,
    type              text NOT NULL,
    status            text NOT NULL CHECK (status IN ('active', 'paused', 'retired')),
    is_paused         boolean NOT NULL,
    config            jsonb NOT NULL,
    has_address       boolean NOT NULL,
    next_run_at       timestamptz,
    next_due_at       timestamptz,
    waiting           text[] NOT NULL,
    last_run_at       timestamptz,
    last_scheduled_at timestamptz,
    last_outcome      text CHECK (last_outcome IN ('started', 'skipped', 'failed')),
    last_execution_id uuid,
    last_error        text,
    started_count     bigint NOT NULL,
    failed_count      bigint NOT NULL,
    version           bigint NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES projections.workflows (tenant_id, id)
);
CREATE INDEX workflow_triggers_by_creation ON projections.workflow_triggers (tenant_id, created_at, id);
CREATE INDEX workflow_triggers_by_status ON projections.workflow_triggers (tenant_id, status, created_at, id);
CREATE INDEX workflow_triggers_by_workflow ON projections.workflow_triggers (tenant_id, workflow_id, created_at, id);
COMMENT ON TABLE projections.workflow_triggers IS 'What starts executions of workflows by itself.';
COMMENT ON COLUMN projections.workflow_triggers.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.workflow_triggers.id IS 'The trigger''s id.';
COMMENT ON COLUMN projections.workflow_triggers.workflow_id IS 'The workflow of which it starts executions.';
COMMENT ON COLUMN projections.workflow_triggers.workflow_key IS 'That workflow''s key.';
COMMENT ON COLUMN projections.workflow_triggers.workflow_version IS 'The version that gave it its present form; what it starts is of the latest one.';
COMMENT ON COLUMN projections.workflow_triggers.key IS 'Its id in the definition; unique in the workflow.';
COMMENT ON COLUMN projections.workflow_triggers.name IS 'Its name for people.';
COMMENT ON COLUMN projections.workflow_triggers.type IS 'schedule, webhook or event.';
COMMENT ON COLUMN projections.workflow_triggers.status IS 'active, paused, or retired: the workflow is archived, or published without it.';
COMMENT ON COLUMN projections.workflow_triggers.is_paused IS 'Whether it is paused, or will be once its workflow is restored.';
COMMENT ON COLUMN projections.workflow_triggers.config IS 'As it stands in the definition.';
COMMENT ON COLUMN projections.workflow_triggers.has_address IS 'Whether a webhook was given an address.';
COMMENT ON COLUMN projections.workflow_triggers.next_run_at IS 'A schedule''s next time.';
COMMENT ON COLUMN projections.workflow_triggers.next_due_at IS 'When that is due, with jitter.';
COMMENT ON COLUMN projections.workflow_triggers.waiting IS 'Times that wait until the execution before them is over.';
COMMENT ON COLUMN projections.workflow_triggers.last_run_at IS 'When it last started an execution, or could not.';
COMMENT ON COLUMN projections.workflow_triggers.last_scheduled_at IS 'For which time of a schedule that was.';
COMMENT ON COLUMN projections.workflow_triggers.last_outcome IS 'What came of it: started, skipped or failed.';
COMMENT ON COLUMN projections.workflow_triggers.last_execution_id IS 'The execution that was started then.';
COMMENT ON COLUMN projections.workflow_triggers.last_error IS 'Why none was.';
COMMENT ON COLUMN projections.workflow_triggers.started_count IS 'How many executions it started.';
COMMENT ON COLUMN projections.workflow_triggers.failed_count IS 'How often it could not start one.';
COMMENT ON COLUMN projections.workflow_triggers.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.workflow_triggers.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.workflow_triggers.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.workflow_triggers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY workflow_triggers_system ON projections.workflow_triggers TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY workflow_triggers_api ON projections.workflow_triggers FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.workflow_triggers FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.workflow_triggers TO gesta_system;
GRANT SELECT ON projections.workflow_triggers TO gesta_api;

CREATE TABLE projections.trigger_runs (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    trigger_id   uuid NOT NULL,
    outcome      text NOT NULL CHECK (outcome IN ('started', 'skipped', 'failed', 'buffered')),
    scheduled_at timestamptz,
    ran_at       timestamptz NOT NULL,
    execution_id uuid,
    code         text,
    message      text,
    times        integer NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, trigger_id) REFERENCES projections.workflow_triggers (tenant_id, id)
);
CREATE INDEX trigger_runs_by_trigger ON projections.trigger_runs (tenant_id, trigger_id, created_at, id);
COMMENT ON TABLE projections.trigger_runs IS 'Each time that a trigger was to start an execution, and what came of it.';
COMMENT ON COLUMN projections.trigger_runs.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.trigger_runs.id IS 'The run''s id: that of the execution that was started, or would have been.';
COMMENT ON COLUMN projections.trigger_runs.trigger_id IS 'The trigger.';
COMMENT ON COLUMN projections.trigger_runs.outcome IS 'started, skipped, failed, or buffered: it waits until the execution before it is over.';
COMMENT ON COLUMN projections.trigger_runs.scheduled_at IS 'The time of a schedule that it is for.';
COMMENT ON COLUMN projections.trigger_runs.ran_at IS 'When it came to this.';
COMMENT ON COLUMN projections.trigger_runs.execution_id IS 'The execution that was started.';
COMMENT ON COLUMN projections.trigger_runs.code IS 'Why none was, as a word.';
COMMENT ON COLUMN projections.trigger_runs.message IS 'Why none was, as a sentence.';
COMMENT ON COLUMN projections.trigger_runs.times IS 'More than 1 where so many times, from this one on, were missed together.';
COMMENT ON COLUMN projections.trigger_runs.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.trigger_runs.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.trigger_runs.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.trigger_runs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY trigger_runs_system ON projections.trigger_runs TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY trigger_runs_api ON projections.trigger_runs FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.trigger_runs FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.trigger_runs TO gesta_system;
GRANT SELECT ON projections.trigger_runs TO gesta_api;

ALTER TABLE projections.audit_logs DROP CONSTRAINT audit_logs_actor_type_check,
    ADD CONSTRAINT audit_logs_actor_type_check CHECK (actor_type IN ('user', 'api_key', 'worker', 'schedule', 'webhook', 'event', 'system')) NOT VALID;
ALTER TABLE projections.audit_logs VALIDATE CONSTRAINT audit_logs_actor_type_check;
COMMENT ON COLUMN projections.audit_logs.actor_type IS 'What acted: user, api_key, worker, schedule, webhook, event or system.';
