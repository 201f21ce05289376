DROP POLICY backup ON runtime.failing_tasks;
