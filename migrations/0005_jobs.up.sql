-- Work that follows from what happened: jobs for workers, and moments to come back at. Written by append, beside the events.

CREATE TABLE runtime.jobs (
    tenant_id     uuid        NOT NULL,
    id            uuid        NOT NULL,
    type          text        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('waiting', 'ready', 'leased', 'dead')),
    run_at        timestamptz NOT NULL,
    priority      integer     NOT NULL,
    attempt       integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts  integer     NOT NULL CHECK (max_attempts > 0),
    fence         bigint      NOT NULL DEFAULT 0,
    lease_until   timestamptz,
    lease_seconds double precision,
    worker_id     text,
    execution_id  uuid,
    activation_id uuid,
    task_id       uuid,
    input         bytea,
    error         bytea,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE runtime.jobs IS 'Work for workers. A row goes when its work is done.';
COMMENT ON COLUMN runtime.jobs.tenant_id IS 'In whose ledger the work began.';
COMMENT ON COLUMN runtime.jobs.id IS 'The job.';
COMMENT ON COLUMN runtime.jobs.type IS 'What kind of work: workers lease by it. gesta.* is done by this product''s own.';
COMMENT ON COLUMN runtime.jobs.state IS 'waiting (for run_at), ready, leased (or its lease has run out and nobody has noticed), dead (given up, kept to be looked at).';
COMMENT ON COLUMN runtime.jobs.run_at IS 'Not to be leased before.';
COMMENT ON COLUMN runtime.jobs.priority IS 'Of the ready jobs of a tenant and type the highest goes first.';
COMMENT ON COLUMN runtime.jobs.attempt IS 'How often it was leased.';
COMMENT ON COLUMN runtime.jobs.max_attempts IS 'How often it may be, in total.';
COMMENT ON COLUMN runtime.jobs.fence IS 'The fencing token of the last lease: who shows an older one is refused.';
COMMENT ON COLUMN runtime.jobs.lease_until IS 'When the lease runs out, by the database''s clock.';
COMMENT ON COLUMN runtime.jobs.lease_seconds IS 'How long a lease lasts without a heartbeat.';
COMMENT ON COLUMN runtime.jobs.worker_id IS 'Who has the lease.';
COMMENT ON COLUMN runtime.jobs.execution_id IS 'The execution that waits for it.';
COMMENT ON COLUMN runtime.jobs.activation_id IS 'The visit of a node that waits for it.';
COMMENT ON COLUMN runtime.jobs.task_id IS 'The AI task that it is an attempt of.';
COMMENT ON COLUMN runtime.jobs.input IS 'What the worker is given, as UTF-8 JSON.';
COMMENT ON COLUMN runtime.jobs.error IS 'Why the last attempt failed, as UTF-8 JSON.';
COMMENT ON COLUMN runtime.jobs.created_at IS 'When its command was appended.';
COMMENT ON COLUMN runtime.jobs.updated_at IS 'When its state last changed.';
CREATE INDEX jobs_ready ON runtime.jobs (type, tenant_id, priority DESC, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_waiting ON runtime.jobs (type, run_at) WHERE state = 'waiting';
CREATE INDEX jobs_leased ON runtime.jobs (lease_until) WHERE state = 'leased';
CREATE INDEX jobs_dead ON runtime.jobs (tenant_id, updated_at, id) WHERE state = 'dead';
CREATE INDEX jobs_dead_by_type ON runtime.jobs (tenant_id, type, updated_at, id) WHERE state = 'dead';

CREATE TABLE runtime.timers (
    tenant_id     uuid        NOT NULL,
    id            uuid        NOT NULL,
    due_at        timestamptz NOT NULL,
    kind          text        NOT NULL,
    execution_id  uuid,
    activation_id uuid,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE runtime.timers IS 'Moments to come back at. A row goes with the command that comes back.';
COMMENT ON COLUMN runtime.timers.tenant_id IS 'In whose ledger it was set.';
COMMENT ON COLUMN runtime.timers.id IS 'The timer; the id of the command that it fires is derived from it.';
COMMENT ON COLUMN runtime.timers.due_at IS 'When it fires, by the database''s clock.';
COMMENT ON COLUMN runtime.timers.kind IS 'What for, e.g. timeout.';
COMMENT ON COLUMN runtime.timers.execution_id IS 'The execution it belongs to.';
COMMENT ON COLUMN runtime.timers.activation_id IS 'The visit of a node that it belongs to.';
COMMENT ON COLUMN runtime.timers.created_at IS 'When it was set.';
CREATE INDEX timers_due ON runtime.timers (due_at);

CREATE TABLE runtime.tracking (
    tenant_id        uuid   NOT NULL,
    application_name text   NOT NULL,
    notification_id  bigint NOT NULL,
    PRIMARY KEY (tenant_id, application_name)
);
COMMENT ON TABLE runtime.tracking IS 'How far projections made with the eventsourcing library have come.';
COMMENT ON COLUMN runtime.tracking.tenant_id IS 'Whose ledger is followed.';
COMMENT ON COLUMN runtime.tracking.application_name IS 'By which projection.';
COMMENT ON COLUMN runtime.tracking.notification_id IS 'The position of the last event that was processed.';

GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.jobs, runtime.timers TO gesta_system;
GRANT SELECT, INSERT, UPDATE ON runtime.tracking TO gesta_system;
GRANT SELECT ON runtime.jobs TO gesta_api;
ALTER TABLE runtime.jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.timers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.tracking ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.jobs TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY every_tenant ON runtime.timers TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY every_tenant ON runtime.tracking TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON runtime.jobs FOR SELECT TO gesta_api USING (tenant_id = (SELECT runtime.current_tenant()));

-- Commands are kept for a day: the oldest are found by it.
CREATE INDEX commands_created ON runtime.commands (created_at);

-- Leases jobs, in turn: of every (type, tenant) that has ready jobs an equal share, beginning with the tenants after
-- `after_tenant`, so that a long queue of one tenant does not hold up another's first job. What others are leasing is passed over.
CREATE FUNCTION runtime.lease_jobs(
    wanted text[], most int, seconds double precision, worker text, only_tenant uuid, after_tenant uuid
) RETURNS TABLE (
    tenant_id uuid, id uuid, fence bigint, type text, input bytea, attempt int, max_attempts int, lease_until timestamptz,
    execution_id uuid, activation_id uuid, task_id uuid
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    unit_types   text[];
    unit_tenants uuid[];
    remaining    int := most;
    taken        int;
BEGIN
    UPDATE runtime.jobs j SET state = 'ready', updated_at = clock_timestamp()
        FROM unnest(wanted) w (type) CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.id FROM runtime.jobs d WHERE d.state = 'waiting' AND d.type = w.type AND d.run_at <= clock_timestamp()
            ORDER BY d.run_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED) due
        WHERE j.tenant_id = due.tenant_id AND j.id = due.id;
    WHILE remaining > 0 LOOP
        IF only_tenant IS NOT NULL THEN
            unit_types := wanted;
            unit_tenants := array_fill(only_tenant, ARRAY[cardinality(wanted)]);
        ELSE
            -- From tenant to tenant by one look-up each, as many as there is room for: first those after the last one served.
            WITH RECURSIVE ring AS (
                SELECT s.turn, s.upto, w.type, n.tenant_id, 1 AS nth
                    FROM (VALUES (1, after_tenant, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid),
                                 (2, '00000000-0000-0000-0000-000000000000'::uuid, after_tenant)) s (turn, since, upto)
                    CROSS JOIN unnest(wanted) w (type)
                    CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM runtime.jobs j
                        WHERE j.state = 'ready' AND j.type = w.type AND j.tenant_id > s.since AND j.tenant_id <= s.upto
                        ORDER BY j.tenant_id LIMIT 1) n
                UNION ALL
                SELECT r.turn, r.upto, r.type, n.tenant_id, r.nth + 1
                    FROM ring r CROSS JOIN LATERAL (
                        SELECT j.tenant_id FROM runtime.jobs j
                        WHERE j.state = 'ready' AND j.type = r.type AND j.tenant_id > r.tenant_id AND j.tenant_id <= r.upto
                        ORDER BY j.tenant_id LIMIT 1) n
                    WHERE r.nth < remaining
            )
            SELECT array_agg(u.type), array_agg(u.tenant_id) INTO unit_types, unit_tenants
                FROM (SELECT type, tenant_id FROM ring ORDER BY turn, tenant_id, type LIMIT remaining) u;
        END IF;
        EXIT WHEN unit_types IS NULL;
        RETURN QUERY
            UPDATE runtime.jobs j
                SET state = 'leased', attempt = j.attempt + 1, fence = j.fence + 1, worker_id = worker, lease_seconds = seconds,
                    lease_until = clock_timestamp() + seconds * interval '1 second', updated_at = clock_timestamp()
                FROM (SELECT r.tenant_id, r.id FROM unnest(unit_types, unit_tenants) u (type, tenant) CROSS JOIN LATERAL (
                          SELECT r.tenant_id, r.id FROM runtime.jobs r
                          WHERE r.state = 'ready' AND r.type = u.type AND r.tenant_id = u.tenant
                          ORDER BY r.priority DESC, r.run_at, r.id
                          LIMIT (remaining + cardinality(unit_types) - 1) / cardinality(unit_types)
                          FOR NO KEY UPDATE SKIP LOCKED) r
                      LIMIT remaining) next
                WHERE j.tenant_id = next.tenant_id AND j.id = next.id
                RETURNING j.tenant_id, j.id, j.fence, j.type, j.input, j.attempt, j.max_attempts, j.lease_until,
                          j.execution_id, j.activation_id, j.task_id;
        GET DIAGNOSTICS taken = ROW_COUNT;
        EXIT WHEN taken = 0;
        remaining := remaining - taken;
    END LOOP;
END
$$;
COMMENT ON FUNCTION runtime.lease_jobs IS 'Leases ready jobs of some types, fairly across tenants. Each is handed to one worker, with a new fencing token.';

-- Judging and appending, as before, and beside the events: fences, jobs and timers.
DROP FUNCTION ledger.append;
DROP FUNCTION ledger.judge;

-- Judges a batch command by command, in order: what append does when the usual case does not hold.
-- Parameters as in ledger.append. `dropped` and `kept` are the net changes of names, as three arrays each.
CREATE FUNCTION ledger.judge(
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
        FROM (SELECT * FROM unnest(claim_scopes, claim_names) UNION SELECT * FROM unnest(release_scopes, release_names)) s (scope, name)
        CROSS JOIN LATERAL (SELECT * FROM runtime.claims k WHERE k.tenant_id = tenant AND k.scope = s.scope AND k.name = s.name) c;
    held := held_at_first;
    SELECT coalesce(jsonb_object_agg(j.id, jsonb_build_array(j.fence, j.lease_until > clock_timestamp())), '{}') INTO leased
        FROM (SELECT * FROM runtime.jobs WHERE tenant_id = tenant AND id = ANY (fence_jobs) AND state = 'leased' FOR NO KEY UPDATE) j;
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
        ELSIF EXISTS (SELECT FROM unnest(fence_cmds, fence_jobs, fence_tokens, fence_lapsed) f (c, job, token, lapsed)
                      WHERE f.c = i AND leased -> f.job::text IS DISTINCT FROM jsonb_build_array(f.token, NOT f.lapsed)) THEN
            verdict := 'refused'; why := 'fence';
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
            leased := leased - ARRAY(
                SELECT f.job::text FROM unnest(fence_cmds, fence_jobs, fence_thens) f (c, job, what) WHERE f.c = i AND f.what <> 'keep'
                UNION ALL SELECT d.job::text FROM unnest(dropped_job_cmds, dropped_jobs) d (c, job) WHERE d.c = i);
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
--   refused   reason = claim:<scope> (taken names the name) | fence | key_reused | unknown_ledger
--   busy      only with no_wait: somebody else holds the ledger's head
-- Delays are microseconds; moments are the database's. What is dropped may be gone already.
CREATE FUNCTION ledger.append(
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
    timer_cmds int[] = '{}', timer_ids uuid[] = '{}', timer_times timestamptz[] = '{}', timer_kinds text[] = '{}',
    timer_executions uuid[] = '{}', timer_activations uuid[] = '{}',
    dropped_timer_cmds int[] = '{}', dropped_timers uuid[] = '{}'
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
    IF usual AND cardinality(claim_cmds) > 0 THEN
        usual := NOT EXISTS (
                SELECT FROM unnest(claim_scopes, claim_names) s (scope, name)
                CROSS JOIN LATERAL (SELECT FROM runtime.claims k WHERE k.tenant_id = tenant AND k.scope = s.scope AND k.name = s.name) k)
            AND NOT EXISTS (  -- claimed twice, or claimed and released: the order matters
                SELECT FROM (SELECT * FROM unnest(claim_scopes, claim_names) UNION ALL
                             (SELECT DISTINCT * FROM unnest(release_scopes, release_names))) s (scope, name)
                GROUP BY scope, name HAVING count(*) > 1);
    END IF;
    IF usual AND cardinality(fence_cmds) > 0 THEN
        usual := NOT EXISTS (  -- fenced by two commands, or fenced by one and dropped by another: the order matters
                SELECT FROM (SELECT * FROM unnest(fence_cmds, fence_jobs) UNION SELECT * FROM unnest(dropped_job_cmds, dropped_jobs)) s (c, job)
                GROUP BY job HAVING count(*) > 1)
            AND cardinality(fence_cmds) = (
                SELECT count(*) FROM (
                    SELECT FROM unnest(fence_jobs, fence_tokens, fence_lapsed) f (job, token, lapsed)
                    JOIN runtime.jobs j ON j.tenant_id = tenant AND j.id = f.job AND j.state = 'leased' AND j.fence = f.token
                        AND (j.lease_until > clock_timestamp()) <> f.lapsed
                    FOR NO KEY UPDATE OF j) held);  -- locked: a heartbeat at the last moment came before this, or comes too late
    END IF;
    accepted := array_fill(true, ARRAY[how_many]);

    LOOP
        IF NOT usual THEN
            SELECT * INTO verdicts FROM ledger.judge(
                tenant, command_ids, request_hashes, expectation_cmds, expectation_streams, expectation_versions,
                dependency_cmds, dependency_ons, event_cmds, event_streams, claim_cmds, claim_scopes, claim_names, claim_owners,
                release_cmds, release_scopes, release_names, release_owners,
                fence_cmds, fence_jobs, fence_tokens, fence_lapsed, fence_thens, dropped_job_cmds, dropped_jobs);
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

    -- Side rows. Within a command what is dropped goes first; what an earlier command made, a later one may drop.
    IF cardinality(fence_cmds) > 0 THEN
        DELETE FROM runtime.jobs j USING unnest(fence_cmds, fence_jobs, fence_thens) f (c, job, what)
            WHERE j.tenant_id = tenant AND j.id = f.job AND f.what = 'done' AND accepted[f.c];
        UPDATE runtime.jobs j
            SET state = CASE WHEN f.what = 'dead' THEN 'dead' WHEN f.delay > 0 THEN 'waiting' ELSE 'ready' END,
                run_at = clock_timestamp() + f.delay * interval '1 microsecond',
                lease_until = NULL, lease_seconds = NULL, worker_id = NULL, error = f.error, updated_at = clock_timestamp()
            FROM unnest(fence_cmds, fence_jobs, fence_thens, fence_delays, fence_errors) f (c, job, what, delay, error)
            WHERE j.tenant_id = tenant AND j.id = f.job AND f.what IN ('retry', 'dead') AND accepted[f.c];
    END IF;
    IF cardinality(dropped_job_cmds) > 0 THEN
        DELETE FROM runtime.jobs j USING unnest(dropped_job_cmds, dropped_jobs) x (c, id)
            WHERE j.tenant_id = tenant AND j.id = x.id AND accepted[x.c];
    END IF;
    IF cardinality(job_cmds) > 0 THEN
        INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, execution_id, activation_id, task_id, input,
                                  created_at, updated_at)
            SELECT tenant, x.id, x.type, CASE WHEN x.delay > 0 THEN 'waiting' ELSE 'ready' END, now.now + x.delay * interval '1 microsecond',
                   x.priority, x.max_attempts, x.execution, x.activation, x.task, x.input, now.now, now.now
                FROM unnest(job_cmds, job_ids, job_types, job_inputs, job_executions, job_activations, job_tasks, job_max_attempts, job_delays,
                            job_priorities) x (c, id, type, input, execution, activation, task, max_attempts, delay, priority)
                CROSS JOIN (SELECT clock_timestamp() AS now) now
                WHERE accepted[x.c] AND NOT EXISTS (
                    SELECT FROM unnest(dropped_job_cmds, dropped_jobs) d (c, id) WHERE d.id = x.id AND d.c > x.c AND accepted[d.c]);
    END IF;
    IF cardinality(dropped_timer_cmds) > 0 THEN
        DELETE FROM runtime.timers t USING unnest(dropped_timer_cmds, dropped_timers) x (c, id)
            WHERE t.tenant_id = tenant AND t.id = x.id AND accepted[x.c];
    END IF;
    IF cardinality(timer_cmds) > 0 THEN
        INSERT INTO runtime.timers (tenant_id, id, due_at, kind, execution_id, activation_id)
            SELECT tenant, x.id, x.due, x.kind, x.execution, x.activation
                FROM unnest(timer_cmds, timer_ids, timer_times, timer_kinds, timer_executions, timer_activations)
                    x (c, id, due, kind, execution, activation)
                WHERE accepted[x.c] AND NOT EXISTS (
                    SELECT FROM unnest(dropped_timer_cmds, dropped_timers) d (c, id) WHERE d.id = x.id AND d.c > x.c AND accepted[d.c]);
    END IF;
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

GRANT EXECUTE ON FUNCTION ledger.judge, ledger.append, runtime.lease_jobs TO gesta_system;
