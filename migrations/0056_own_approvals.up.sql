-- Approval requests of their own, that no execution asks for.
ALTER TABLE projections.approval_requests
    ALTER COLUMN execution_id DROP NOT NULL,
    ALTER COLUMN activation_id DROP NOT NULL,
    ALTER COLUMN node_id DROP NOT NULL;
COMMENT ON COLUMN projections.approval_requests.execution_id IS 'The execution that asks; null: it was asked by itself.';
COMMENT ON COLUMN projections.approval_requests.activation_id IS
    'The visit of the approval node that asks; null where no execution does.';
COMMENT ON COLUMN projections.approval_requests.node_id IS 'That node; null where no execution asks.';
COMMENT ON COLUMN projections.approval_requests.requested_by IS
    'On whose behalf the execution asks, or who asked, where none does.';
