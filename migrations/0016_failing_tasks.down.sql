DROP TABLE runtime.failing_tasks;
