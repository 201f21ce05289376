ALTER TABLE runtime.projection_faults DROP COLUMN topic;
