DROP FUNCTION IF EXISTS runtime.prolong_leases;
DROP FUNCTION IF EXISTS runtime.end_leases;
DROP FUNCTION IF EXISTS runtime.due_timers;
DROP FUNCTION IF EXISTS runtime.expired_leases;
DROP FUNCTION IF EXISTS runtime.seconds_to_next;
DROP INDEX runtime.jobs_of_execution, runtime.timers_of_execution;
CREATE INDEX jobs_of_execution ON runtime.jobs (execution_id, tenant_id);
CREATE INDEX timers_of_execution ON runtime.timers (tenant_id, execution_id);
