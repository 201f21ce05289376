DROP VIEW projections.archive_months;
DROP INDEX projections.workflow_executions_by_end;
DROP TABLE projections.archived_executions, projections.archived_rows, projections.retention_policies;
