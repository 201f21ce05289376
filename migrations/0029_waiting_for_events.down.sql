DROP INDEX ledger.events_received;
ALTER TABLE runtime.claims DROP COLUMN position;
