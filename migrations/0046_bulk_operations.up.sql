-- One action on many executions, taken step by step.
CREATE TABLE projections.bulk_operations (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL,
    action         text NOT NULL CHECK (action IN ('cancel', 'terminate', 'pause', 'resume', 'signal', 'fork', 'start')),
    filter         jsonb,
    options        jsonb NOT NULL,
    reason         text,
    status         text NOT NULL CHECK (status IN ('running', 'completed', 'cancelled', 'failed')),
    matched        integer NOT NULL,
    done           integer NOT NULL,
    failed         integer NOT NULL,
    skipped        integer NOT NULL,
    failures       jsonb NOT NULL,
    error_code     text,
    error          text,
    as_of          bigint,
    correlation_id uuid,
    requested_by   uuid,
    cancelled_by   uuid,
    started_at     timestamptz NOT NULL,
    completed_at   timestamptz,
    version        bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX bulk_operations_by_creation ON projections.bulk_operations (tenant_id, created_at, id);
CREATE INDEX bulk_operations_by_status ON projections.bulk_operations (tenant_id, status, created_at, id);
COMMENT ON TABLE projections.bulk_operations IS 'One action on many executions, and how far it has come.';
COMMENT ON COLUMN projections.bulk_operations.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.bulk_operations.id IS 'The bulk operation''s id.';
COMMENT ON COLUMN projections.bulk_operations.action IS 'What is done to each execution: cancel, terminate, pause, resume, signal, fork, or start.';
COMMENT ON COLUMN projections.bulk_operations.filter IS 'What was looked for, as a list of executions has it; null: they were named.';
COMMENT ON COLUMN projections.bulk_operations.options IS 'What the action goes by, as it was given.';
COMMENT ON COLUMN projections.bulk_operations.reason IS 'Why, in words.';
COMMENT ON COLUMN projections.bulk_operations.status IS 'running, completed, cancelled, or failed: it stopped, because its requester may not do this any more.';
COMMENT ON COLUMN projections.bulk_operations.matched IS 'How many it acts on. Fixed when it was requested.';
COMMENT ON COLUMN projections.bulk_operations.done IS 'How many were acted on.';
COMMENT ON COLUMN projections.bulk_operations.failed IS 'How many could not be.';
COMMENT ON COLUMN projections.bulk_operations.skipped IS 'How many had come to where there was nothing to do any more, when their turn came.';
COMMENT ON COLUMN projections.bulk_operations.failures IS 'The first hundred that could not be: {index, execution_id, code, message}.';
COMMENT ON COLUMN projections.bulk_operations.error_code IS 'Why it stopped, as a word.';
COMMENT ON COLUMN projections.bulk_operations.error IS 'Why it stopped, as a sentence.';
COMMENT ON COLUMN projections.bulk_operations.as_of IS 'How far the tables had come in the ledger when the filter was applied.';
COMMENT ON COLUMN projections.bulk_operations.correlation_id IS 'Of all events of this operation; its own id unless another one was given.';
COMMENT ON COLUMN projections.bulk_operations.requested_by IS 'Who asked for it; null: a service or the platform.';
COMMENT ON COLUMN projections.bulk_operations.cancelled_by IS 'Who cancelled it.';
COMMENT ON COLUMN projections.bulk_operations.started_at IS 'When it was requested.';
COMMENT ON COLUMN projections.bulk_operations.completed_at IS 'When it completed, was cancelled, or stopped.';
COMMENT ON COLUMN projections.bulk_operations.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.bulk_operations.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.bulk_operations.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.bulk_operations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY bulk_operations_system ON projections.bulk_operations TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY bulk_operations_api ON projections.bulk_operations FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.bulk_operations FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.bulk_operations TO gesta_system;
GRANT SELECT ON projections.bulk_operations TO gesta_api;
