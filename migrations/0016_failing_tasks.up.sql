-- Background tasks that keep failing, of processes that answer no questions themselves: every API tells of them (/readyz, /metrics).
CREATE TABLE runtime.failing_tasks (
    process   text        NOT NULL,
    task      text        NOT NULL,
    error     text        NOT NULL,
    failures  bigint      NOT NULL CHECK (failures > 0),
    since     timestamptz NOT NULL,
    failed_at timestamptz NOT NULL,
    told_at   timestamptz NOT NULL,
    PRIMARY KEY (process, task)
);
COMMENT ON TABLE runtime.failing_tasks IS 'Background tasks that fail time and again. A row goes when the task is well, and counts for nothing when its process says no more.';
COMMENT ON COLUMN runtime.failing_tasks.process IS 'What kind of process, on which host, and its number.';
COMMENT ON COLUMN runtime.failing_tasks.task IS 'Which of its tasks.';
COMMENT ON COLUMN runtime.failing_tasks.error IS 'What it failed with last.';
COMMENT ON COLUMN runtime.failing_tasks.failures IS 'How often it failed since it was well.';
COMMENT ON COLUMN runtime.failing_tasks.since IS 'When it failed first since it was well.';
COMMENT ON COLUMN runtime.failing_tasks.failed_at IS 'When it failed last.';
COMMENT ON COLUMN runtime.failing_tasks.told_at IS 'When its process last said so.';
ALTER TABLE runtime.failing_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE runtime.failing_tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY failing_tasks_system ON runtime.failing_tasks TO gesta_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.failing_tasks TO gesta_system;
