DROP TRIGGER IF EXISTS limits ON ledger.events;
DROP TRIGGER IF EXISTS weights ON ledger.events;
DROP TRIGGER IF EXISTS freed ON runtime.jobs;
DROP TRIGGER IF EXISTS freed_and_gone ON runtime.jobs;
DROP FUNCTION IF EXISTS runtime.note_limit;
DROP FUNCTION IF EXISTS runtime.note_weight;
DROP FUNCTION IF EXISTS runtime.free_limits;
DROP FUNCTION IF EXISTS runtime.lease_limited_jobs;
DROP FUNCTION IF EXISTS runtime.let_go;
DROP FUNCTION IF EXISTS runtime.limits_of;
DROP FUNCTION IF EXISTS runtime.room_in;
DROP FUNCTION IF EXISTS runtime.note_start;
DROP FUNCTION IF EXISTS runtime.job_standing;
UPDATE runtime.jobs SET held_back_by = NULL WHERE held_back_by IS NOT NULL;
DELETE FROM runtime.job_queue WHERE state = 'limited';
DROP INDEX runtime.job_queue_limited;
ALTER TABLE runtime.job_queue DROP CONSTRAINT job_queue_state_check, DROP COLUMN bucket,
    ADD CONSTRAINT job_queue_state_check CHECK (state IN ('waiting', 'ready', 'leased'));
COMMENT ON COLUMN runtime.job_queue.state IS 'As in runtime.jobs.';
ALTER TABLE runtime.jobs DROP COLUMN limits, DROP COLUMN counted_in, DROP COLUMN held_back_by CASCADE;  -- with the trigger that looks at it, where no earlier one was put back
DROP TABLE runtime.tenant_weights, runtime.limit_uses, runtime.limit_buckets, runtime.limited_tenants, runtime.limits;
