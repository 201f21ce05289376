-- Endpoints that are sent the ledger itself: how far each has got. Processes of the release before make none, and look at none.
CREATE TABLE runtime.event_feeds (
    tenant_id       uuid NOT NULL,
    endpoint_id     uuid NOT NULL,
    position        bigint NOT NULL,
    leased_until    timestamptz,
    next_attempt_at timestamptz,
    failing_since   timestamptz,
    failures        integer NOT NULL DEFAULT 0,
    last_error      text,
    delivered_at    timestamptz,
    rewound         bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, endpoint_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE runtime.event_feeds IS 'How far each endpoint has got that is sent the ledger in its order.';
COMMENT ON COLUMN runtime.event_feeds.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.event_feeds.endpoint_id IS 'The notification endpoint.';
COMMENT ON COLUMN runtime.event_feeds.position IS 'Up to where it has accepted what it wishes for.';
COMMENT ON COLUMN runtime.event_feeds.leased_until IS 'Until when a worker is at it; in the past: when one was last.';
COMMENT ON COLUMN runtime.event_feeds.next_attempt_at IS 'Not before this moment; null: as soon as there is something.';
COMMENT ON COLUMN runtime.event_feeds.failing_since IS 'When the first of the attempts failed that have failed since it accepted something; null: none has.';
COMMENT ON COLUMN runtime.event_feeds.failures IS 'How many have.';
COMMENT ON COLUMN runtime.event_feeds.last_error IS 'What came of the last of them.';
COMMENT ON COLUMN runtime.event_feeds.delivered_at IS 'When it accepted something last.';
COMMENT ON COLUMN runtime.event_feeds.rewound IS 'The version of its endpoint when it was last told to go on from elsewhere.';
COMMENT ON COLUMN runtime.event_feeds.created_at IS 'When it was made, a moment before its endpoint.';
ALTER TABLE runtime.event_feeds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.event_feeds TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.event_feeds FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.event_feeds TO gesta_system;

ALTER TABLE projections.notification_endpoints
    DROP CONSTRAINT notification_endpoints_format_check,
    ADD CONSTRAINT notification_endpoints_format_check CHECK (format IN ('standard', 'slack', 'teams', 'mail', 'events')) NOT VALID;
ALTER TABLE projections.notification_endpoints VALIDATE CONSTRAINT notification_endpoints_format_check;
COMMENT ON COLUMN projections.notification_endpoints.format IS
    'standard: Standard Webhooks. slack, teams: a card for a chat. mail: to each person whom an event concerns. events: the ledger itself, in its order.';
COMMENT ON COLUMN projections.notification_endpoints.events IS
    'The types of events that it wishes for: execution.completed, execution.*, *. Of the format events: topics.';
