-- Without a search path of its own, which costs as much as the work: every name is written out.
CREATE OR REPLACE FUNCTION runtime.queue_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.state NOT IN ('waiting', 'ready', 'leased') THEN
        DELETE FROM runtime.job_queue q WHERE q.tenant_id = OLD.tenant_id AND q.id = OLD.id;
    ELSIF TG_OP = 'UPDATE' AND OLD.state IN ('waiting', 'ready', 'leased') THEN
        UPDATE runtime.job_queue q
            SET type = NEW.type, state = CASE WHEN NEW.state = 'ready' AND NEW.held_back_by IS NOT NULL THEN 'limited' ELSE NEW.state END,
                bucket = CASE WHEN NEW.state = 'ready' THEN NEW.held_back_by END, priority = NEW.priority, run_at = NEW.run_at,
                expires_at = CASE WHEN NEW.state = 'leased' THEN greatest(NEW.lease_until, NEW.retry_at) END
            WHERE q.tenant_id = NEW.tenant_id AND q.id = NEW.id;
    ELSE
        INSERT INTO runtime.job_queue (tenant_id, id, type, state, bucket, priority, run_at, expires_at)
            VALUES (NEW.tenant_id, NEW.id, NEW.type,
                    CASE WHEN NEW.state = 'ready' AND NEW.held_back_by IS NOT NULL THEN 'limited' ELSE NEW.state END,
                    CASE WHEN NEW.state = 'ready' THEN NEW.held_back_by END, NEW.priority, NEW.run_at,
                    CASE WHEN NEW.state = 'leased' THEN greatest(NEW.lease_until, NEW.retry_at) END);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.queue_job IS 'Keeps runtime.job_queue.';

LOCK TABLE runtime.jobs IN ACCESS EXCLUSIVE MODE;  -- at once: a weaker lock and then this one, and two wait for each other
CREATE OR REPLACE TRIGGER queued AFTER INSERT ON runtime.jobs FOR EACH ROW
    WHEN (NEW.state IN ('waiting', 'ready', 'leased')) EXECUTE FUNCTION runtime.queue_job();
COMMENT ON TRIGGER queued ON runtime.jobs IS 'Jobs to be looked for stand in runtime.job_queue.';
CREATE OR REPLACE TRIGGER moved_in_queue AFTER UPDATE ON runtime.jobs FOR EACH ROW
    -- Column by column: of two rows compared, a dump and its restore make another text, and the database would seem to have drifted.
    WHEN (OLD.type IS DISTINCT FROM NEW.type OR OLD.state IS DISTINCT FROM NEW.state OR OLD.priority IS DISTINCT FROM NEW.priority
          OR OLD.run_at IS DISTINCT FROM NEW.run_at OR OLD.lease_until IS DISTINCT FROM NEW.lease_until
          OR OLD.retry_at IS DISTINCT FROM NEW.retry_at OR OLD.held_back_by IS DISTINCT FROM NEW.held_back_by)
    EXECUTE FUNCTION runtime.queue_job();
COMMENT ON TRIGGER moved_in_queue ON runtime.jobs IS 'Jobs to be looked for stand in runtime.job_queue.';
CREATE OR REPLACE TRIGGER unqueued AFTER DELETE ON runtime.jobs FOR EACH ROW
    WHEN (OLD.state IN ('waiting', 'ready', 'leased')) EXECUTE FUNCTION runtime.queue_job();
COMMENT ON TRIGGER unqueued ON runtime.jobs IS 'Jobs to be looked for stand in runtime.job_queue.';

-- Those that were there before the triggers. (Row-level security binds the owner as well.)
ALTER TABLE runtime.jobs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.job_queue NO FORCE ROW LEVEL SECURITY;
INSERT INTO runtime.job_queue (tenant_id, id, type, state, priority, run_at, expires_at)
    SELECT tenant_id, id, type, state, priority, run_at, CASE WHEN state = 'leased' THEN greatest(lease_until, retry_at) END
      FROM runtime.jobs WHERE state IN ('waiting', 'ready', 'leased')
    ON CONFLICT DO NOTHING;
ALTER TABLE runtime.job_queue FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.jobs FORCE ROW LEVEL SECURITY;
