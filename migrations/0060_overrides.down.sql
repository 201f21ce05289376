ALTER TABLE projections.approval_steps NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_decisions NO FORCE ROW LEVEL SECURITY;
UPDATE projections.approval_steps SET status = 'closed' WHERE status = 'overridden';
DELETE FROM projections.approval_decisions WHERE is_override;
ALTER TABLE projections.approval_decisions FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_steps FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_steps DROP CONSTRAINT approval_steps_status_check,
    ADD CONSTRAINT approval_steps_status_check CHECK (status IN ('waiting', 'open', 'completed', 'skipped', 'closed'));
ALTER TABLE projections.approval_decisions DROP COLUMN is_override;
ALTER TABLE projections.approval_requests DROP COLUMN visibility, DROP COLUMN overridden_by;
COMMENT ON COLUMN projections.approval_decisions.weight IS 'What it counts, by a rule of weights; 1 otherwise.';
COMMENT ON COLUMN projections.approval_steps.status IS
    'waiting, open, completed, skipped, or closed: the request ended without it.';
COMMENT ON COLUMN projections.approval_steps.completed_at IS 'When it was completed or skipped.';
