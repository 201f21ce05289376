-- Who has taken an approval request on. It stays empty where a projector of the release before writes.
ALTER TABLE projections.approval_requests ADD COLUMN claimed_by uuid;
COMMENT ON COLUMN projections.approval_requests.claimed_by IS
    'Who has taken on what is asked now, so that nobody else decides it.';
