-- Who waits for events holds a name, and it is known since which position: an event that came before is not told to them.
ALTER TABLE runtime.claims ADD COLUMN position bigint;
COMMENT ON COLUMN runtime.claims.position IS 'In the ledger, of the last event of the command that took the name; NULL where none, or before this was noted.';
CREATE INDEX events_received ON ledger.events (tenant_id, position) WHERE topic = 'event.received.v1';
