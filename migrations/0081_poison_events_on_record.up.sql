-- What is done about poison events is on record in the ledger, and where the error arose can be looked at.
-- A release before this one leaves both columns NULL.
ALTER TABLE runtime.projection_faults ADD COLUMN trace text;
COMMENT ON COLUMN runtime.projection_faults.trace IS 'Where the error arose: the end of the last attempt''s traceback.';
ALTER TABLE runtime.projection_skips ADD COLUMN recorded_by bigint CHECK (recorded_by > position);
COMMENT ON COLUMN runtime.projection_skips.recorded_by IS
    'Position of the event projection.event_skipped that says so; NULL: skipped by a release that appended none.';
