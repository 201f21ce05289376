-- A narrow row for each job that waits, is ready or is leased: what looks for jobs goes through these. A session that holds an old
-- snapshot, as an analyst's may, keeps everything that dies from being cleaned up, and whoever looks at the head of a queue then goes
-- through all of it; leasing came down to a fifth in a minute. This table is rewritten when it has grown (runtime.rewrite_job_queue),
-- which runtime.jobs, with inputs and errors, is too large for.
CREATE TABLE runtime.job_queue (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    type       text        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('waiting', 'ready', 'leased')),
    priority   integer     NOT NULL,
    run_at     timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE runtime.job_queue IS 'Where each job that is waiting, ready or leased stands. Kept by the triggers on runtime.jobs; rewritten when it has grown.';
COMMENT ON COLUMN runtime.job_queue.tenant_id IS 'As in runtime.jobs.';
COMMENT ON COLUMN runtime.job_queue.id IS 'The job.';
COMMENT ON COLUMN runtime.job_queue.type IS 'As in runtime.jobs.';
COMMENT ON COLUMN runtime.job_queue.state IS 'As in runtime.jobs.';
COMMENT ON COLUMN runtime.job_queue.priority IS 'As in runtime.jobs.';
COMMENT ON COLUMN runtime.job_queue.run_at IS 'As in runtime.jobs.';
COMMENT ON COLUMN runtime.job_queue.expires_at IS 'When it is next tried to take a leased job from its worker: lease_until, or retry_at if that is later.';
CREATE INDEX job_queue_ready ON runtime.job_queue (type, tenant_id, priority DESC, run_at, id) WHERE state = 'ready';
CREATE INDEX job_queue_waiting ON runtime.job_queue (type, run_at) WHERE state = 'waiting';
CREATE INDEX job_queue_leased ON runtime.job_queue (expires_at) WHERE state = 'leased';
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.job_queue TO gesta_system;
ALTER TABLE runtime.job_queue ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.job_queue TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY by_append ON runtime.job_queue TO gesta_owner USING ((SELECT runtime.appending())) WITH CHECK ((SELECT runtime.appending()));
CREATE POLICY backup ON runtime.job_queue FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));

-- Nobody looks for jobs in runtime.jobs any more, and an index that is there is chosen: a fence was checked by going through all leases,
-- and a job looked up by going through its tenant's, as long as the plan was of a time when there were none. Processes of the release
-- before, which still ask runtime.jobs for what is due, read it all meanwhile.
DROP INDEX runtime.jobs_ready, runtime.jobs_waiting, runtime.jobs_leased, runtime.jobs_of_execution;
CREATE INDEX jobs_of_execution ON runtime.jobs (execution_id, tenant_id);
