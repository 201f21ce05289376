ALTER TABLE projections.approval_assignees DROP COLUMN excluded;
