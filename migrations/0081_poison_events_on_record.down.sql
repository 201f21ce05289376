ALTER TABLE runtime.projection_skips DROP COLUMN recorded_by;
ALTER TABLE runtime.projection_faults DROP COLUMN trace;
