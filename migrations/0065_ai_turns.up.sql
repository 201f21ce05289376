-- Turns and calls of tools of AI tasks, and tasks that no execution asks for. The defaults stay: a projector of the release before goes on
-- writing rows without the columns.

ALTER TABLE projections.ai_agent_tasks
    ADD COLUMN workflow_key text,
    ADD COLUMN turns integer NOT NULL DEFAULT 0,
    ADD COLUMN tool_calls integer NOT NULL DEFAULT 0,
    ADD COLUMN open_questions integer NOT NULL DEFAULT 0,
    ADD COLUMN tools jsonb,
    ADD COLUMN bounds jsonb,
    ADD COLUMN continues_id uuid,
    ADD COLUMN external boolean NOT NULL DEFAULT false,
    ADD COLUMN original_output jsonb,
    ADD COLUMN review_outcome text,
    ADD COLUMN reviewed_by uuid,
    ALTER COLUMN execution_id DROP NOT NULL,
    ALTER COLUMN activation_id DROP NOT NULL,
    ALTER COLUMN node_id DROP NOT NULL,
    DROP CONSTRAINT ai_agent_tasks_status_check,
    ADD CONSTRAINT ai_agent_tasks_status_check
        CHECK (status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled'));

COMMENT ON COLUMN projections.ai_agent_tasks.workflow_key IS 'The workflow whose execution asks.';
COMMENT ON COLUMN projections.ai_agent_tasks.turns IS 'How often a model has answered, in its turns.';
COMMENT ON COLUMN projections.ai_agent_tasks.tool_calls IS 'How many calls of tools were made.';
COMMENT ON COLUMN projections.ai_agent_tasks.open_questions IS 'How many approval requests it waits for.';
COMMENT ON COLUMN projections.ai_agent_tasks.tools IS 'The tools that it may call: [{name, type, policy, …}]; null: none.';
COMMENT ON COLUMN projections.ai_agent_tasks.bounds IS 'How far it may go: {turns, tool_calls, tokens, cost, currency, time, repeats, repairs, rejections}; null: not said.';
COMMENT ON COLUMN projections.ai_agent_tasks.continues_id IS 'The task whose conversation it goes on with.';
COMMENT ON COLUMN projections.ai_agent_tasks.external IS 'Whether an agent elsewhere does it, and reports its turns.';
COMMENT ON COLUMN projections.ai_agent_tasks.original_output IS 'What was reviewed, as the model had it; null: nothing was.';
COMMENT ON COLUMN projections.ai_agent_tasks.review_outcome IS 'The last review: approved, edited, rejected, expired or cancelled.';
COMMENT ON COLUMN projections.ai_agent_tasks.reviewed_by IS 'Who decided there.';
COMMENT ON COLUMN projections.ai_agent_tasks.execution_id IS 'The execution that asks; null: the task was asked for by itself.';
COMMENT ON COLUMN projections.ai_agent_tasks.activation_id IS 'The visit of the ai_agent node that asks; null as execution_id.';
COMMENT ON COLUMN projections.ai_agent_tasks.node_id IS 'That node; null as execution_id.';
COMMENT ON COLUMN projections.ai_agent_tasks.status IS 'pending (also between two attempts), running, waiting (for people, or a workflow that is a tool), completed, failed or cancelled.';

ALTER TABLE projections.ai_agent_attempts
    ADD COLUMN turn integer NOT NULL DEFAULT 1,
    ADD COLUMN purpose text NOT NULL DEFAULT 'turn' CHECK (purpose IN ('turn', 'guard')),
    ADD COLUMN answered text,
    ADD COLUMN cached_from uuid;

COMMENT ON COLUMN projections.ai_agent_attempts.turn IS 'Of which turn, from 1.';
COMMENT ON COLUMN projections.ai_agent_attempts.purpose IS 'turn, or guard: a model judged what went in or out.';
COMMENT ON COLUMN projections.ai_agent_attempts.answered IS 'What the model wrote, where that did not fit.';
COMMENT ON COLUMN projections.ai_agent_attempts.cached_from IS 'The attempt whose answer this is, from the cache: no provider was called.';

CREATE TABLE projections.ai_agent_turns (
    tenant_id   uuid NOT NULL,
    task_id     uuid NOT NULL,
    number      integer NOT NULL,
    attempt_id  uuid NOT NULL,
    text        text,
    output      jsonb,
    tool_calls  integer NOT NULL,
    feedback    text,
    answered_at timestamptz NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id, number)
);
COMMENT ON TABLE projections.ai_agent_turns IS 'What models answered in each turn of an AI task, and what they were told after it.';
COMMENT ON COLUMN projections.ai_agent_turns.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_agent_turns.task_id IS 'The task.';
COMMENT ON COLUMN projections.ai_agent_turns.number IS '1, 2, 3 … for each task.';
COMMENT ON COLUMN projections.ai_agent_turns.attempt_id IS 'The attempt that was answered.';
COMMENT ON COLUMN projections.ai_agent_turns.text IS 'What the model said beside its calls of tools.';
COMMENT ON COLUMN projections.ai_agent_turns.output IS 'What it answered; null where it asked for tools.';
COMMENT ON COLUMN projections.ai_agent_turns.tool_calls IS 'How many calls of tools it asked for.';
COMMENT ON COLUMN projections.ai_agent_turns.feedback IS 'What a reviewer told it after that, who sent the output back.';
COMMENT ON COLUMN projections.ai_agent_turns.answered_at IS 'When it was answered.';
COMMENT ON COLUMN projections.ai_agent_turns.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.ai_agent_turns.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.ai_agent_turns.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.ai_agent_turns ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_agent_turns_system ON projections.ai_agent_turns TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY ai_agent_turns_api ON projections.ai_agent_turns FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.ai_agent_turns FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.ai_agent_turns TO gesta_system;
GRANT SELECT ON projections.ai_agent_turns TO gesta_api;

CREATE TABLE projections.ai_agent_tool_calls (
    tenant_id     uuid NOT NULL,
    task_id       uuid NOT NULL,
    id            uuid NOT NULL,
    turn          integer NOT NULL,
    place         integer NOT NULL,
    tool          text NOT NULL,
    arguments     jsonb,
    called_with   jsonb,
    verdict       text NOT NULL CHECK (verdict IN ('allow', 'deny', 'ask')),
    why           text,
    status        text NOT NULL CHECK (status IN ('ready', 'asked', 'running', 'succeeded', 'failed', 'denied', 'cancelled')),
    edited        boolean NOT NULL,
    denial_reason text,
    message       text,
    request_id    uuid,
    decided_by    uuid,
    attempts      integer NOT NULL,
    result        jsonb,
    result_cut    bigint,
    error_details jsonb,
    child_id      uuid,
    latency_ms    bigint,
    started_at    timestamptz,
    completed_at  timestamptz,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id, id)
);
COMMENT ON TABLE projections.ai_agent_tool_calls IS 'The calls of tools that models asked for: whether they were made, who allowed it, and what came of them.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.task_id IS 'The task.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.id IS 'The call''s id.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.turn IS 'The turn in which the model asked for it.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.place IS 'Its place among the calls of that turn, from 1.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.tool IS 'The tool''s name.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.arguments IS 'What the model wants it called with; null: what it wrote is no JSON object.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.called_with IS 'What it was called with; null: it was not called.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.verdict IS 'What the tool''s policy said: allow, deny or ask.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.why IS 'Why, where it did not say allow.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.status IS 'ready (to be called), asked (people decide), running, succeeded, failed, denied, or cancelled with its task.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.edited IS 'Whether a person replaced the model''s arguments.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.denial_reason IS 'Why not: not_allowed, policy, malformed, guard, repetition, too_many, budget, rejected, expired, cancelled.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.message IS 'What the model was told of a call that was denied or failed.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.request_id IS 'The approval request by which people were asked.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.decided_by IS 'Who decided there.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.attempts IS 'How often it was started: more than once where its end was not known.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.result IS 'What the model was told it came to.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.result_cut IS 'How many characters the result had before it was cut; null: it was not.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.error_details IS '{type, message, retryable} of one that failed.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.child_id IS 'The execution that a workflow tool started.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.latency_ms IS 'How long it took, in milliseconds; null: not known.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.started_at IS 'When it was started first.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.completed_at IS 'When it succeeded, failed, was denied or cancelled.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.ai_agent_tool_calls.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.ai_agent_tool_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_agent_tool_calls_system ON projections.ai_agent_tool_calls TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY ai_agent_tool_calls_api ON projections.ai_agent_tool_calls FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.ai_agent_tool_calls FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.ai_agent_tool_calls TO gesta_system;
GRANT SELECT ON projections.ai_agent_tool_calls TO gesta_api;

-- Before this, events of requests that no node makes had the tag "None".
ALTER TABLE projections.audit_logs NO FORCE ROW LEVEL SECURITY;
INSERT INTO runtime.projection_generations (groups, reason)
SELECT '{audit,work}', 'AI tasks have turns and calls of tools, and what no node asks for has no tag.'
 WHERE EXISTS (SELECT FROM projections.audit_logs);
ALTER TABLE projections.audit_logs FORCE ROW LEVEL SECURITY;
