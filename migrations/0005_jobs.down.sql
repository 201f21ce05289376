DROP FUNCTION ledger.append;
DROP FUNCTION ledger.judge;
DROP FUNCTION runtime.lease_jobs;
DROP TABLE runtime.tracking;
DROP TABLE runtime.timers;
DROP TABLE runtime.jobs;
DROP INDEX runtime.commands_created;

-- Judges a batch command by command, in order: what append does when the usual case does not hold.
-- Parameters as in ledger.append. `dropped` and `kept` are the net changes of names, as three arrays each.
CREATE FUNCTION ledger.judge(
    tenant uuid, command_ids uuid[], request_hashes bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[],
    claim_cmds int[], claim_scopes text[], claim_names text[], claim_owners uuid[],
    release_cmds int[], release_scopes text[], release_names text[], release_owners uuid[],
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
        FROM (SELECT * FROM unnest(claim_scopes, claim_names) UNION SELECT * FROM unnest(release_scopes, release_names)) s (scope, name)
        CROSS JOIN LATERAL (SELECT * FROM runtime.claims k WHERE k.tenant_id = tenant AND k.scope = s.scope AND k.name = s.name) c;
    held := held_at_first;
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
        ELSE
            FOR one IN SELECT * FROM unnest(release_cmds, release_scopes, release_names, release_owners) r (c, scope, name, owner) WHERE r.c = i LOOP
                key := jsonb_build_array(one.scope, one.name)::text;
                IF wanted ->> key = one.owner::text THEN wanted := wanted - key; END IF;
            END LOOP;
            FOR one IN SELECT * FROM unnest(claim_cmds, claim_scopes, claim_names, claim_owners) r (c, scope, name, owner) WHERE r.c = i LOOP
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
COMMENT ON FUNCTION ledger.judge IS 'Which commands of a batch the ledger accepts, one after another. A part of ledger.append, under its lock.';

-- Appends a batch of commands to one ledger. Arrays, each kind as columns side by side; *_cmds and dependency_ons count
-- commands from 1 in the order of command_ids, and the events of a command stand in their order.
-- One row per command: outcome
--   appended  its events are written                    pos = of its last event, NULL if it had none
--   done      its id is known: nothing was done again   pos, recorded and result are those of the first time
--   conflict  what it was decided on does not hold      reason = version | dependency
--   refused   reason = claim:<scope> (taken names the name) | key_reused | unknown_ledger
--   busy      only with no_wait: somebody else holds the ledger's head
CREATE FUNCTION ledger.append(
    tenant uuid, no_wait boolean,
    command_ids uuid[], request_hashes bytea[], results bytea[], metas bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[], event_topics text[], event_times timestamptz[], event_data bytea[],
    claim_cmds int[], claim_scopes text[], claim_names text[], claim_owners uuid[],
    release_cmds int[], release_scopes text[], release_names text[], release_owners uuid[]
) RETURNS TABLE (cmd int, outcome text, reason text, taken text, pos bigint, recorded timestamptz, result bytea, epoch int)
LANGUAGE plpgsql VOLATILE
-- Planned once, and by index even while the tables are small: small batches would be planned afresh each time, at twice the cost.
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    how_many  int := cardinality(command_ids);
    ledger_epoch int;
    last_position bigint;
    recorded_time timestamptz;
    usual     boolean;     -- nobody known, no name contended: if all expectations hold as well, everything is accepted
    accepted  boolean[];
    verdicts  record;
    ends      bigint[];    -- per command the position of its last event
    written   boolean := false;
BEGIN
    -- The lock is a statement of its own and the first: what follows sees everything that its last holder committed.
    IF no_wait THEN
        SELECT h.epoch INTO ledger_epoch FROM ledger.heads h WHERE h.tenant_id = tenant FOR NO KEY UPDATE SKIP LOCKED;
    ELSE
        SELECT h.epoch INTO ledger_epoch FROM ledger.heads h WHERE h.tenant_id = tenant FOR NO KEY UPDATE;
    END IF;
    IF ledger_epoch IS NULL THEN
        usual := EXISTS (SELECT FROM ledger.heads h WHERE h.tenant_id = tenant);
        RETURN QUERY SELECT g.c, CASE WHEN usual THEN 'busy' ELSE 'refused' END, CASE WHEN usual THEN NULL ELSE 'unknown_ledger' END,
            NULL::text, NULL::bigint, NULL::timestamptz, NULL::bytea, NULL::int FROM generate_series(1, how_many) g (c);
        RETURN;
    END IF;

    SELECT e.position, e.recorded_at INTO last_position, recorded_time
        FROM ledger.events e WHERE e.tenant_id = tenant ORDER BY e.position DESC LIMIT 1;
    last_position := coalesce(last_position, 0);
    recorded_time := greatest(clock_timestamp(), recorded_time);

    usual := NOT EXISTS (SELECT FROM runtime.commands k WHERE k.tenant_id = tenant AND k.command_id = ANY (command_ids))
        AND (SELECT count(DISTINCT id) = how_many FROM unnest(command_ids) id);
    IF usual AND cardinality(claim_cmds) > 0 THEN
        usual := NOT EXISTS (
                SELECT FROM unnest(claim_scopes, claim_names) s (scope, name)
                CROSS JOIN LATERAL (SELECT FROM runtime.claims k WHERE k.tenant_id = tenant AND k.scope = s.scope AND k.name = s.name) k)
            AND NOT EXISTS (  -- claimed twice, or claimed and released: the order matters
                SELECT FROM (SELECT * FROM unnest(claim_scopes, claim_names) UNION ALL
                             (SELECT DISTINCT * FROM unnest(release_scopes, release_names))) s (scope, name)
                GROUP BY scope, name HAVING count(*) > 1);
    END IF;
    accepted := array_fill(true, ARRAY[how_many]);

    LOOP
        IF NOT usual THEN
            SELECT * INTO verdicts FROM ledger.judge(
                tenant, command_ids, request_hashes, expectation_cmds, expectation_streams, expectation_versions,
                dependency_cmds, dependency_ons, event_cmds, event_streams, claim_cmds, claim_scopes, claim_names, claim_owners,
                release_cmds, release_scopes, release_names, release_owners);
            accepted := verdicts.accepted;
        END IF;
        -- If every accepted command is appended, which version does each expectation meet, and which does each event get?
        -- One sort by stream, one look-up per stream. Written only if all expectations hold; if not, they are judged in order.
        WITH touched AS (
            SELECT x.c, x.stream, x.version, 0 AS kind, 0::bigint AS ord
                FROM unnest(expectation_cmds, expectation_streams, expectation_versions) x (c, stream, version) WHERE accepted[x.c]
            UNION ALL
            SELECT x.c, x.stream, NULL, 1, x.ord
                FROM unnest(event_cmds, event_streams) WITH ORDINALITY x (c, stream, ord) WHERE accepted[x.c]
        ), counted AS (
            SELECT *, row_number() OVER w AS nth, count(*) FILTER (WHERE kind = 1) OVER w AS added
                FROM touched WINDOW w AS (PARTITION BY stream ORDER BY c, kind, ord ROWS UNBOUNDED PRECEDING)
        ), based AS MATERIALIZED (
            SELECT *, added + max(CASE WHEN nth = 1 THEN coalesce(
                    (SELECT e.version FROM ledger.events e WHERE e.tenant_id = tenant AND e.stream_id = counted.stream
                     ORDER BY e.version DESC LIMIT 1), 0) END) OVER (PARTITION BY stream) AS met
                FROM counted
        ), verdict AS MATERIALIZED (
            SELECT coalesce(bool_and(version IS NOT DISTINCT FROM met), true) AS holds FROM based WHERE kind = 0
        ), inserted AS (
            INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
            SELECT tenant, last_position + row_number() OVER (ORDER BY c, ord), stream, met,
                   event_topics[ord], event_times[ord], recorded_time, command_ids[c], metas[c], event_data[ord]
                FROM based WHERE kind = 1 AND (SELECT holds FROM verdict)
        )
        SELECT holds INTO written FROM verdict;
        EXIT WHEN written;
        IF NOT usual THEN
            RAISE EXCEPTION 'the two ways of judging a batch disagree';
        END IF;
        usual := false;
    END LOOP;

    SELECT array_agg(CASE WHEN n > 0 THEN last_position + upto END ORDER BY c) INTO ends FROM (
        SELECT c, count(*) - 1 AS n, sum(count(*) - 1) OVER (ORDER BY c)::bigint AS upto FROM (
            SELECT generate_series(1, how_many) AS c UNION ALL SELECT x.c FROM unnest(event_cmds) x (c) WHERE accepted[x.c]) s GROUP BY c) t;
    INSERT INTO runtime.commands (tenant_id, command_id, request_hash, position, result, created_at)
        SELECT tenant, x.id, x.hash, x.ending, x.answer, recorded_time
            FROM unnest(command_ids, request_hashes, ends, results) WITH ORDINALITY x (id, hash, ending, answer, c) WHERE accepted[x.c];

    -- Side rows. (Jobs and timers, when they come, are written here as well.)
    IF usual THEN
        IF cardinality(release_cmds) > 0 THEN
            DELETE FROM runtime.claims k USING unnest(release_scopes, release_names, release_owners) x (scope, name, owner)
                WHERE k.tenant_id = tenant AND k.scope = x.scope AND k.name = x.name AND k.owner = x.owner;
        END IF;
        IF cardinality(claim_cmds) > 0 THEN
            INSERT INTO runtime.claims (tenant_id, scope, name, owner)
                SELECT tenant, x.scope, x.name, x.owner FROM unnest(claim_scopes, claim_names, claim_owners) x (scope, name, owner);
        END IF;
        RETURN QUERY SELECT g.c, 'appended', NULL::text, NULL::text, ends[g.c], recorded_time, NULL::bytea, ledger_epoch
            FROM generate_series(1, how_many) g (c);
    ELSE
        DELETE FROM runtime.claims k
            USING unnest(verdicts.dropped_scopes, verdicts.dropped_names, verdicts.dropped_owners) x (scope, name, owner)
            WHERE k.tenant_id = tenant AND k.scope = x.scope AND k.name = x.name AND k.owner = x.owner;
        INSERT INTO runtime.claims (tenant_id, scope, name, owner)
            SELECT tenant, x.scope, x.name, x.owner
                FROM unnest(verdicts.kept_scopes, verdicts.kept_names, verdicts.kept_owners) x (scope, name, owner);
        RETURN QUERY SELECT v.c::int, v.outcome, v.reason, v.name, k.position, k.created_at,
                CASE WHEN v.outcome = 'done' THEN k.result END, ledger_epoch
            FROM unnest(verdicts.outcomes, verdicts.reasons, verdicts.names) WITH ORDINALITY v (outcome, reason, name, c)
            LEFT JOIN LATERAL (SELECT * FROM runtime.commands r WHERE r.tenant_id = tenant AND r.command_id = command_ids[v.c]
                               AND v.outcome IN ('appended', 'done')) k ON true;
    END IF;
END
$$;
COMMENT ON FUNCTION ledger.append IS
    'Appends a batch of commands to one ledger under the lock of its head: positions without gaps, each command accepted or refused for itself.';

GRANT EXECUTE ON FUNCTION ledger.judge, ledger.append TO gesta_system;
