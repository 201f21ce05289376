DROP INDEX projections.notification_deliveries_by_person;
ALTER TABLE projections.notification_attempts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.notification_deliveries NO FORCE ROW LEVEL SECURITY;
DELETE FROM projections.notification_attempts a
 USING projections.notification_deliveries d
 WHERE (d.tenant_id, d.id) = (a.tenant_id, a.delivery_id) AND d.kind IN ('mail', 'digest');
DELETE FROM projections.notification_deliveries WHERE kind IN ('mail', 'digest');
ALTER TABLE projections.notification_deliveries FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.notification_attempts FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.notification_deliveries
    DROP COLUMN user_id,
    DROP CONSTRAINT notification_deliveries_kind_check,
    ADD CONSTRAINT notification_deliveries_kind_check CHECK (kind IN ('event', 'callback', 'test'));
ALTER TABLE projections.notification_endpoints
    DROP COLUMN format,
    DROP COLUMN mail_from,
    DROP COLUMN mail_username,
    DROP COLUMN mail_password_secret;
COMMENT ON COLUMN projections.notification_endpoints.url IS 'Where it is delivered to.';
COMMENT ON COLUMN projections.notification_endpoints.secret IS 'The name of the secret that signs; its value is told to nobody.';
COMMENT ON COLUMN projections.notification_deliveries.id IS 'The delivery''s id, which the receiver is sent as webhook-id.';
COMMENT ON COLUMN projections.notification_deliveries.kind IS 'event: the endpoint wishes for it. callback: the start of an execution asked for it. test.';
COMMENT ON COLUMN projections.notification_deliveries.event_position IS 'Of that event in the ledger; null: of a test there is none.';
COMMENT ON COLUMN projections.notification_deliveries.status IS 'pending, delivered, failed: it was given up, or cancelled: its endpoint was disabled or deleted.';
COMMENT ON COLUMN projections.notification_deliveries.last_status_code IS 'What it was answered last; null: nothing.';
COMMENT ON COLUMN projections.notification_attempts.status_code IS 'What it answered; null: nothing.';
