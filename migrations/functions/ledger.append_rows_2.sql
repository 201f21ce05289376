-- Appends a batch of commands to one ledger. Arrays: commands, expectations, dependencies and events as columns side by side, and
-- what else a command brings as rows, one array for each kind. *_cmds, dependency_ons and the rows' cmd count commands from 1 in the
-- order of command_ids, and the events of a command stand in their order.
-- One row per command: outcome
--   appended  its events are written                    pos = of its last event, NULL if it had none
--   done      its id is known: nothing was done again   pos, recorded and result are those of the first time
--   conflict  what it was decided on does not hold      reason = version | dependency
--   refused   reason = claim:<scope> (taken names the name) | fence | key_reused | unknown_ledger
--   busy      only with no_wait: somebody else holds the ledger's head
-- Delays are microseconds, and reckoned from the database's time of the append; a timer's, where it names a moment as well, from that
-- moment if it is later. What is dropped may be gone already. Jobs and timers are held where their execution is paused.
CREATE OR REPLACE FUNCTION ledger.append_rows_2(
    tenant uuid, no_wait boolean,
    command_ids uuid[], request_hashes bytea[], results bytea[], metas bytea[],
    expectation_cmds int[], expectation_streams uuid[], expectation_versions bigint[],
    dependency_cmds int[], dependency_ons int[],
    event_cmds int[], event_streams uuid[], event_topics text[], event_times timestamptz[], event_data bytea[],
    claims ledger.claim_row[], releases ledger.claim_row[],
    fences ledger.fence_row[] = '{}', jobs ledger.job_row_2[] = '{}', dropped_jobs ledger.dropped_row[] = '{}',
    timers ledger.timer_row[] = '{}', dropped_timers ledger.dropped_row[] = '{}'
) RETURNS TABLE (cmd int, outcome text, reason text, taken text, pos bigint, recorded timestamptz, result bytea, epoch int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
-- Planned once, and by index even while the tables are small: small batches would be planned afresh each time, at twice the cost.
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    how_many  int := cardinality(command_ids);
    ledger_epoch int;
    last_position bigint;
    recorded_time timestamptz;
    usual     boolean;     -- nobody known, no name contended, no lease lost: if all expectations hold as well, everything is accepted
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
    IF usual AND cardinality(claims) > 0 THEN
        usual := NOT EXISTS (
                SELECT FROM unnest(claims) s
                CROSS JOIN LATERAL (SELECT FROM runtime.claims k WHERE k.tenant_id = tenant AND k.scope = s.scope AND k.name = s.name) k)
            AND NOT EXISTS (  -- claimed twice, or claimed and released: the order matters
                SELECT FROM (SELECT scope, name FROM unnest(claims) UNION ALL (SELECT DISTINCT scope, name FROM unnest(releases))) s
                GROUP BY scope, name HAVING count(*) > 1);
    END IF;
    IF usual AND cardinality(fences) > 0 THEN
        usual := NOT EXISTS (  -- fenced by two commands, or fenced by one and dropped by another: the order matters
                SELECT FROM (SELECT cmd, job FROM unnest(fences) UNION SELECT cmd, id FROM unnest(dropped_jobs)) s
                GROUP BY job HAVING count(*) > 1)
            AND cardinality(fences) = (
                SELECT count(*) FROM (
                    SELECT FROM unnest(fences) f
                    JOIN runtime.jobs j ON j.tenant_id = tenant AND j.id = ANY (ARRAY(SELECT job FROM unnest(fences))) AND j.id = f.job
                        AND j.state = 'leased' AND j.fence = f.token
                        AND (j.lease_until > clock_timestamp()) <> f.lapsed
                    FOR NO KEY UPDATE OF j) held);  -- locked: a heartbeat at the last moment came before this, or comes too late
    END IF;
    accepted := array_fill(true, ARRAY[how_many]);

    LOOP
        IF NOT usual THEN
            SELECT * INTO verdicts FROM ledger.judge_rows(
                tenant, command_ids, request_hashes, expectation_cmds, expectation_streams, expectation_versions,
                dependency_cmds, dependency_ons, event_cmds, event_streams, claims, releases, fences, dropped_jobs);
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

    -- Side rows, looked up by id and never by tenant alone: a plan made for an empty table would go through all that has died in it since.
    -- Within a command what is dropped goes first; what an earlier command made, a later one may drop.
    IF cardinality(fences) > 0 THEN
        DELETE FROM runtime.jobs j WHERE j.tenant_id = tenant AND j.id = ANY (ARRAY(
            SELECT f.job FROM unnest(fences) f WHERE f.becomes = 'done' AND accepted[f.cmd]));
        UPDATE runtime.jobs j
            SET state = CASE WHEN f.becomes = 'dead' THEN 'dead' WHEN f.delay > 0 THEN 'waiting' ELSE 'ready' END,
                run_at = clock_timestamp() + f.delay * interval '1 microsecond',
                lease_until = NULL, lease_seconds = NULL, worker_id = NULL, error = f.error, updated_at = clock_timestamp()
            FROM unnest(fences) f
            WHERE j.tenant_id = tenant AND j.id = ANY (ARRAY(SELECT job FROM unnest(fences))) AND j.id = f.job
              AND f.becomes IN ('retry', 'dead') AND accepted[f.cmd];
    END IF;
    IF cardinality(dropped_jobs) > 0 THEN
        DELETE FROM runtime.jobs j WHERE j.tenant_id = tenant AND j.id = ANY (ARRAY(
            SELECT x.id FROM unnest(dropped_jobs) x WHERE accepted[x.cmd]));
    END IF;
    IF cardinality(jobs) > 0 THEN
        INSERT INTO runtime.jobs (tenant_id, id, type, state, paused, run_at, fence, priority, max_attempts, execution_id, activation_id,
                                  task_id, input, limits, created_at, updated_at)
            SELECT tenant, x.id, x.type, CASE WHEN x.held THEN 'held' WHEN due.at > now.now THEN 'waiting' ELSE 'ready' END, x.held,
                   due.at, x.fence, x.priority, x.max_attempts, x.execution, x.activation, x.task, x.input, x.limits, now.now, now.now
                FROM unnest(jobs) x CROSS JOIN (SELECT clock_timestamp() AS now) now
                CROSS JOIN LATERAL (SELECT greatest(x.moment, now.now + x.delay * interval '1 microsecond') AS at) due
                WHERE accepted[x.cmd] AND NOT EXISTS (
                    SELECT FROM unnest(dropped_jobs) d WHERE d.id = x.id AND d.cmd > x.cmd AND accepted[d.cmd]);
    END IF;
    IF EXISTS (SELECT FROM unnest(jobs) x WHERE x.limits ? 'concurrency' OR x.limits ? 'rate') THEN
        INSERT INTO runtime.limited_tenants VALUES (tenant) ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(dropped_timers) > 0 THEN
        DELETE FROM runtime.timers t WHERE t.tenant_id = tenant AND t.id = ANY (ARRAY(
            SELECT x.id FROM unnest(dropped_timers) x WHERE accepted[x.cmd]));
    END IF;
    IF cardinality(timers) > 0 THEN
        INSERT INTO runtime.timers (tenant_id, id, due_at, remaining, kind, owner_kind, owner_id, fixed, execution_id, activation_id)
            SELECT tenant, x.id,
                   CASE WHEN x.moment IS NULL THEN recorded_time + due.after
                        WHEN x.delay > 0 THEN greatest(x.moment, recorded_time) + due.after ELSE x.moment END,
                   CASE WHEN x.held THEN due.after END, x.kind, x.owner_kind, x.owner, x.moment IS NOT NULL, x.execution, x.activation
                FROM unnest(timers) x CROSS JOIN LATERAL (SELECT x.delay * interval '1 microsecond' AS after) due
                WHERE accepted[x.cmd] AND NOT EXISTS (
                    SELECT FROM unnest(dropped_timers) d WHERE d.id = x.id AND d.cmd > x.cmd AND accepted[d.cmd]);
    END IF;
    IF usual THEN
        IF cardinality(releases) > 0 THEN
            DELETE FROM runtime.claims k USING unnest(releases) x
                WHERE k.tenant_id = tenant AND k.scope = x.scope AND k.name = x.name AND k.owner = x.owner;
        END IF;
        IF cardinality(claims) > 0 THEN
            INSERT INTO runtime.claims (tenant_id, scope, name, owner, position)
                SELECT tenant, x.scope, x.name, x.owner, ends[x.cmd] FROM unnest(claims) x;
        END IF;
        RETURN QUERY SELECT g.c, 'appended', NULL::text, NULL::text, ends[g.c], recorded_time, NULL::bytea, ledger_epoch
            FROM generate_series(1, how_many) g (c);
    ELSE
        DELETE FROM runtime.claims k
            USING unnest(verdicts.dropped_scopes, verdicts.dropped_names, verdicts.dropped_owners) x (scope, name, owner)
            WHERE k.tenant_id = tenant AND k.scope = x.scope AND k.name = x.name AND k.owner = x.owner;
        INSERT INTO runtime.claims (tenant_id, scope, name, owner, position)
            SELECT tenant, x.scope, x.name, x.owner,
                   (SELECT max(ends[y.cmd]) FROM unnest(claims) y
                     WHERE y.scope = x.scope AND y.name = x.name AND y.owner = x.owner AND accepted[y.cmd])
                FROM unnest(verdicts.kept_scopes, verdicts.kept_names, verdicts.kept_owners) x (scope, name, owner);
        RETURN QUERY SELECT v.c::int, v.outcome, v.reason, v.name, k.position, k.created_at,
                CASE WHEN v.outcome = 'done' THEN k.result END, ledger_epoch
            FROM unnest(verdicts.outcomes, verdicts.reasons, verdicts.names) WITH ORDINALITY v (outcome, reason, name, c)
            LEFT JOIN LATERAL (SELECT * FROM runtime.commands r WHERE r.tenant_id = tenant AND r.command_id = command_ids[v.c]
                               AND v.outcome IN ('appended', 'done')) k ON true;
    END IF;
END
$$;
COMMENT ON FUNCTION ledger.append_rows_2 IS
    'Appends a batch of commands to one ledger under the lock of its head: positions without gaps, each command accepted or refused for itself.';
REVOKE EXECUTE ON FUNCTION ledger.append_rows_2 FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.append_rows_2 TO gesta_system;
