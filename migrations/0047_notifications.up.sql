-- Notifications: where events are delivered to, what is on its way there, and each attempt. And beside the ledger how far it was looked
-- for what is to be delivered, and since when an endpoint accepts nothing.
CREATE TABLE projections.notification_endpoints (
    tenant_id             uuid NOT NULL,
    id                    uuid NOT NULL,
    url                   text NOT NULL,
    events                text[] NOT NULL,
    workflow_key          text,
    description           text,
    status                text NOT NULL CHECK (status IN ('enabled', 'disabled')),
    disabled_why          text CHECK (disabled_why IN ('by_hand', 'gone', 'failing')),
    disabled_at           timestamptz,
    secret                text NOT NULL,
    secret_number         bigint NOT NULL,
    previous_secret_until timestamptz,
    created_by            uuid,
    version               bigint NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notification_endpoints_by_creation ON projections.notification_endpoints (tenant_id, created_at, id);
COMMENT ON TABLE projections.notification_endpoints IS 'Where events are delivered to, signed.';
COMMENT ON COLUMN projections.notification_endpoints.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.notification_endpoints.id IS 'The endpoint''s id.';
COMMENT ON COLUMN projections.notification_endpoints.url IS 'Where it is delivered to.';
COMMENT ON COLUMN projections.notification_endpoints.events IS 'The types of events that it wishes for: execution.completed, execution.*, *.';
COMMENT ON COLUMN projections.notification_endpoints.workflow_key IS 'Only what concerns this workflow is delivered; null: whichever.';
COMMENT ON COLUMN projections.notification_endpoints.description IS 'What it is for.';
COMMENT ON COLUMN projections.notification_endpoints.status IS 'enabled or disabled: nothing is delivered.';
COMMENT ON COLUMN projections.notification_endpoints.disabled_why IS 'by_hand, gone (it answered 410), or failing (it accepted nothing for days).';
COMMENT ON COLUMN projections.notification_endpoints.disabled_at IS 'When it was disabled.';
COMMENT ON COLUMN projections.notification_endpoints.secret IS 'The name of the secret that signs; its value is told to nobody.';
COMMENT ON COLUMN projections.notification_endpoints.secret_number IS 'Of that secret: 1 when the endpoint was created, one more with each rotation.';
COMMENT ON COLUMN projections.notification_endpoints.previous_secret_until IS 'Until when the secret before signs as well.';
COMMENT ON COLUMN projections.notification_endpoints.created_by IS 'Who created it; null: a service or the platform.';
COMMENT ON COLUMN projections.notification_endpoints.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.notification_endpoints.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.notification_endpoints.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.notification_endpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY notification_endpoints_system ON projections.notification_endpoints TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY notification_endpoints_api ON projections.notification_endpoints FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.notification_endpoints FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.notification_endpoints TO gesta_system;
GRANT SELECT ON projections.notification_endpoints TO gesta_api;

CREATE TABLE projections.notification_deliveries (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    endpoint_id      uuid,
    url              text,
    kind             text NOT NULL CHECK (kind IN ('event', 'callback', 'test')),
    event_type       text NOT NULL,
    event_position   bigint,
    resource_id      uuid,
    status           text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'cancelled')),
    attempts         integer NOT NULL,
    last_status_code integer,
    last_error       text,
    next_attempt_at  timestamptz,
    delivered_at     timestamptz,
    version          bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notification_deliveries_by_creation ON projections.notification_deliveries (tenant_id, created_at, id);
CREATE INDEX notification_deliveries_by_status ON projections.notification_deliveries (tenant_id, status, created_at, id);
CREATE INDEX notification_deliveries_by_endpoint ON projections.notification_deliveries (tenant_id, endpoint_id, created_at, id);
CREATE INDEX notification_deliveries_by_type ON projections.notification_deliveries (tenant_id, event_type, created_at, id);
CREATE INDEX notification_deliveries_by_resource ON projections.notification_deliveries (tenant_id, resource_id, created_at, id);
COMMENT ON TABLE projections.notification_deliveries IS 'What was to be delivered to endpoints, and how that stands.';
COMMENT ON COLUMN projections.notification_deliveries.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.notification_deliveries.id IS 'The delivery''s id, which the receiver is sent as webhook-id.';
COMMENT ON COLUMN projections.notification_deliveries.endpoint_id IS 'Where it goes; null: to an address that the start of an execution named.';
COMMENT ON COLUMN projections.notification_deliveries.url IS 'That address; null where it goes to an endpoint.';
COMMENT ON COLUMN projections.notification_deliveries.kind IS 'event: the endpoint wishes for it. callback: the start of an execution asked for it. test.';
COMMENT ON COLUMN projections.notification_deliveries.event_type IS 'What it tells of: execution.completed, approval.requested.';
COMMENT ON COLUMN projections.notification_deliveries.event_position IS 'Of that event in the ledger; null: of a test there is none.';
COMMENT ON COLUMN projections.notification_deliveries.resource_id IS 'The execution or approval request to which it happened.';
COMMENT ON COLUMN projections.notification_deliveries.status IS 'pending, delivered, failed: it was given up, or cancelled: its endpoint was disabled or deleted.';
COMMENT ON COLUMN projections.notification_deliveries.attempts IS 'How often it was sent.';
COMMENT ON COLUMN projections.notification_deliveries.last_status_code IS 'What it was answered last; null: nothing.';
COMMENT ON COLUMN projections.notification_deliveries.last_error IS 'Why it was not accepted then, or why it is cancelled.';
COMMENT ON COLUMN projections.notification_deliveries.next_attempt_at IS 'When it is sent next.';
COMMENT ON COLUMN projections.notification_deliveries.delivered_at IS 'When it was accepted.';
COMMENT ON COLUMN projections.notification_deliveries.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.notification_deliveries.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.notification_deliveries.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.notification_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY notification_deliveries_system ON projections.notification_deliveries TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY notification_deliveries_api ON projections.notification_deliveries FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.notification_deliveries FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.notification_deliveries TO gesta_system;
GRANT SELECT ON projections.notification_deliveries TO gesta_api;

CREATE TABLE projections.notification_attempts (
    tenant_id    uuid NOT NULL,
    delivery_id  uuid NOT NULL,
    attempt      integer NOT NULL,
    is_accepted  boolean NOT NULL,
    status_code  integer,
    error_type   text,
    error        text,
    response     text,
    duration_ms  integer NOT NULL,
    attempted_at timestamptz NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id, attempt),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES projections.notification_deliveries (tenant_id, id)
);
COMMENT ON TABLE projections.notification_attempts IS 'Each time that a delivery was sent, and what came of it.';
COMMENT ON COLUMN projections.notification_attempts.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.notification_attempts.delivery_id IS 'The delivery.';
COMMENT ON COLUMN projections.notification_attempts.attempt IS 'Its number: 1, 2, 3 …';
COMMENT ON COLUMN projections.notification_attempts.is_accepted IS 'Whether the receiver accepted it: it answered with a status from 200 to 299.';
COMMENT ON COLUMN projections.notification_attempts.status_code IS 'What it answered; null: nothing.';
COMMENT ON COLUMN projections.notification_attempts.error_type IS 'Why it does not count as accepted, as a word.';
COMMENT ON COLUMN projections.notification_attempts.error IS 'Why it does not count as accepted, as a sentence.';
COMMENT ON COLUMN projections.notification_attempts.response IS 'The beginning of the answer''s body.';
COMMENT ON COLUMN projections.notification_attempts.duration_ms IS 'How long that took.';
COMMENT ON COLUMN projections.notification_attempts.attempted_at IS 'When what came of it was known.';
COMMENT ON COLUMN projections.notification_attempts.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.notification_attempts.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.notification_attempts.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.notification_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY notification_attempts_system ON projections.notification_attempts TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY notification_attempts_api ON projections.notification_attempts FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.notification_attempts FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.notification_attempts TO gesta_system;
GRANT SELECT ON projections.notification_attempts TO gesta_api;

CREATE TABLE runtime.notification_cursors (
    tenant_id    uuid PRIMARY KEY,
    position     bigint NOT NULL,
    endpoints    jsonb NOT NULL DEFAULT '{}',
    catalogue    integer NOT NULL DEFAULT 0,
    leased_until timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE runtime.notification_cursors IS 'How far each ledger was looked through for what is to be delivered: those of tenants that have, or had, somebody to notify.';
COMMENT ON COLUMN runtime.notification_cursors.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.notification_cursors.position IS 'Up to here all deliveries were asked for.';
COMMENT ON COLUMN runtime.notification_cursors.endpoints IS 'The endpoints as of that position: what each wishes for.';
COMMENT ON COLUMN runtime.notification_cursors.catalogue IS 'How many types of events the newest release knew that looked: an older one would pass over some, and leaves it alone.';
COMMENT ON COLUMN runtime.notification_cursors.leased_until IS 'Until when a worker is at it; in the past: when one was last.';

CREATE TABLE runtime.notification_failures (
    tenant_id     uuid NOT NULL,
    endpoint_id   uuid NOT NULL,
    failing_since timestamptz NOT NULL,
    failures      bigint NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE runtime.notification_failures IS 'Endpoints that accepted nothing since some moment. A row goes when something is accepted.';
COMMENT ON COLUMN runtime.notification_failures.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.notification_failures.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN runtime.notification_failures.failing_since IS 'When the first of these attempts failed.';
COMMENT ON COLUMN runtime.notification_failures.failures IS 'How many attempts failed since.';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['notification_cursors', 'notification_failures'] LOOP
        EXECUTE format('ALTER TABLE runtime.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY every_tenant ON runtime.%I TO gesta_system USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY backup ON runtime.%I FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()))', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.%I TO gesta_system', t);
    END LOOP;
END
$$;
