-- By the execution, and (IS NOT DISTINCT FROM, which no index serves) never by all that its tenant has.
CREATE OR REPLACE FUNCTION runtime.note_pause() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    now timestamptz := clock_timestamp();
BEGIN
    IF NEW.topic = 'execution.paused.v1' THEN
        UPDATE runtime.jobs SET paused = true, held_back_by = NULL, updated_at = now WHERE execution_id = NEW.stream_id AND tenant_id IS NOT DISTINCT FROM NEW.tenant_id;
        UPDATE runtime.timers SET remaining = greatest(due_at - now, interval '0')
            WHERE execution_id = NEW.stream_id AND tenant_id IS NOT DISTINCT FROM NEW.tenant_id AND remaining IS NULL;
    ELSE
        UPDATE runtime.jobs
            SET paused = false, updated_at = now,
                state = CASE WHEN state <> 'held' THEN state WHEN run_at > now THEN 'waiting' ELSE 'ready' END
            WHERE execution_id = NEW.stream_id AND tenant_id IS NOT DISTINCT FROM NEW.tenant_id;
        UPDATE runtime.timers SET due_at = CASE WHEN fixed THEN due_at ELSE now + remaining END, remaining = NULL, moved = moved + 1,
                claimed_until = NULL
            WHERE execution_id = NEW.stream_id AND tenant_id IS NOT DISTINCT FROM NEW.tenant_id AND remaining IS NOT NULL;
        PERFORM pg_notify(runtime.secret_channel('gesta_jobs'), NEW.tenant_id || ':'), pg_notify(runtime.secret_channel('gesta_timers'), '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION runtime.note_pause IS
    'Holds the jobs and timers of an execution that is paused, and lets them go on when it is resumed.';
