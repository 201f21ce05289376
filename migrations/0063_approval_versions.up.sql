-- Requests that are recalled, changed and resubmitted, and what is said about them. The defaults stay: a projector of the release
-- before goes on writing rows without the columns.
ALTER TABLE projections.approval_requests
    ADD COLUMN current_version integer NOT NULL DEFAULT 1,
    ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN recalled_at timestamptz,
    ADD COLUMN open_questions integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT approval_requests_status_check,
    ADD CONSTRAINT approval_requests_status_check
        CHECK (status IN ('pending', 'with_requester', 'resolved', 'cancelled', 'expired'));
ALTER TABLE projections.approval_assignees
    DROP CONSTRAINT approval_assignees_status_check,
    ADD CONSTRAINT approval_assignees_status_check
        CHECK (status IN ('pending', 'with_requester', 'resolved', 'cancelled', 'expired'));
ALTER TABLE projections.approval_decisions
    ADD COLUMN request_version integer NOT NULL DEFAULT 1,
    ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]';

CREATE TABLE projections.approval_versions (
    tenant_id    uuid NOT NULL,
    request_id   uuid NOT NULL,
    number       integer NOT NULL,
    title        text NOT NULL,
    description  text,
    context      jsonb,
    attachments  jsonb NOT NULL,
    changes      jsonb NOT NULL,
    asked_again  jsonb NOT NULL,
    submitted_by uuid,
    submitted_at timestamptz NOT NULL,
    comment      text,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, number)
);
COMMENT ON TABLE projections.approval_versions IS 'What was asked, each time that an approval request was resubmitted. Of one that never was there is nothing here: see approval_requests.';
COMMENT ON COLUMN projections.approval_versions.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_versions.request_id IS 'The request.';
COMMENT ON COLUMN projections.approval_versions.number IS '1, 2, 3 … per request.';
COMMENT ON COLUMN projections.approval_versions.title IS 'What was asked.';
COMMENT ON COLUMN projections.approval_versions.description IS 'What was asked, at length.';
COMMENT ON COLUMN projections.approval_versions.context IS 'What those who were asked were shown.';
COMMENT ON COLUMN projections.approval_versions.attachments IS 'Files that went with it: [{name, reference, sha256, media_type, size}].';
COMMENT ON COLUMN projections.approval_versions.changes IS 'In what it differs from the version before: [{path (JSON pointer), how}].';
COMMENT ON COLUMN projections.approval_versions.asked_again IS 'The numbers of the steps that were asked again because of it.';
COMMENT ON COLUMN projections.approval_versions.submitted_by IS 'Who submitted it; null: a service.';
COMMENT ON COLUMN projections.approval_versions.submitted_at IS 'When it was submitted.';
COMMENT ON COLUMN projections.approval_versions.comment IS 'What they said.';
COMMENT ON COLUMN projections.approval_versions.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.approval_versions.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.approval_versions.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.approval_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_versions_system ON projections.approval_versions TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY approval_versions_api ON projections.approval_versions FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.approval_versions FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.approval_versions TO gesta_system;
GRANT SELECT ON projections.approval_versions TO gesta_api;

CREATE TABLE projections.approval_comments (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    request_id  uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('question', 'answer', 'comment')),
    user_id     uuid NOT NULL,
    to_user_id  uuid,
    question_id uuid,
    text        text,
    attachments jsonb NOT NULL,
    said_at     timestamptz NOT NULL,
    answered_at timestamptz,
    edited_at   timestamptz,
    deleted_at  timestamptz,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES projections.approval_requests (tenant_id, id)
);
CREATE INDEX approval_comments_by_request ON projections.approval_comments (tenant_id, request_id, said_at, id);
COMMENT ON TABLE projections.approval_comments IS 'What people say about approval requests: questions, answers, comments.';
COMMENT ON COLUMN projections.approval_comments.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_comments.id IS 'Its id.';
COMMENT ON COLUMN projections.approval_comments.request_id IS 'The request.';
COMMENT ON COLUMN projections.approval_comments.kind IS 'question, answer or comment.';
COMMENT ON COLUMN projections.approval_comments.user_id IS 'Who said it.';
COMMENT ON COLUMN projections.approval_comments.to_user_id IS 'Whom a question was asked.';
COMMENT ON COLUMN projections.approval_comments.question_id IS 'The question that an answer is to.';
COMMENT ON COLUMN projections.approval_comments.text IS 'What they said; null once they have deleted it.';
COMMENT ON COLUMN projections.approval_comments.attachments IS 'Files that go with it: [{name, reference, sha256, media_type, size}].';
COMMENT ON COLUMN projections.approval_comments.said_at IS 'When they said it.';
COMMENT ON COLUMN projections.approval_comments.answered_at IS 'When a question was answered.';
COMMENT ON COLUMN projections.approval_comments.edited_at IS 'When they last changed it.';
COMMENT ON COLUMN projections.approval_comments.deleted_at IS 'When they deleted it.';
COMMENT ON COLUMN projections.approval_comments.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.approval_comments.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.approval_comments.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.approval_comments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_comments_system ON projections.approval_comments TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY approval_comments_api ON projections.approval_comments FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.approval_comments FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.approval_comments TO gesta_system;
GRANT SELECT ON projections.approval_comments TO gesta_api;

CREATE TABLE projections.approval_watchers (
    tenant_id  uuid NOT NULL,
    request_id uuid NOT NULL,
    user_id    uuid NOT NULL,
    added_by   uuid,
    since      timestamptz NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, user_id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES projections.approval_requests (tenant_id, id)
);
CREATE INDEX approval_watchers_by_person ON projections.approval_watchers (tenant_id, user_id, request_id);
COMMENT ON TABLE projections.approval_watchers IS 'Who wants to know what becomes of an approval request.';
COMMENT ON COLUMN projections.approval_watchers.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_watchers.request_id IS 'The request.';
COMMENT ON COLUMN projections.approval_watchers.user_id IS 'Who watches it.';
COMMENT ON COLUMN projections.approval_watchers.added_by IS 'Who had them do so, where it was another one.';
COMMENT ON COLUMN projections.approval_watchers.since IS 'Since when.';
COMMENT ON COLUMN projections.approval_watchers.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.approval_watchers.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.approval_watchers.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.approval_watchers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_watchers_system ON projections.approval_watchers TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY approval_watchers_api ON projections.approval_watchers FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.approval_watchers FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.approval_watchers TO gesta_system;
GRANT SELECT ON projections.approval_watchers TO gesta_api;

COMMENT ON COLUMN projections.approval_requests.current_version IS 'The number of the version that was submitted last, from 1.';
COMMENT ON COLUMN projections.approval_requests.attachments IS 'Files that go with it: [{name, reference, sha256, media_type, size}].';
COMMENT ON COLUMN projections.approval_requests.recalled_at IS 'Since when it is with who asked; null: it is not.';
COMMENT ON COLUMN projections.approval_requests.open_questions IS 'Questions about it that are not answered.';
COMMENT ON COLUMN projections.approval_requests.status IS 'pending, with_requester (recalled, or sent back to who asked: nobody decides), resolved, cancelled or expired.';
COMMENT ON COLUMN projections.approval_decisions.request_version IS 'The number of the version of the request that they decided on.';
COMMENT ON COLUMN projections.approval_decisions.attachments IS 'Files that go with it: [{name, reference, sha256, media_type, size}].';
COMMENT ON COLUMN projections.approval_decisions.returned_at IS 'When it was asked for again, as the request was sent back or resubmitted, so that it counts no longer.';
COMMENT ON COLUMN projections.approval_steps.times_started IS
    'How often it was asked: more than once where the request was sent back or resubmitted.';
