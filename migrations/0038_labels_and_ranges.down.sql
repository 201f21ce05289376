ALTER TABLE projections.execution_attributes DROP COLUMN number_order, DROP COLUMN value_moment;
DROP TABLE projections.execution_labels;
ALTER TABLE projections.workflow_executions DROP COLUMN labels;
