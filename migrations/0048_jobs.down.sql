DROP TABLE projections.jobs;
COMMENT ON COLUMN runtime.jobs.task_id IS 'The stream that it is for within its execution: the AI task that it is an attempt of, or the item of a foreach.';
DROP TYPE ledger.job_row_2;
