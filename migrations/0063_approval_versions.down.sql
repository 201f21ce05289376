DROP TABLE projections.approval_watchers;
DROP TABLE projections.approval_comments;
DROP TABLE projections.approval_versions;
ALTER TABLE projections.approval_requests NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_assignees NO FORCE ROW LEVEL SECURITY;
UPDATE projections.approval_requests SET status = 'pending' WHERE status = 'with_requester';
UPDATE projections.approval_assignees SET status = 'pending' WHERE status = 'with_requester';
ALTER TABLE projections.approval_assignees FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_decisions DROP COLUMN request_version, DROP COLUMN attachments;
ALTER TABLE projections.approval_assignees
    DROP CONSTRAINT approval_assignees_status_check,
    ADD CONSTRAINT approval_assignees_status_check CHECK (status IN ('pending', 'resolved', 'cancelled', 'expired'));
ALTER TABLE projections.approval_requests
    DROP COLUMN current_version,
    DROP COLUMN attachments,
    DROP COLUMN recalled_at,
    DROP COLUMN open_questions,
    DROP CONSTRAINT approval_requests_status_check,
    ADD CONSTRAINT approval_requests_status_check CHECK (status IN ('pending', 'resolved', 'cancelled', 'expired'));
COMMENT ON COLUMN projections.approval_requests.status IS 'pending, resolved, cancelled or expired.';
COMMENT ON COLUMN projections.approval_decisions.returned_at IS 'When the request was sent back, so that it counts no longer.';
COMMENT ON COLUMN projections.approval_steps.times_started IS 'How often it was asked: more than once where the request was sent back.';
