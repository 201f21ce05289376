-- An event of a topic that this release does not know is no fault of the event's: its tenant's tables wait for a release that knows it.
ALTER TABLE runtime.projection_faults ADD COLUMN topic text;
COMMENT ON COLUMN runtime.projection_faults.topic IS
    'The event''s topic, where it is one that the release which met it does not know: the tables wait for one that does. NULL for any other fault.';
