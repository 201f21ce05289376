-- Prompts as versioned objects, which version a task is pinned to, and what became of the tasks of each. The defaults stay: a
-- projector of the release before goes on writing rows without the columns.
CREATE TABLE projections.prompts (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    key             text NOT NULL,
    description     text,
    status          text NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    draft           jsonb,
    draft_note      text,
    current_version integer,
    latest_version  integer,
    model           text,
    created_by      uuid,
    version         bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT prompts_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX prompts_by_creation ON projections.prompts (tenant_id, created_at, id);
CREATE INDEX prompts_by_status ON projections.prompts (tenant_id, status, created_at, id);
CREATE INDEX prompts_by_status_and_key ON projections.prompts (tenant_id, status, key);
COMMENT ON TABLE projections.prompts IS 'Prompts: named templates of what models are told, each with a draft and published versions.';
COMMENT ON COLUMN projections.prompts.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.prompts.id IS 'The prompt''s id; follows from its key.';
COMMENT ON COLUMN projections.prompts.key IS 'As nodes and tasks name it; unique in the tenant.';
COMMENT ON COLUMN projections.prompts.description IS 'What it is for, of the last draft.';
COMMENT ON COLUMN projections.prompts.status IS 'draft until it is first published, then active, or archived.';
COMMENT ON COLUMN projections.prompts.draft IS 'The draft being worked on: {template, variables, model, defaults, output_schema}; null where it is published.';
COMMENT ON COLUMN projections.prompts.draft_note IS 'What its author said of the draft.';
COMMENT ON COLUMN projections.prompts.current_version IS 'The version that tasks get which name none.';
COMMENT ON COLUMN projections.prompts.latest_version IS 'The version published last; above the current one after a rollback.';
COMMENT ON COLUMN projections.prompts.model IS 'Of the current version: the model that it is for, if it says so.';
COMMENT ON COLUMN projections.prompts.created_by IS 'Who drafted it first.';
COMMENT ON COLUMN projections.prompts.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.prompts.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.prompts.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.prompts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY prompts_system ON projections.prompts TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY prompts_api ON projections.prompts FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.prompts FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.prompts TO gesta_system;
GRANT SELECT ON projections.prompts TO gesta_api;

CREATE TABLE projections.prompt_versions (
    tenant_id     uuid NOT NULL,
    prompt_id     uuid NOT NULL,
    number        integer NOT NULL,
    template      jsonb NOT NULL,
    variables     jsonb NOT NULL,
    model         text,
    defaults      jsonb NOT NULL,
    output_schema jsonb,
    note          text,
    published_by  uuid,
    published_at  timestamptz NOT NULL,
    is_current    boolean NOT NULL,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, prompt_id, number),
    FOREIGN KEY (tenant_id, prompt_id) REFERENCES projections.prompts (tenant_id, id)
);
COMMENT ON TABLE projections.prompt_versions IS 'Every published version of a prompt; an AI task stays with the one that it was given.';
COMMENT ON COLUMN projections.prompt_versions.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.prompt_versions.prompt_id IS 'The prompt.';
COMMENT ON COLUMN projections.prompt_versions.number IS '1, 2, 3 … in each prompt.';
COMMENT ON COLUMN projections.prompt_versions.template IS 'The texts, {system, user}, with places for values: {{ name }}.';
COMMENT ON COLUMN projections.prompt_versions.variables IS 'By name: {description, schema, required, default, sensitive}.';
COMMENT ON COLUMN projections.prompt_versions.model IS 'The model that it is for, if it says so.';
COMMENT ON COLUMN projections.prompt_versions.defaults IS '{max_output_tokens, temperature, top_p, seed}, as far as it says so.';
COMMENT ON COLUMN projections.prompt_versions.output_schema IS 'JSON Schema of the answer; null: it says nothing of it.';
COMMENT ON COLUMN projections.prompt_versions.note IS 'What the publisher said about it.';
COMMENT ON COLUMN projections.prompt_versions.published_by IS 'Who published it.';
COMMENT ON COLUMN projections.prompt_versions.published_at IS 'When it was published.';
COMMENT ON COLUMN projections.prompt_versions.is_current IS 'Whether it is the version that tasks get which name none.';
COMMENT ON COLUMN projections.prompt_versions.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.prompt_versions.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.prompt_versions.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.prompt_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY prompt_versions_system ON projections.prompt_versions TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY prompt_versions_api ON projections.prompt_versions FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.prompt_versions FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.prompt_versions TO gesta_system;
GRANT SELECT ON projections.prompt_versions TO gesta_api;

ALTER TABLE projections.ai_agent_tasks
    ADD COLUMN prompt_key text,
    ADD COLUMN prompt_version integer,
    ADD COLUMN rejections integer NOT NULL DEFAULT 0;
CREATE INDEX ai_agent_tasks_by_prompt
    ON projections.ai_agent_tasks (tenant_id, prompt_key, prompt_version, created_at, id) WHERE prompt_key IS NOT NULL;
COMMENT ON COLUMN projections.ai_agent_tasks.prompt IS 'What is asked, as it is sent; something else stands in the place of sensitive values.';
COMMENT ON COLUMN projections.ai_agent_tasks.prompt_key IS 'The prompt that it is pinned to, where it is to one.';
COMMENT ON COLUMN projections.ai_agent_tasks.prompt_version IS 'The version of that prompt.';
COMMENT ON COLUMN projections.ai_agent_tasks.rejections IS 'How often people sent its output back.';

CREATE VIEW projections.prompt_version_outcomes WITH (security_invoker = true) AS
WITH tasks AS (
    SELECT a.tenant_id, a.prompt_key, a.prompt_version, a.currency, a.status, a.rejections, a.actual_cost, a.input_tokens,
           a.output_tokens, a.latency_ms, extract(epoch FROM a.completed_at - a.created_at) * 1000 AS took, a.created_at,
           (a.usage ->> 'attempts')::bigint AS attempts
      FROM projections.ai_agent_tasks a WHERE a.prompt_key IS NOT NULL
)
SELECT p.tenant_id, p.id AS prompt_id, p.key AS prompt_key, v.number AS prompt_version, v.is_current, v.published_at, t.currency,
       count(t.status) AS tasks, count(*) FILTER (WHERE t.status = 'completed') AS completed,
       count(*) FILTER (WHERE t.status = 'failed') AS failed, count(*) FILTER (WHERE t.status = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE t.rejections > 0) AS rejected_in_review, coalesce(sum(t.attempts), 0)::bigint AS attempts,
       avg(t.latency_ms)::bigint AS average_latency_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY t.took)::bigint AS median_duration_ms,
       coalesce(sum(t.input_tokens), 0)::bigint AS input_tokens, coalesce(sum(t.output_tokens), 0)::bigint AS output_tokens,
       sum(t.actual_cost) AS cost, min(t.created_at) AS first_created_at, max(t.created_at) AS last_created_at
  FROM projections.prompt_versions v
  JOIN projections.prompts p ON p.tenant_id = v.tenant_id AND p.id = v.prompt_id
  LEFT JOIN tasks t ON t.tenant_id = p.tenant_id AND t.prompt_key = p.key AND t.prompt_version = v.number
 GROUP BY p.tenant_id, p.id, p.key, v.number, v.is_current, v.published_at, t.currency;
COMMENT ON VIEW projections.prompt_version_outcomes IS 'What became of the AI tasks of each version of a prompt, by the currency that they cost.';
COMMENT ON COLUMN projections.prompt_version_outcomes.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.prompt_version_outcomes.prompt_id IS 'The prompt.';
COMMENT ON COLUMN projections.prompt_version_outcomes.prompt_key IS 'Its key.';
COMMENT ON COLUMN projections.prompt_version_outcomes.prompt_version IS 'The version.';
COMMENT ON COLUMN projections.prompt_version_outcomes.is_current IS 'Whether it is the current one.';
COMMENT ON COLUMN projections.prompt_version_outcomes.published_at IS 'When it was published.';
COMMENT ON COLUMN projections.prompt_version_outcomes.currency IS 'Of the cost: a row for each; null of tasks of which no cost is known.';
COMMENT ON COLUMN projections.prompt_version_outcomes.tasks IS 'How many tasks were given this version.';
COMMENT ON COLUMN projections.prompt_version_outcomes.completed IS 'Of these, completed.';
COMMENT ON COLUMN projections.prompt_version_outcomes.failed IS 'Of these, failed.';
COMMENT ON COLUMN projections.prompt_version_outcomes.cancelled IS 'Of these, cancelled.';
COMMENT ON COLUMN projections.prompt_version_outcomes.rejected_in_review IS 'Of these, those whose output people sent back at least once.';
COMMENT ON COLUMN projections.prompt_version_outcomes.attempts IS 'Calls of models that ended.';
COMMENT ON COLUMN projections.prompt_version_outcomes.average_latency_ms IS 'How long the last call of a task took, on average, in milliseconds.';
COMMENT ON COLUMN projections.prompt_version_outcomes.median_duration_ms IS 'From when a task was asked for to its end: half of them took no longer, in milliseconds.';
COMMENT ON COLUMN projections.prompt_version_outcomes.input_tokens IS 'Tokens sent, as far as known.';
COMMENT ON COLUMN projections.prompt_version_outcomes.output_tokens IS 'Tokens received, as far as known.';
COMMENT ON COLUMN projections.prompt_version_outcomes.cost IS 'What they cost, as far as known, in this currency.';
COMMENT ON COLUMN projections.prompt_version_outcomes.first_created_at IS 'When the first of them was recorded.';
COMMENT ON COLUMN projections.prompt_version_outcomes.last_created_at IS 'When the last of them was.';
GRANT SELECT ON projections.prompt_version_outcomes TO gesta_api, gesta_system;

-- Values of prompts' variables that are kept out of what is recorded, sealed under the task that they are for.
ALTER TABLE runtime.secrets ADD COLUMN task_id uuid, ADD COLUMN look_after timestamptz;
CREATE INDEX secrets_of_tasks ON runtime.secrets (look_after) WHERE task_id IS NOT NULL;
COMMENT ON COLUMN runtime.secrets.task_id IS 'The AI task for which these are the values that its prompt leaves out; NULL: a secret''s value.';
COMMENT ON COLUMN runtime.secrets.look_after IS 'Of a task''s: from when on it is deleted unless the task is open.';
