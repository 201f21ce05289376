ALTER TABLE projections.node_activations NO FORCE ROW LEVEL SECURITY;
UPDATE projections.node_activations
   SET waits = coalesce((SELECT jsonb_agg(w.wait - 'since' - 'until' ORDER BY w.number)
                           FROM jsonb_array_elements(waits) WITH ORDINALITY w (wait, number)
                          WHERE w.wait ->> 'kind' <> 'timer'), '[]')
 WHERE waits <> '[]';
ALTER TABLE projections.node_activations FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN projections.node_activations.waits IS
    'What it waits for while it runs, and what it waited for last once it is over: {kind, id, about}.';
DO $$
DECLARE
    definition text := pg_get_functiondef('ledger.append'::regproc);
    changes    text[] := ARRAY[
        ['dropped_timers uuid[] DEFAULT ''{}''::uuid[])', 'dropped_timers uuid[] DEFAULT ''{}''::uuid[], timer_moments timestamp with time zone[] DEFAULT ''{}''::timestamp with time zone[], timer_owner_kinds text[] DEFAULT ''{}''::text[], timer_owners uuid[] DEFAULT ''{}''::uuid[])'],
        ['(tenant_id, id, due_at, kind, execution_id, activation_id)', '(tenant_id, id, due_at, kind, owner_kind, owner_id, fixed, execution_id, activation_id)'],
        ['recorded_time + x.delay * interval ''1 microsecond'', x.kind,', 'coalesce(x.moment, recorded_time + x.delay * interval ''1 microsecond''), x.kind, coalesce(x.owner_kind, ''execution''), coalesce(x.owner, x.execution), x.moment IS NOT NULL,'],
        ['timer_kinds, timer_executions, timer_activations)', 'timer_kinds, timer_executions, timer_activations, timer_moments, timer_owner_kinds, timer_owners)'],
        ['x (c, id, delay, kind, execution, activation)', 'x (c, id, delay, kind, execution, activation, moment, owner_kind, owner)']];
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
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('runtime.note_pause'::regproc),
                    'SET due_at = CASE WHEN fixed THEN due_at ELSE now + remaining END,', 'SET due_at = now + remaining,');
END
$$;
ALTER TABLE runtime.timers DROP COLUMN owner_kind, DROP COLUMN owner_id, DROP COLUMN fixed;
COMMENT ON COLUMN runtime.timers.id IS 'The timer; the id of the command that it fires is derived from it.';
COMMENT ON COLUMN runtime.timers.kind IS 'What for, e.g. timeout.';
COMMENT ON COLUMN runtime.timers.execution_id IS 'The execution it belongs to.';
