COMMENT ON COLUMN projections.notification_endpoints.events IS
    'The types of events that it wishes for: execution.completed, execution.*, *.';
COMMENT ON COLUMN projections.notification_endpoints.format IS
    'standard: Standard Webhooks. slack, teams: a card for a chat. mail: to each person whom an event concerns.';
ALTER TABLE projections.notification_endpoints
    DROP CONSTRAINT notification_endpoints_format_check,
    ADD CONSTRAINT notification_endpoints_format_check CHECK (format IN ('standard', 'slack', 'teams', 'mail'));
DROP TABLE runtime.event_feeds;
