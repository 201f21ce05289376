-- Nothing of a paused execution is leased or fired, and its timers keep what was left of them. The events that pause and resume see to it,
-- when all rows of their batch are written; moments are the database's.
ALTER TABLE runtime.jobs ADD COLUMN paused boolean NOT NULL DEFAULT false;
ALTER TABLE runtime.jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE runtime.jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('waiting', 'ready', 'leased', 'held', 'dead'));
COMMENT ON COLUMN runtime.jobs.paused IS 'Whether its execution is paused.';
COMMENT ON COLUMN runtime.jobs.state IS 'waiting (for run_at), ready, leased (or its lease has run out and nobody has noticed), held (while its execution is paused), dead (given up, kept to be looked at).';
CREATE INDEX jobs_of_execution ON runtime.jobs (tenant_id, execution_id);

ALTER TABLE runtime.timers ADD COLUMN remaining interval, ADD COLUMN moved integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN runtime.timers.remaining IS 'While its execution is paused: what is left until it fires.';
COMMENT ON COLUMN runtime.timers.moved IS 'How often a pause has moved it. Who found it before finds another number in the ledger''s state.';
CREATE INDEX timers_of_execution ON runtime.timers (tenant_id, execution_id);
DROP INDEX runtime.timers_due, runtime.timers_due_by_tenant;
CREATE INDEX timers_due ON runtime.timers (greatest(due_at, retry_at)) WHERE remaining IS NULL;
CREATE INDEX timers_due_by_tenant ON runtime.timers (tenant_id, greatest(due_at, retry_at)) WHERE remaining IS NULL;

-- Whoever makes a job ready again (a report, a worker that gives it back, an operator) makes it held while its execution is paused.
CREATE FUNCTION runtime.hold_job() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.state := 'held';
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION runtime.hold_job() IS 'Holds a job.';
CREATE TRIGGER held_while_paused BEFORE UPDATE ON runtime.jobs FOR EACH ROW
    WHEN (NEW.paused AND NEW.state IN ('ready', 'waiting')) EXECUTE FUNCTION runtime.hold_job();
COMMENT ON TRIGGER held_while_paused ON runtime.jobs IS 'Jobs of paused executions are not leased.';

CREATE FUNCTION runtime.note_pause() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now timestamptz := clock_timestamp();
BEGIN
    IF NEW.topic = 'execution.paused.v1' THEN
        UPDATE runtime.jobs SET paused = true, updated_at = now WHERE tenant_id = NEW.tenant_id AND execution_id = NEW.stream_id;
        UPDATE runtime.timers SET remaining = greatest(due_at - now, interval '0')
            WHERE tenant_id = NEW.tenant_id AND execution_id = NEW.stream_id AND remaining IS NULL;
    ELSE
        UPDATE runtime.jobs
            SET paused = false, updated_at = now,
                state = CASE WHEN state <> 'held' THEN state WHEN run_at > now THEN 'waiting' ELSE 'ready' END
            WHERE tenant_id = NEW.tenant_id AND execution_id = NEW.stream_id;
        UPDATE runtime.timers SET due_at = now + remaining, remaining = NULL, moved = moved + 1
            WHERE tenant_id = NEW.tenant_id AND execution_id = NEW.stream_id AND remaining IS NOT NULL;
        PERFORM pg_notify('gesta_jobs', NEW.tenant_id || ':'), pg_notify('gesta_timers', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.note_pause() IS 'Holds the jobs and timers of an execution that is paused, and lets them go on when it is resumed.';
CREATE CONSTRAINT TRIGGER pauses AFTER INSERT ON ledger.events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.topic IN ('execution.paused.v1', 'execution.resumed.v1')) EXECUTE FUNCTION runtime.note_pause();
COMMENT ON TRIGGER pauses ON ledger.events IS 'Work of paused executions waits. Deferred: the work that the batch itself makes is written by then.';

-- ledger.append is given delays of timers and reckons their moments from the recorded time; the rest of it is as it was.
DO $$
DECLARE
    definition text := pg_get_functiondef('ledger.append'::regproc);
    changes    text[] := ARRAY[
        ['timer_times timestamp with time zone[] DEFAULT ''{}''::timestamp with time zone[]', 'timer_delays bigint[] DEFAULT ''{}''::bigint[]'],
        ['SELECT tenant, x.id, x.due, x.kind', 'SELECT tenant, x.id, recorded_time + x.delay * interval ''1 microsecond'', x.kind'],
        ['unnest(timer_cmds, timer_ids, timer_times,', 'unnest(timer_cmds, timer_ids, timer_delays,'],
        ['x (c, id, due, kind, execution, activation)', 'x (c, id, delay, kind, execution, activation)']];
    change     text[];
    about      text := obj_description('ledger.append'::regproc);
BEGIN
    FOREACH change SLICE 1 IN ARRAY changes LOOP
        IF strpos(definition, change[1]) = 0 THEN
            RAISE EXCEPTION 'ledger.append is not as expected: % is not there', change[1];
        END IF;
        definition := replace(definition, change[1], change[2]);
    END LOOP;
    DROP FUNCTION ledger.append;
    EXECUTE definition;
    EXECUTE format('COMMENT ON FUNCTION ledger.append IS %L', about);
END
$$;
REVOKE EXECUTE ON FUNCTION ledger.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.append TO gesta_system;
