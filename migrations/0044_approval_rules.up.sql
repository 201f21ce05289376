-- Rules of several people: what a decision counts and why it was made so; and whose decisions count, where that was fixed.
-- The defaults stay: a projector of the release before goes on writing rows without the columns.
ALTER TABLE projections.approval_decisions
    ADD COLUMN reason text,
    ADD COLUMN weight integer NOT NULL DEFAULT 1;
COMMENT ON COLUMN projections.approval_decisions.reason IS 'One of the outcome''s reason codes.';
COMMENT ON COLUMN projections.approval_decisions.weight IS 'What it counts, by a rule of weights; 1 otherwise.';
ALTER TABLE projections.approval_assignees
    ADD COLUMN role text,
    ADD COLUMN weight integer,
    ADD COLUMN members_fixed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN projections.approval_assignees.role IS
    'Of one who was asked as a member of a role when these were fixed: that role''s key.';
COMMENT ON COLUMN projections.approval_assignees.weight IS 'Of one who was asked when these were fixed: what their decision counts.';
COMMENT ON COLUMN projections.approval_assignees.members_fixed IS
    'Whether this role stands for those who had it when they were asked: they have rows of their own.';
COMMENT ON COLUMN projections.approval_requests.required_approvals IS
    'How many approvals the rule asks for; of a rule of weights, of what weight.';
