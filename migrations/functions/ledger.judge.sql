-- A part of ledger.append as it was before ledger.append_rows. It stays for what is under way while the functions change.
CREATE OR REPLACE FUNCTION ledger.judge(
    tenant uuid, command_ids uuid[], request_hashes bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[],
    claim_cmds int[], claim_scopes text[], claim_names text[], claim_owners uuid[],
    release_cmds int[], release_scopes text[], release_names text[], release_owners uuid[],
    fence_cmds int[], fence_jobs uuid[], fence_tokens bigint[], fence_lapsed boolean[], fence_thens text[],
    dropped_job_cmds int[], dropped_jobs uuid[],
    OUT outcomes text[], OUT reasons text[], OUT names text[], OUT accepted boolean[],
    OUT dropped_scopes text[], OUT dropped_names text[], OUT dropped_owners uuid[],
    OUT kept_scopes text[], OUT kept_names text[], OUT kept_owners uuid[]
) LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    SELECT * INTO outcomes, reasons, names, accepted, dropped_scopes, dropped_names, dropped_owners, kept_scopes, kept_names, kept_owners
        FROM ledger.judge_rows(
            tenant, command_ids, request_hashes, expectation_cmds, expectation_streams, expectation_versions,
            dependency_cmds, dependency_ons, event_cmds, event_streams,
            ARRAY(SELECT ROW(x.*)::ledger.claim_row FROM unnest(claim_cmds, claim_scopes, claim_names, claim_owners) x),
            ARRAY(SELECT ROW(x.*)::ledger.claim_row FROM unnest(release_cmds, release_scopes, release_names, release_owners) x),
            ARRAY(SELECT ROW(x.*, NULL, NULL)::ledger.fence_row FROM unnest(fence_cmds, fence_jobs, fence_tokens, fence_lapsed, fence_thens) x),
            ARRAY(SELECT ROW(x.*)::ledger.dropped_row FROM unnest(dropped_job_cmds, dropped_jobs) x));
END
$$;
COMMENT ON FUNCTION ledger.judge IS
    'Judges what comes as columns: see ledger.judge_rows.';
GRANT EXECUTE ON FUNCTION ledger.judge TO gesta_system;
