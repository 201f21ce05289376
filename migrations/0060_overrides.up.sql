-- Who overrode an approval request, and what those who see one see of each other. The defaults stay: a projector of the release
-- before goes on writing rows without the columns.
ALTER TABLE projections.approval_requests
    ADD COLUMN overridden_by uuid,
    ADD COLUMN visibility text NOT NULL DEFAULT 'names' CHECK (visibility IN ('names', 'counts', 'after_resolution'));
ALTER TABLE projections.approval_decisions ADD COLUMN is_override boolean NOT NULL DEFAULT false;
ALTER TABLE projections.approval_steps DROP CONSTRAINT approval_steps_status_check,
    ADD CONSTRAINT approval_steps_status_check
        CHECK (status IN ('waiting', 'open', 'completed', 'skipped', 'closed', 'overridden'));
COMMENT ON COLUMN projections.approval_requests.overridden_by IS 'Who decided it by an override, whomever it asked.';
COMMENT ON COLUMN projections.approval_requests.visibility IS
    'Whose names those see who see it over HTTP: names, counts (nobody''s), or after_resolution. Here all names are seen.';
COMMENT ON COLUMN projections.approval_decisions.is_override IS
    'Whether it is an override, of the whole request; `comment` is its reason.';
COMMENT ON COLUMN projections.approval_decisions.weight IS 'What it counts, by a rule of weights; 1 otherwise; 0 of an override.';
COMMENT ON COLUMN projections.approval_steps.status IS
    'waiting, open, completed, skipped, overridden, or closed: the request ended without it.';
COMMENT ON COLUMN projections.approval_steps.completed_at IS 'When it was completed, skipped or overridden.';
