DROP INDEX runtime.jobs_failing, runtime.jobs_leased, runtime.timers_failing, runtime.timers_due_by_tenant, runtime.timers_due;
CREATE INDEX jobs_leased ON runtime.jobs (lease_until) WHERE state = 'leased';
CREATE INDEX timers_due ON runtime.timers (due_at);
ALTER TABLE runtime.jobs
    DROP COLUMN failures, DROP COLUMN failure_type, DROP COLUMN failure_message, DROP COLUMN failure_fence, DROP COLUMN failed_at,
    DROP COLUMN retry_at;
ALTER TABLE runtime.timers
    DROP COLUMN failures, DROP COLUMN failure_type, DROP COLUMN failure_message, DROP COLUMN failed_at, DROP COLUMN retry_at;
