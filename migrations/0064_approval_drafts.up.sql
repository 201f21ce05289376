-- Answers that people have begun and not given yet. They are no events: no projection is made of them, and a rebuild does not need
-- them.
CREATE TABLE runtime.approval_drafts (
    tenant_id  uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    request_id uuid        NOT NULL,
    step       text        NOT NULL,
    draft      jsonb       NOT NULL,
    saved_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, user_id, request_id, step)
);
COMMENT ON TABLE runtime.approval_drafts IS 'Answers to approval requests that people have begun, each for its person alone.';
COMMENT ON COLUMN runtime.approval_drafts.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN runtime.approval_drafts.user_id IS 'Whose draft it is.';
COMMENT ON COLUMN runtime.approval_drafts.request_id IS 'The approval request.';
COMMENT ON COLUMN runtime.approval_drafts.step IS 'The name of its step; nothing where it does not ask in steps.';
COMMENT ON COLUMN runtime.approval_drafts.draft IS 'What was filled in so far, not checked.';
COMMENT ON COLUMN runtime.approval_drafts.saved_at IS 'When it was saved last.';
ALTER TABLE runtime.approval_drafts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_drafts_system ON runtime.approval_drafts TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.approval_drafts FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.approval_drafts TO gesta_system;
