-- Who may not choose any of the outcomes that name them: excluded requests are not in their list.
-- The default stays: a projector of the release before goes on writing rows without the column.
ALTER TABLE projections.approval_assignees ADD COLUMN excluded text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN projections.approval_assignees.excluded IS
    'Ids of users who are excluded from every outcome that names this user, this role or anyone.';
