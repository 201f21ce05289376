-- For processes of the release before: it appends jobs without a moment of their own or a first fence by ledger.append_rows_2, which see.
CREATE OR REPLACE FUNCTION ledger.append_rows(
    tenant uuid, no_wait boolean,
    command_ids uuid[], request_hashes bytea[], results bytea[], metas bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[], event_topics text[], event_times timestamptz[], event_data bytea[],
    claims ledger.claim_row[], releases ledger.claim_row[],
    fences ledger.fence_row[] = '{}', jobs ledger.job_row[] = '{}', dropped_jobs ledger.dropped_row[] = '{}',
    timers ledger.timer_row[] = '{}', dropped_timers ledger.dropped_row[] = '{}'
) RETURNS TABLE (cmd int, outcome text, reason text, taken text, pos bigint, recorded timestamptz, result bytea, epoch int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT * FROM ledger.append_rows_2(
        tenant, no_wait, command_ids, request_hashes, results, metas, expectation_cmds, expectation_streams, expectation_versions,
        dependency_cmds, dependency_ons, event_cmds, event_streams, event_topics, event_times, event_data, claims, releases, fences,
        ARRAY(SELECT ROW(j.cmd, j.id, j.type, j.execution, j.activation, j.task, j.max_attempts, j.delay, j.held, j.priority, j.limits,
                         NULL, 0, j.input)::ledger.job_row_2 FROM unnest(jobs) j),
        dropped_jobs, timers, dropped_timers);
END
$$;
COMMENT ON FUNCTION ledger.append_rows IS
    'Appends a batch of commands, for processes of the release before: see ledger.append_rows_2.';
REVOKE EXECUTE ON FUNCTION ledger.append_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.append_rows TO gesta_system;
