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
        definition := replace(definition, change[2], change[1]);
    END LOOP;
    DROP FUNCTION ledger.append;
    EXECUTE definition;
    EXECUTE format('COMMENT ON FUNCTION ledger.append IS %L', about);
END
$$;
REVOKE EXECUTE ON FUNCTION ledger.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.append TO gesta_system;
DROP TRIGGER pauses ON ledger.events;
DROP FUNCTION runtime.note_pause();
DROP TRIGGER held_while_paused ON runtime.jobs;
DROP FUNCTION runtime.hold_job();
DROP INDEX runtime.jobs_of_execution, runtime.timers_of_execution, runtime.timers_due, runtime.timers_due_by_tenant;
CREATE INDEX timers_due ON runtime.timers (greatest(due_at, retry_at));
CREATE INDEX timers_due_by_tenant ON runtime.timers (tenant_id, greatest(due_at, retry_at));
ALTER TABLE runtime.timers DROP COLUMN remaining, DROP COLUMN moved;
UPDATE runtime.jobs SET state = 'ready' WHERE state = 'held';
ALTER TABLE runtime.jobs DROP CONSTRAINT jobs_state_check, DROP COLUMN paused;
ALTER TABLE runtime.jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('waiting', 'ready', 'leased', 'dead'));
COMMENT ON COLUMN runtime.jobs.state IS 'waiting (for run_at), ready, leased (or its lease has run out and nobody has noticed), dead (given up, kept to be looked at).';
