-- Jobs of their own, that no execution waits for: a table of them; and a job that a command brings may name the moment at which it is
-- due, and the number from which its fencing tokens go on: one that is tried again is no longer of those who had it before.
CREATE TYPE ledger.job_row_2 AS (
    cmd int, id uuid, type text, execution uuid, activation uuid, task uuid, max_attempts int,
    delay bigint, held boolean, priority int, limits jsonb, moment timestamptz, fence bigint, input bytea
);
COMMENT ON TYPE ledger.job_row_2 IS 'A job that a command makes: due after a delay of microseconds, or at a moment. Its fencing tokens are greater than the fence.';
COMMENT ON COLUMN runtime.jobs.task_id IS 'The stream that it is for: that of the AI task that it is an attempt of, of a foreach''s item, or its own.';

CREATE TABLE projections.jobs (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    type            text NOT NULL,
    status          text NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'cancelled')),
    unique_key      text,
    priority        integer NOT NULL,
    input           jsonb,
    output          jsonb,
    error           jsonb,
    attempts        integer NOT NULL,
    max_attempts    integer NOT NULL,
    retries         integer NOT NULL,
    run_at          timestamptz NOT NULL,
    timeout_seconds double precision,
    expires_at      timestamptz,
    created_by      uuid,
    cancelled_by    uuid,
    completed_at    timestamptz,
    correlation_id  uuid,
    version         bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX jobs_by_creation ON projections.jobs (tenant_id, created_at, id);
CREATE INDEX jobs_by_status ON projections.jobs (tenant_id, status, created_at, id);
CREATE INDEX jobs_by_type ON projections.jobs (tenant_id, type, created_at, id);
CREATE INDEX jobs_by_unique_key ON projections.jobs (tenant_id, unique_key, created_at, id) WHERE unique_key IS NOT NULL;
COMMENT ON TABLE projections.jobs IS 'Jobs that were enqueued by themselves, and what came of each. Those of nodes are in node_activations.';
COMMENT ON COLUMN projections.jobs.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.jobs.id IS 'The job''s id: that of the stream of its events.';
COMMENT ON COLUMN projections.jobs.type IS 'What kind of work: workers lease by it.';
COMMENT ON COLUMN projections.jobs.status IS 'pending (it waits for a worker, or one has it), completed, failed or cancelled.';
COMMENT ON COLUMN projections.jobs.unique_key IS 'A name that no other pending job of the type has.';
COMMENT ON COLUMN projections.jobs.priority IS 'Of the ready jobs of a tenant and type the highest goes first.';
COMMENT ON COLUMN projections.jobs.input IS 'What the worker is given.';
COMMENT ON COLUMN projections.jobs.output IS 'What the work came to.';
COMMENT ON COLUMN projections.jobs.error IS 'Why the last attempt failed, or the job: {type, message}.';
COMMENT ON COLUMN projections.jobs.attempts IS 'How many attempts have ended, since it was last retried by hand.';
COMMENT ON COLUMN projections.jobs.max_attempts IS 'How many there may be.';
COMMENT ON COLUMN projections.jobs.retries IS 'How often it was retried by hand.';
COMMENT ON COLUMN projections.jobs.run_at IS 'It is not handed out before.';
COMMENT ON COLUMN projections.jobs.timeout_seconds IS 'How long it may take from run_at on; null: as long as it takes.';
COMMENT ON COLUMN projections.jobs.expires_at IS 'When it fails if it is still pending; null: never.';
COMMENT ON COLUMN projections.jobs.created_by IS 'The user who enqueued it.';
COMMENT ON COLUMN projections.jobs.cancelled_by IS 'The user who cancelled it.';
COMMENT ON COLUMN projections.jobs.completed_at IS 'When it completed, failed or was cancelled.';
COMMENT ON COLUMN projections.jobs.correlation_id IS 'What it belongs to across systems.';
COMMENT ON COLUMN projections.jobs.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.jobs.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.jobs.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY jobs_system ON projections.jobs TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY jobs_api ON projections.jobs FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.jobs FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.jobs TO gesta_system;
GRANT SELECT ON projections.jobs TO gesta_api;
