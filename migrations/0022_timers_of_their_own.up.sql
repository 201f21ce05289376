-- Timers have owners of many kinds, and several each; their moments are reckoned from the append, or named.
ALTER TABLE runtime.timers ADD COLUMN owner_kind text NOT NULL DEFAULT 'execution', ADD COLUMN owner_id uuid,
    ADD COLUMN fixed boolean NOT NULL DEFAULT false;
ALTER TABLE runtime.timers NO FORCE ROW LEVEL SECURITY;
UPDATE runtime.timers SET owner_id = execution_id;
ALTER TABLE runtime.timers FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN runtime.timers.owner_kind IS 'The aggregate that it belongs to: execution, approval, ai_task … Timers of kinds that a release does not know wait for one that does.';
COMMENT ON COLUMN runtime.timers.owner_id IS 'The stream that it belongs to.';
COMMENT ON COLUMN runtime.timers.fixed IS 'Whether its moment was named: a pause does not move it.';
COMMENT ON COLUMN runtime.timers.id IS 'The timer; derived from its owner and what it is for. The id of the command that it fires is derived from it.';
COMMENT ON COLUMN runtime.timers.kind IS 'What for: timeout ends a visit, whatever else it was set for its node is told.';
COMMENT ON COLUMN runtime.timers.execution_id IS 'The execution whose pause holds it.';

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

DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('runtime.note_pause'::regproc), 'SET due_at = now + remaining,',
                    'SET due_at = CASE WHEN fixed THEN due_at ELSE now + remaining END,');
END
$$;

-- What a visit waits for says since when and until when, its timeout among it: what a replay makes of what was recorded before.
COMMENT ON COLUMN projections.node_activations.waits IS
    'What it waits for while it runs, and what it waited for last once it is over: {kind, id, about, since, until}.';
ALTER TABLE projections.node_activations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.events NO FORCE ROW LEVEL SECURITY;
WITH timed AS (
    SELECT e.tenant_id, (e.data ->> 'activation_id')::uuid AS id, (e.data ->> 'timeout_at')::timestamptz AS timeout_at
      FROM (SELECT tenant_id, convert_from(data, 'UTF8')::json AS data FROM ledger.events
             WHERE topic IN ('activation.started.v1', 'activation.started.v2') AND get_byte(data, 0) = 123) e
     WHERE e.data ->> 'timeout_at' IS NOT NULL
), said AS (
    SELECT n.tenant_id, n.id, timed.timeout_at,
           to_char(n.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS since
      FROM projections.node_activations n
      LEFT JOIN timed ON timed.tenant_id = n.tenant_id AND timed.id = n.id
     WHERE n.waits <> '[]' OR timed.id IS NOT NULL
)
UPDATE projections.node_activations n
   SET waits = coalesce((SELECT jsonb_agg(w.wait || jsonb_build_object('since', said.since, 'until', NULL) ORDER BY w.number)
                           FROM jsonb_array_elements(n.waits) WITH ORDINALITY w (wait, number)), '[]')
            || CASE WHEN said.timeout_at IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object(
                        'kind', 'timer', 'id', n.id, 'about', 'timeout', 'since', said.since,
                        'until', to_char(said.timeout_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))) END
  FROM said
 WHERE said.tenant_id = n.tenant_id AND said.id = n.id;
ALTER TABLE ledger.events FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.node_activations FORCE ROW LEVEL SECURITY;
