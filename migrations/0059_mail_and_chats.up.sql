-- Notifications to people: by mail, and as cards to chats. Processes of the release before go on writing rows without the columns.
ALTER TABLE projections.notification_endpoints
    ADD COLUMN format text NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'slack', 'teams', 'mail')),
    ADD COLUMN mail_from text,
    ADD COLUMN mail_username text,
    ADD COLUMN mail_password_secret text;
COMMENT ON COLUMN projections.notification_endpoints.format IS
    'standard: Standard Webhooks. slack, teams: a card for a chat. mail: to each person whom an event concerns.';
COMMENT ON COLUMN projections.notification_endpoints.mail_from IS 'Of mail by a server of the tenant''s: the address that it is from.';
COMMENT ON COLUMN projections.notification_endpoints.mail_username IS 'As whom one logs in there; null: nobody does.';
COMMENT ON COLUMN projections.notification_endpoints.mail_password_secret IS 'The name of the secret with the password.';
COMMENT ON COLUMN projections.notification_endpoints.url IS
    'Where it is delivered to: of a chat its host alone, of mail the server, smtp: for the platform''s relay.';
COMMENT ON COLUMN projections.notification_endpoints.secret IS
    'The name of the secret that signs, or of a chat''s address; its value is told to nobody.';

ALTER TABLE projections.notification_deliveries
    ADD COLUMN user_id uuid,
    DROP CONSTRAINT notification_deliveries_kind_check,
    ADD CONSTRAINT notification_deliveries_kind_check CHECK (kind IN ('event', 'callback', 'test', 'mail', 'digest')) NOT VALID;
ALTER TABLE projections.notification_deliveries VALIDATE CONSTRAINT notification_deliveries_kind_check;
CREATE INDEX notification_deliveries_by_person
    ON projections.notification_deliveries (tenant_id, user_id, created_at, id) WHERE user_id IS NOT NULL;
COMMENT ON COLUMN projections.notification_deliveries.user_id IS 'Of mail: to whom it goes.';
COMMENT ON COLUMN projections.notification_deliveries.id IS
    'The delivery''s id, which the receiver is sent as webhook-id, or in the Message-ID.';
COMMENT ON COLUMN projections.notification_deliveries.kind IS
    'event: the endpoint wishes for it. callback: the start of an execution asked for it. test. mail: it concerns the person. digest: what waits for the person.';
COMMENT ON COLUMN projections.notification_deliveries.event_position IS
    'Of that event in the ledger; null: of a test or a digest there is none.';
COMMENT ON COLUMN projections.notification_deliveries.status IS
    'pending, delivered, failed: it was given up, or cancelled: its endpoint is disabled or deleted, or it is of no use.';
COMMENT ON COLUMN projections.notification_deliveries.last_status_code IS
    'What it was answered last, by HTTP or SMTP; null: nothing.';
COMMENT ON COLUMN projections.notification_attempts.status_code IS 'What it answered, by HTTP or SMTP; null: nothing.';
