ALTER TABLE projections.approval_requests DROP COLUMN claimed_by;
