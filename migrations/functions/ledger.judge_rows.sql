-- Judges a batch command by command, in order: what append does when the usual case does not hold.
-- Parameters as in ledger.append_rows. `dropped` and `kept` are the net changes of names, as three arrays each.
CREATE OR REPLACE FUNCTION ledger.judge_rows(
    tenant uuid, command_ids uuid[], request_hashes bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[],
    claims ledger.claim_row[], releases ledger.claim_row[], fences ledger.fence_row[], dropped_jobs ledger.dropped_row[],
    OUT outcomes text[], OUT reasons text[], OUT names text[], OUT accepted boolean[],
    OUT dropped_scopes text[], OUT dropped_names text[], OUT dropped_owners uuid[],
    OUT kept_scopes text[], OUT kept_names text[], OUT kept_owners uuid[]
) LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    known    jsonb;  -- command id → its request hash, of commands that were appended before or earlier in this batch
    versions jsonb;  -- stream → its version after the commands accepted so far
    held_at_first jsonb;  -- [scope, name] → owner, of the names that this batch speaks of
    held     jsonb;  -- the same after the commands accepted so far
    wanted   jsonb;  -- the same if the command at hand is accepted
    leased   jsonb;  -- job → [its fencing token, whether the lease lasts], of leased jobs after the commands accepted so far
    verdict  text;
    why      text;
    whose    text;
    one      record;
    key      text;
BEGIN
    SELECT coalesce(jsonb_object_agg(command_id, encode(request_hash, 'hex')), '{}') INTO known
        FROM runtime.commands WHERE tenant_id = tenant AND command_id = ANY (command_ids);
    SELECT coalesce(jsonb_object_agg(s.id, coalesce(
            (SELECT e.version FROM ledger.events e WHERE e.tenant_id = tenant AND e.stream_id = s.id ORDER BY e.version DESC LIMIT 1), 0)), '{}')
        INTO versions FROM (SELECT DISTINCT unnest(expectation_streams || event_streams) AS id) s;
    SELECT coalesce(jsonb_object_agg(jsonb_build_array(c.scope, c.name)::text, c.owner), '{}') INTO held_at_first
        FROM (SELECT scope, name FROM unnest(claims) UNION SELECT scope, name FROM unnest(releases)) s
        CROSS JOIN LATERAL (SELECT * FROM runtime.claims k WHERE k.tenant_id = tenant AND k.scope = s.scope AND k.name = s.name) c;
    held := held_at_first;
    SELECT coalesce(jsonb_object_agg(j.id, jsonb_build_array(j.fence, j.lease_until > clock_timestamp())), '{}') INTO leased
        FROM (SELECT * FROM runtime.jobs WHERE tenant_id = tenant AND id = ANY (ARRAY(SELECT job FROM unnest(fences))) AND state = 'leased' FOR NO KEY UPDATE) j;
    outcomes := '{}'; reasons := '{}'; names := '{}'; accepted := '{}';

    FOR i IN 1 .. cardinality(command_ids) LOOP
        verdict := 'appended'; why := NULL; whose := NULL; wanted := held;
        IF known ? command_ids[i]::text THEN
            IF known ->> command_ids[i]::text IS DISTINCT FROM encode(request_hashes[i], 'hex') THEN
                verdict := 'refused'; why := 'key_reused';
            ELSE
                verdict := 'done';
            END IF;
        ELSIF EXISTS (SELECT FROM unnest(dependency_cmds, dependency_ons) d (c, c_on) WHERE d.c = i AND accepted[d.c_on] IS NOT TRUE) THEN
            -- Decided on the outcome of a command that was not appended. A foreign event may have brought the stream to
            -- the very version that was expected: the number fits, but not what the decision was made on.
            verdict := 'conflict'; why := 'dependency';
        ELSIF EXISTS (SELECT FROM unnest(expectation_cmds, expectation_streams, expectation_versions) x (c, stream, version)
                      WHERE x.c = i AND (versions ->> x.stream::text)::bigint IS DISTINCT FROM x.version) THEN
            verdict := 'conflict'; why := 'version';
        ELSIF EXISTS (SELECT FROM unnest(fences) f
                      WHERE f.cmd = i AND leased -> f.job::text IS DISTINCT FROM jsonb_build_array(f.token, NOT f.lapsed)) THEN
            verdict := 'refused'; why := 'fence';
        ELSE
            FOR one IN SELECT * FROM unnest(releases) r WHERE r.cmd = i LOOP
                key := jsonb_build_array(one.scope, one.name)::text;
                IF wanted ->> key = one.owner::text THEN wanted := wanted - key; END IF;
            END LOOP;
            FOR one IN SELECT * FROM unnest(claims) r WHERE r.cmd = i LOOP
                key := jsonb_build_array(one.scope, one.name)::text;
                IF wanted ->> key <> one.owner::text THEN
                    verdict := 'refused'; why := 'claim:' || one.scope; whose := one.name;
                    EXIT;
                END IF;
                wanted := wanted || jsonb_build_object(key, one.owner);
            END LOOP;
        END IF;
        outcomes := outcomes || verdict; reasons := reasons || why; names := names || whose;
        accepted := accepted || (verdict = 'appended');
        IF verdict = 'appended' THEN
            held := wanted;
            leased := leased - ARRAY(
                SELECT f.job::text FROM unnest(fences) f WHERE f.cmd = i AND f.becomes <> 'keep'
                UNION ALL SELECT d.id::text FROM unnest(dropped_jobs) d WHERE d.cmd = i);
            known := known || jsonb_build_object(command_ids[i], encode(request_hashes[i], 'hex'));
            SELECT versions || coalesce(jsonb_object_agg(g.stream, (versions ->> g.stream::text)::bigint + g.n), '{}') INTO versions
                FROM (SELECT e.stream, count(*) AS n FROM unnest(event_cmds, event_streams) e (c, stream) WHERE e.c = i GROUP BY 1) g;
        END IF;
    END LOOP;

    SELECT array_agg(k.key::jsonb ->> 0), array_agg(k.key::jsonb ->> 1), array_agg(k.value::uuid)
        INTO dropped_scopes, dropped_names, dropped_owners
        FROM jsonb_each_text(held_at_first) k WHERE held ->> k.key IS DISTINCT FROM k.value;
    SELECT array_agg(k.key::jsonb ->> 0), array_agg(k.key::jsonb ->> 1), array_agg(k.value::uuid)
        INTO kept_scopes, kept_names, kept_owners
        FROM jsonb_each_text(held) k WHERE held_at_first ->> k.key IS DISTINCT FROM k.value;
END
$$;
COMMENT ON FUNCTION ledger.judge_rows IS
    'Which commands of a batch the ledger accepts, one after another. A part of ledger.append_rows, under its lock.';
GRANT EXECUTE ON FUNCTION ledger.judge_rows TO gesta_system;
