-- Texts of models as they come, for whoever follows a task, and answers for the very same requests. Both are kept for a while.
CREATE TABLE runtime.ai_stream_chunks (
    tenant_id     uuid NOT NULL,
    task_id       uuid NOT NULL,
    attempt_id    uuid NOT NULL,
    number        bigint GENERATED ALWAYS AS IDENTITY,
    position      bigint NOT NULL,
    length        int NOT NULL,
    piece         bytea NOT NULL,
    written_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, task_id, number)
);
CREATE INDEX ai_stream_chunks_by_age ON runtime.ai_stream_chunks (written_at);
COMMENT ON TABLE runtime.ai_stream_chunks IS 'Texts of models as they come, kept for hours.';
COMMENT ON COLUMN runtime.ai_stream_chunks.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.ai_stream_chunks.task_id IS 'The AI task.';
COMMENT ON COLUMN runtime.ai_stream_chunks.attempt_id IS 'The attempt that it is of.';
COMMENT ON COLUMN runtime.ai_stream_chunks.number IS 'Their order.';
COMMENT ON COLUMN runtime.ai_stream_chunks.position IS 'Characters of the task''s stream before it.';
COMMENT ON COLUMN runtime.ai_stream_chunks.length IS 'Characters of the piece.';
COMMENT ON COLUMN runtime.ai_stream_chunks.piece IS 'The piece, as events are stored: encrypted where these are.';
COMMENT ON COLUMN runtime.ai_stream_chunks.written_at IS 'When it was written.';
ALTER TABLE runtime.ai_stream_chunks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_stream_chunks_system ON runtime.ai_stream_chunks TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.ai_stream_chunks FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.ai_stream_chunks TO gesta_system;
CREATE TABLE runtime.ai_answers (
    tenant_id     uuid NOT NULL,
    request       bytea NOT NULL,
    attempt_id    uuid NOT NULL,
    answer        bytea NOT NULL,
    written_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, request)
);
CREATE INDEX ai_answers_by_age ON runtime.ai_answers (written_at);
CREATE INDEX ai_answers_of_tenant ON runtime.ai_answers (tenant_id, written_at);
COMMENT ON TABLE runtime.ai_answers IS 'Answers of models to the very same requests, for tasks that allow it.';
COMMENT ON COLUMN runtime.ai_answers.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.ai_answers.request IS 'SHA-256 of the model and everything that is sent.';
COMMENT ON COLUMN runtime.ai_answers.attempt_id IS 'The attempt that was answered.';
COMMENT ON COLUMN runtime.ai_answers.answer IS 'The answer, as events are stored: encrypted where these are.';
COMMENT ON COLUMN runtime.ai_answers.written_at IS 'When it was written.';
ALTER TABLE runtime.ai_answers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_answers_system ON runtime.ai_answers TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.ai_answers FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.ai_answers TO gesta_system;
