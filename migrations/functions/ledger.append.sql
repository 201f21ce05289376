-- For processes of the release before: it appends what comes as columns by ledger.append_rows, which see. Jobs and timers with a
-- delay below zero are held: -1 for none, -2 for one microsecond.
-- It was without `job_limits`, and calls without it are understood as they were: all further parameters have defaults.
DROP FUNCTION IF EXISTS ledger.append(
    uuid, boolean, uuid[], bytea[], bytea[], bytea[], int[], uuid[], bigint[], int[], int[], int[], uuid[], text[],
    timestamptz[], bytea[], int[], text[], text[], uuid[], int[], text[], text[], uuid[], int[], uuid[], bigint[], boolean[],
    text[], bigint[], bytea[], int[], uuid[], text[], bytea[], uuid[], uuid[], uuid[], int[], bigint[], int[], int[], uuid[],
    int[], uuid[], bigint[], text[], uuid[], uuid[], int[], uuid[], timestamptz[], text[], uuid[]
);
CREATE OR REPLACE FUNCTION ledger.append(
    tenant uuid, no_wait boolean,
    command_ids uuid[], request_hashes bytea[], results bytea[], metas bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[], event_topics text[], event_times timestamptz[], event_data bytea[],
    claim_cmds int[], claim_scopes text[], claim_names text[], claim_owners uuid[],
    release_cmds int[], release_scopes text[], release_names text[], release_owners uuid[],
    fence_cmds int[] = '{}', fence_jobs uuid[] = '{}', fence_tokens bigint[] = '{}', fence_lapsed boolean[] = '{}',
    fence_thens text[] = '{}', fence_delays bigint[] = '{}', fence_errors bytea[] = '{}',
    job_cmds int[] = '{}', job_ids uuid[] = '{}', job_types text[] = '{}', job_inputs bytea[] = '{}',
    job_executions uuid[] = '{}', job_activations uuid[] = '{}', job_tasks uuid[] = '{}',
    job_max_attempts int[] = '{}', job_delays bigint[] = '{}', job_priorities int[] = '{}',
    dropped_job_cmds int[] = '{}', dropped_jobs uuid[] = '{}',
    timer_cmds int[] = '{}', timer_ids uuid[] = '{}', timer_delays bigint[] = '{}', timer_kinds text[] = '{}',
    timer_executions uuid[] = '{}', timer_activations uuid[] = '{}',
    dropped_timer_cmds int[] = '{}', dropped_timers uuid[] = '{}',
    timer_moments timestamptz[] = '{}', timer_owner_kinds text[] = '{}', timer_owners uuid[] = '{}',
    job_limits text[] = '{}'
) RETURNS TABLE (cmd int, outcome text, reason text, taken text, pos bigint, recorded timestamptz, result bytea, epoch int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT * FROM ledger.append_rows(
        tenant, no_wait, command_ids, request_hashes, results, metas, expectation_cmds, expectation_streams, expectation_versions,
        dependency_cmds, dependency_ons, event_cmds, event_streams, event_topics, event_times, event_data,
        ARRAY(SELECT ROW(x.*)::ledger.claim_row FROM unnest(claim_cmds, claim_scopes, claim_names, claim_owners) x),
        ARRAY(SELECT ROW(x.*)::ledger.claim_row FROM unnest(release_cmds, release_scopes, release_names, release_owners) x),
        ARRAY(SELECT ROW(x.*)::ledger.fence_row
              FROM unnest(fence_cmds, fence_jobs, fence_tokens, fence_lapsed, fence_thens, fence_delays, fence_errors) x),
        ARRAY(SELECT ROW(x.c, x.id, x.type, x.execution, x.activation, x.task, x.max_attempts,
                         CASE WHEN x.delay < 0 THEN -1 - x.delay ELSE x.delay END, x.delay < 0, x.priority, x.limits::jsonb,
                         x.input)::ledger.job_row
              FROM unnest(job_cmds, job_ids, job_types, job_inputs, job_executions, job_activations, job_tasks, job_max_attempts, job_delays,
                          job_priorities, job_limits) x (c, id, type, input, execution, activation, task, max_attempts, delay, priority, limits)),
        ARRAY(SELECT ROW(x.*)::ledger.dropped_row FROM unnest(dropped_job_cmds, dropped_jobs) x),
        ARRAY(SELECT ROW(x.c, x.id, x.kind, CASE WHEN x.delay < 0 THEN -1 - x.delay ELSE x.delay END, x.moment, x.delay < 0,
                         x.execution, x.activation, coalesce(x.owner_kind, 'execution'), coalesce(x.owner, x.execution))::ledger.timer_row
              FROM unnest(timer_cmds, timer_ids, timer_delays, timer_kinds, timer_executions, timer_activations, timer_moments,
                          timer_owner_kinds, timer_owners) x (c, id, delay, kind, execution, activation, moment, owner_kind, owner)),
        ARRAY(SELECT ROW(x.*)::ledger.dropped_row FROM unnest(dropped_timer_cmds, dropped_timers) x));
END
$$;
COMMENT ON FUNCTION ledger.append IS
    'Appends what comes as columns, for processes of the release before: see ledger.append_rows.';
REVOKE EXECUTE ON FUNCTION ledger.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.append TO gesta_system;
