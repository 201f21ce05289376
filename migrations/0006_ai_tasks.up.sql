-- What models are asked, attempt by attempt; and events that the tables leave out on purpose.

CREATE TABLE projections.ai_agent_tasks (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    execution_id  uuid NOT NULL,
    activation_id uuid NOT NULL,
    node_id       text NOT NULL,
    task_name     text NOT NULL,
    agent_type    text,
    provider      text,
    model         text NOT NULL,
    status        text NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    priority      integer NOT NULL,
    prompt        text NOT NULL,
    system_prompt text,
    context       jsonb,
    input         jsonb,
    output        jsonb,
    configuration jsonb NOT NULL,
    usage         jsonb NOT NULL,
    input_tokens  bigint,
    output_tokens bigint,
    error         text,
    error_details jsonb,
    retry_count   integer NOT NULL,
    cost_estimate numeric(20, 10),
    actual_cost   numeric(20, 10),
    currency      text,
    latency_ms    bigint,
    requested_by  uuid,
    started_at    timestamptz,
    completed_at  timestamptz,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES projections.node_activations (tenant_id, id)
);
CREATE INDEX ai_agent_tasks_by_creation ON projections.ai_agent_tasks (tenant_id, created_at, id);
CREATE INDEX ai_agent_tasks_by_status ON projections.ai_agent_tasks (tenant_id, status, created_at, id);
CREATE INDEX ai_agent_tasks_by_model ON projections.ai_agent_tasks (tenant_id, model, created_at, id);
CREATE INDEX ai_agent_tasks_by_execution ON projections.ai_agent_tasks (tenant_id, execution_id, created_at, id);
COMMENT ON TABLE projections.ai_agent_tasks IS 'Work given to models: what was asked, what came back, what it used and cost over all attempts.';
COMMENT ON COLUMN projections.ai_agent_tasks.id IS 'The task''s id.';
COMMENT ON COLUMN projections.ai_agent_tasks.execution_id IS 'The execution that asks.';
COMMENT ON COLUMN projections.ai_agent_tasks.activation_id IS 'The visit of the ai_agent node that asks.';
COMMENT ON COLUMN projections.ai_agent_tasks.node_id IS 'That node.';
COMMENT ON COLUMN projections.ai_agent_tasks.task_name IS 'Its name for people.';
COMMENT ON COLUMN projections.ai_agent_tasks.agent_type IS 'What kind of agent the node names, if it does.';
COMMENT ON COLUMN projections.ai_agent_tasks.provider IS 'Who is asked: as requested, then as of the attempt that started last.';
COMMENT ON COLUMN projections.ai_agent_tasks.model IS 'The model, as the node names it; which one answered is in ai_agent_attempts.';
COMMENT ON COLUMN projections.ai_agent_tasks.status IS 'pending (also between two attempts), running, completed, failed or cancelled.';
COMMENT ON COLUMN projections.ai_agent_tasks.priority IS 'Higher goes first.';
COMMENT ON COLUMN projections.ai_agent_tasks.prompt IS 'What is asked, as it is sent.';
COMMENT ON COLUMN projections.ai_agent_tasks.system_prompt IS 'What the model is told about its part.';
COMMENT ON COLUMN projections.ai_agent_tasks.context IS 'What it is told beside the prompt.';
COMMENT ON COLUMN projections.ai_agent_tasks.input IS 'The data it works on.';
COMMENT ON COLUMN projections.ai_agent_tasks.output IS 'The answer of a completed task.';
COMMENT ON COLUMN projections.ai_agent_tasks.configuration IS '{max_output_tokens, temperature, top_p, seed, output_schema (JSON Schema of the answer), retry}; null: the provider''s default.';
COMMENT ON COLUMN projections.ai_agent_tasks.usage IS 'Over the attempts that ended: {attempts, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, unpriced}; unpriced: how many are not in actual_cost.';
COMMENT ON COLUMN projections.ai_agent_tasks.input_tokens IS 'Tokens sent, over all attempts that told; null: none has.';
COMMENT ON COLUMN projections.ai_agent_tasks.output_tokens IS 'Tokens received, over all attempts that told; null: none has.';
COMMENT ON COLUMN projections.ai_agent_tasks.error IS 'Why it failed: the last attempt''s message.';
COMMENT ON COLUMN projections.ai_agent_tasks.error_details IS '{type, message, retryable}';
COMMENT ON COLUMN projections.ai_agent_tasks.retry_count IS 'Attempts beyond the first.';
COMMENT ON COLUMN projections.ai_agent_tasks.cost_estimate IS 'What it was thought to cost; null where that is not known, or not in the currency of what it did cost.';
COMMENT ON COLUMN projections.ai_agent_tasks.actual_cost IS 'The sum of what its attempts cost, failed ones too, as far as known and in this currency; null: nothing is known.';
COMMENT ON COLUMN projections.ai_agent_tasks.currency IS 'Of actual_cost; of cost_estimate where there is no actual_cost. ISO 4217.';
COMMENT ON COLUMN projections.ai_agent_tasks.latency_ms IS 'How long the call of the attempt that ended last took, in milliseconds.';
COMMENT ON COLUMN projections.ai_agent_tasks.requested_by IS 'On whose behalf the execution asks.';
COMMENT ON COLUMN projections.ai_agent_tasks.started_at IS 'When the first attempt began.';
COMMENT ON COLUMN projections.ai_agent_tasks.completed_at IS 'When it was completed, failed or was cancelled.';

CREATE TABLE projections.ai_agent_attempts (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    task_id       uuid NOT NULL,
    number        integer NOT NULL,
    status        text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    provider      text NOT NULL,
    model         text NOT NULL,
    worker_id     text NOT NULL,
    usage         jsonb,
    input_tokens  bigint,
    output_tokens bigint,
    cost          numeric(20, 10),
    currency      text,
    latency_ms    bigint,
    finish_reason text,
    error         text,
    error_details jsonb,
    retry_at      timestamptz,
    started_at    timestamptz NOT NULL,
    completed_at  timestamptz,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ai_agent_attempts_number_is_unique UNIQUE (tenant_id, task_id, number),
    FOREIGN KEY (tenant_id, task_id) REFERENCES projections.ai_agent_tasks (tenant_id, id)
);
COMMENT ON TABLE projections.ai_agent_attempts IS 'Every attempt at an AI task; on record before the provider is called, and the provider is called once for it.';
COMMENT ON COLUMN projections.ai_agent_attempts.id IS 'The attempt''s id.';
COMMENT ON COLUMN projections.ai_agent_attempts.task_id IS 'The task.';
COMMENT ON COLUMN projections.ai_agent_attempts.number IS '1, 2, 3 … for each task.';
COMMENT ON COLUMN projections.ai_agent_attempts.status IS 'running, succeeded or failed.';
COMMENT ON COLUMN projections.ai_agent_attempts.provider IS 'Who was asked; once it answered, who did.';
COMMENT ON COLUMN projections.ai_agent_attempts.model IS 'The model that was asked; once it answered, the one that did, by its own name.';
COMMENT ON COLUMN projections.ai_agent_attempts.worker_id IS 'The worker that called.';
COMMENT ON COLUMN projections.ai_agent_attempts.usage IS '{input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, details}; null: not known.';
COMMENT ON COLUMN projections.ai_agent_attempts.input_tokens IS 'Tokens sent, those of a cache included; null: not known.';
COMMENT ON COLUMN projections.ai_agent_attempts.output_tokens IS 'Tokens received; null: not known.';
COMMENT ON COLUMN projections.ai_agent_attempts.cost IS 'What the call cost, by the price list; null: not known.';
COMMENT ON COLUMN projections.ai_agent_attempts.currency IS 'Of the cost. ISO 4217.';
COMMENT ON COLUMN projections.ai_agent_attempts.latency_ms IS 'How long the call took, in milliseconds; null: not known.';
COMMENT ON COLUMN projections.ai_agent_attempts.finish_reason IS 'Why the model stopped, in the provider''s word.';
COMMENT ON COLUMN projections.ai_agent_attempts.error IS 'Why it failed.';
COMMENT ON COLUMN projections.ai_agent_attempts.error_details IS '{type, message, retryable}';
COMMENT ON COLUMN projections.ai_agent_attempts.retry_at IS 'When the next attempt was due; null: there was to be none.';
COMMENT ON COLUMN projections.ai_agent_attempts.started_at IS 'When it began.';
COMMENT ON COLUMN projections.ai_agent_attempts.completed_at IS 'When it succeeded or failed.';

-- Events that somebody decided to leave out of the tables, because they could not be applied and held their tenant up.
CREATE TABLE runtime.projection_skips (
    tenant_id  uuid NOT NULL,
    position   bigint NOT NULL CHECK (position > 0),
    reason     text NOT NULL CHECK (reason <> ''),
    error      text NOT NULL,
    skipped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, position)
);
COMMENT ON TABLE runtime.projection_skips IS 'Events that the tables leave out, by decision of an operator; replay leaves them out as well, and says so.';
COMMENT ON COLUMN runtime.projection_skips.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.projection_skips.position IS 'The event that no table shows; the audit log has no row for it either.';
COMMENT ON COLUMN runtime.projection_skips.reason IS 'Why, in the operator''s words.';
COMMENT ON COLUMN runtime.projection_skips.error IS 'Why it could not be applied.';
COMMENT ON COLUMN runtime.projection_skips.skipped_at IS 'When.';
ALTER TABLE runtime.projection_skips ENABLE ROW LEVEL SECURITY;
ALTER TABLE runtime.projection_skips FORCE ROW LEVEL SECURITY;
CREATE POLICY projection_skips_system ON runtime.projection_skips TO gesta_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON runtime.projection_skips TO gesta_system;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ai_agent_tasks', 'ai_agent_attempts'] LOOP
        EXECUTE format('ALTER TABLE projections.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE projections.%I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY %I ON projections.%I TO gesta_system USING (true) WITH CHECK (true)', t || '_system', t);
        EXECUTE format('CREATE POLICY %I ON projections.%I FOR SELECT TO gesta_api USING (tenant_id = (SELECT runtime.current_tenant()))',
            t || '_api', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON projections.%I TO gesta_system', t);
        EXECUTE format('GRANT SELECT ON projections.%I TO gesta_api', t);
        EXECUTE format('COMMENT ON COLUMN projections.%I.tenant_id IS ''The tenant it belongs to.''', t);
        EXECUTE format('COMMENT ON COLUMN projections.%I.version IS ''Version of the stream whose event touched this row last.''', t);
        EXECUTE format('COMMENT ON COLUMN projections.%I.created_at IS ''When the row''''s first event was recorded.''', t);
        EXECUTE format('COMMENT ON COLUMN projections.%I.updated_at IS ''When the row''''s last event was recorded.''', t);
    END LOOP;
END
$$;
