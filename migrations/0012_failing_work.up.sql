-- Work whose handling fails is put off and recorded on its own row, one item at a time, so that it neither stops the worker nor
-- delays what else is due. Moments are the database's.
ALTER TABLE runtime.timers
    ADD COLUMN failures        integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    ADD COLUMN failure_type    text,
    ADD COLUMN failure_message text,
    ADD COLUMN failed_at       timestamptz,
    ADD COLUMN retry_at        timestamptz;
COMMENT ON COLUMN runtime.timers.failures IS 'How often in a row firing it failed.';
COMMENT ON COLUMN runtime.timers.failure_type IS 'The type of the last error.';
COMMENT ON COLUMN runtime.timers.failure_message IS 'The message of the last error.';
COMMENT ON COLUMN runtime.timers.failed_at IS 'When it failed last.';
COMMENT ON COLUMN runtime.timers.retry_at IS 'Not to be fired before.';

ALTER TABLE runtime.jobs
    ADD COLUMN failures        integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    ADD COLUMN failure_type    text,
    ADD COLUMN failure_message text,
    ADD COLUMN failure_fence   bigint,
    ADD COLUMN failed_at       timestamptz,
    ADD COLUMN retry_at        timestamptz;
COMMENT ON COLUMN runtime.jobs.failures IS 'How often in a row this process''s own handling of it failed; attempts that failed do not count.';
COMMENT ON COLUMN runtime.jobs.failure_type IS 'The type of the last such error.';
COMMENT ON COLUMN runtime.jobs.failure_message IS 'The message of the last such error.';
COMMENT ON COLUMN runtime.jobs.failure_fence IS 'The lease under which it failed last. Where that is not the last lease, the failure is over.';
COMMENT ON COLUMN runtime.jobs.failed_at IS 'When it failed last.';
COMMENT ON COLUMN runtime.jobs.retry_at IS 'When it is next tried to take the job from a worker whose lease has run out.';

DROP INDEX runtime.timers_due;
CREATE INDEX timers_due ON runtime.timers (greatest(due_at, retry_at));
CREATE INDEX timers_due_by_tenant ON runtime.timers (tenant_id, greatest(due_at, retry_at));
CREATE INDEX timers_failing ON runtime.timers (tenant_id, id) WHERE failures > 0;
DROP INDEX runtime.jobs_leased;
CREATE INDEX jobs_leased ON runtime.jobs (greatest(lease_until, retry_at)) WHERE state = 'leased';
CREATE INDEX jobs_failing ON runtime.jobs (tenant_id, id) WHERE failures > 0;
