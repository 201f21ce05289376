-- Limits of concurrency and of rate, and weights of tenants: what whoever leases jobs goes by. Kept by triggers on ledger.events.
CREATE TABLE runtime.limits (
    tenant_id    uuid    NOT NULL,
    id           uuid    NOT NULL,
    scope        text    NOT NULL CHECK (scope IN ('tenant', 'workflow', 'node', 'job_type', 'key')),
    name         text    NOT NULL,
    concurrency  integer CHECK (concurrency >= 0),
    rate_count   integer CHECK (rate_count > 0),
    rate_per     text,
    rate_seconds double precision CHECK (rate_seconds > 0),
    set_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, scope, name),
    CHECK ((rate_count IS NULL) = (rate_seconds IS NULL))
);
COMMENT ON TABLE runtime.limits IS 'The limits in force. Written by the trigger on ledger.events.';
COMMENT ON COLUMN runtime.limits.tenant_id IS 'Whose jobs it limits.';
COMMENT ON COLUMN runtime.limits.id IS 'The stream of the limit.';
COMMENT ON COLUMN runtime.limits.scope IS 'Which of the tenant''s jobs: all (tenant), or those of a workflow, a node, a type, a key.';
COMMENT ON COLUMN runtime.limits.name IS 'Of which one: the workflow''s key, workflow/node, the type, the key. Empty for the tenant.';
COMMENT ON COLUMN runtime.limits.concurrency IS 'How many may be leased at a time. NULL: as many as there are.';
COMMENT ON COLUMN runtime.limits.rate_count IS 'How many may be leased in any rate_seconds. NULL: as many as there are.';
COMMENT ON COLUMN runtime.limits.rate_per IS 'The length of the window, as it was given.';
COMMENT ON COLUMN runtime.limits.rate_seconds IS 'The length of the window.';
COMMENT ON COLUMN runtime.limits.set_at IS 'When it was last changed.';

-- Its row is the lock under which a tenant's limited jobs are counted and leased; the table's lock orders leases and changes of limits.
CREATE TABLE runtime.limited_tenants (tenant_id uuid PRIMARY KEY);
COMMENT ON TABLE runtime.limited_tenants IS 'Tenants that have, or had, limits or jobs that bring their own.';
COMMENT ON COLUMN runtime.limited_tenants.tenant_id IS 'The tenant.';

CREATE TABLE runtime.limit_buckets (
    tenant_id   uuid        NOT NULL,
    bucket      text        NOT NULL,
    rate_firsts timestamptz[] NOT NULL DEFAULT '{}',
    rate_lasts  timestamptz[] NOT NULL DEFAULT '{}',
    rate_counts integer[]   NOT NULL DEFAULT '{}',
    next_at     timestamptz,
    checks      integer     NOT NULL DEFAULT 0,
    is_blocking boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, bucket)
) WITH (fillfactor = 50);
COMMENT ON TABLE runtime.limit_buckets IS 'What is counted together, and when it is next worth looking for those that it holds back.';
COMMENT ON COLUMN runtime.limit_buckets.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.limit_buckets.bucket IS 'tenant, or type:, workflow:, node:, key: or rate: and a name.';
COMMENT ON COLUMN runtime.limit_buckets.rate_firsts IS 'When the first job of each slice of the window was leased.';
COMMENT ON COLUMN runtime.limit_buckets.rate_lasts IS 'When the last one was.';
COMMENT ON COLUMN runtime.limit_buckets.rate_counts IS 'How many of them there were.';
COMMENT ON COLUMN runtime.limit_buckets.next_at IS 'When it is next looked for those that it holds back. NULL: it holds back none.';
COMMENT ON COLUMN runtime.limit_buckets.checks IS 'How often that was in vain.';
COMMENT ON COLUMN runtime.limit_buckets.is_blocking IS 'Whether it holds back all jobs of the tenant or of a type: they are passed over as a whole until next_at.';
CREATE INDEX limit_buckets_blocking ON runtime.limit_buckets (tenant_id, bucket) WHERE is_blocking;
CREATE INDEX limit_buckets_next ON runtime.limit_buckets (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE runtime.limit_uses (
    tenant_id uuid NOT NULL,
    bucket    text NOT NULL,
    job_id    uuid NOT NULL,
    PRIMARY KEY (tenant_id, bucket, job_id)
);
COMMENT ON TABLE runtime.limit_uses IS 'The leased jobs that count in a bucket.';
COMMENT ON COLUMN runtime.limit_uses.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.limit_uses.bucket IS 'As in runtime.limit_buckets.';
COMMENT ON COLUMN runtime.limit_uses.job_id IS 'The job.';

CREATE TABLE runtime.tenant_weights (
    tenant_id uuid PRIMARY KEY,
    weight    integer NOT NULL CHECK (weight BETWEEN 1 AND 1000)
);
COMMENT ON TABLE runtime.tenant_weights IS 'Shares of the tenants whose settings name a weight; all others have 1. Written by the trigger on ledger.events.';
COMMENT ON COLUMN runtime.tenant_weights.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.tenant_weights.weight IS 'Its share of what is leased while others wait as well.';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['limits', 'limited_tenants', 'limit_buckets', 'limit_uses', 'tenant_weights'] LOOP
        EXECUTE format('ALTER TABLE runtime.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY every_tenant ON runtime.%I TO gesta_system USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY by_append ON runtime.%I TO gesta_owner USING ((SELECT runtime.appending())) WITH CHECK ((SELECT runtime.appending()))', t);
        EXECUTE format('CREATE POLICY backup ON runtime.%I FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()))', t);
    END LOOP;
END
$$;
GRANT SELECT ON runtime.tenant_weights TO gesta_system;
-- Deferred triggers run as whoever commits, up to PostgreSQL 17.
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.limits, runtime.limited_tenants, runtime.limit_buckets, runtime.limit_uses TO gesta_system;
GRANT SELECT ON runtime.limits TO gesta_api;
CREATE POLICY own_tenant ON runtime.limits FOR SELECT TO gesta_api USING (tenant_id = (SELECT runtime.current_tenant()));

ALTER TABLE runtime.jobs ADD COLUMN limits jsonb, ADD COLUMN counted_in text[], ADD COLUMN held_back_by text;
COMMENT ON COLUMN runtime.jobs.limits IS 'What limits go by: workflow, node, and what its node brings: concurrency {key, limit}, rate {key, count, seconds}.';
COMMENT ON COLUMN runtime.jobs.counted_in IS 'The buckets in which it counts while it is leased.';
COMMENT ON COLUMN runtime.jobs.held_back_by IS 'The bucket that is full: it is ready, and not leased before there is room.';

ALTER TABLE runtime.job_queue ADD COLUMN bucket text, DROP CONSTRAINT job_queue_state_check,
    ADD CONSTRAINT job_queue_state_check CHECK (state IN ('waiting', 'ready', 'leased', 'limited'));
COMMENT ON COLUMN runtime.job_queue.state IS 'As in runtime.jobs; limited: ready, but held back by a limit.';
COMMENT ON COLUMN runtime.job_queue.bucket IS 'Of a limited one: the bucket that is full.';
CREATE INDEX job_queue_limited ON runtime.job_queue (tenant_id, bucket, priority DESC, run_at, id) WHERE state = 'limited';
