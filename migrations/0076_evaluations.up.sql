-- Evaluations of prompts, models and settings. There were none before.
CREATE TABLE projections.evaluations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text,
    status text NOT NULL CHECK (status IN ('running', 'completed', 'cancelled')),
    suite jsonb NOT NULL,
    planned integer NOT NULL,
    recorded integer NOT NULL,
    passed_runs integer NOT NULL,
    unjudged_runs integer NOT NULL,
    passed boolean,
    variants jsonb,
    cost numeric,
    currency text,
    unpriced integer NOT NULL,
    reason text,
    started_by uuid,
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX evaluations_by_creation ON projections.evaluations (tenant_id, created_at, id);
CREATE INDEX evaluations_by_status ON projections.evaluations (tenant_id, status, created_at, id);
CREATE INDEX evaluations_by_name ON projections.evaluations (tenant_id, name, created_at, id);
COMMENT ON TABLE projections.evaluations IS 'Prompts, models or settings evaluated side by side, on the same cases.';
COMMENT ON COLUMN projections.evaluations.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.evaluations.id IS 'The evaluation''s id; also the correlation id of its tasks.';
COMMENT ON COLUMN projections.evaluations.name IS 'What people call it; several evaluations of one suite have one name.';
COMMENT ON COLUMN projections.evaluations.description IS 'What it is for.';
COMMENT ON COLUMN projections.evaluations.status IS 'running until every run is recorded, then completed; or cancelled.';
COMMENT ON COLUMN projections.evaluations.suite IS 'What is evaluated: {cases, variants, checks, thresholds, tools, repeat, concurrency, budget}, prompts pinned.';
COMMENT ON COLUMN projections.evaluations.planned IS 'How many runs there are to be: cases × variants × repeat.';
COMMENT ON COLUMN projections.evaluations.recorded IS 'How many are over, and recorded.';
COMMENT ON COLUMN projections.evaluations.passed_runs IS 'How many of these passed every check.';
COMMENT ON COLUMN projections.evaluations.unjudged_runs IS 'Of how many of these a judge gave no verdict.';
COMMENT ON COLUMN projections.evaluations.passed IS 'Whether all thresholds hold, of every variant, and nothing is unjudged; null until it is completed.';
COMMENT ON COLUMN projections.evaluations.variants IS 'What the runs of each variant come to; null while it is running.';
COMMENT ON COLUMN projections.evaluations.cost IS 'What it has cost as far as that is known, judges too, in currency.';
COMMENT ON COLUMN projections.evaluations.currency IS 'Of the cost: the first one known.';
COMMENT ON COLUMN projections.evaluations.unpriced IS 'Calls of models whose cost is not in it.';
COMMENT ON COLUMN projections.evaluations.reason IS 'Why it was cancelled, in words.';
COMMENT ON COLUMN projections.evaluations.started_by IS 'Who started it; null: a service or the platform.';
COMMENT ON COLUMN projections.evaluations.started_at IS 'When it was started.';
COMMENT ON COLUMN projections.evaluations.completed_at IS 'When it was completed or cancelled.';
COMMENT ON COLUMN projections.evaluations.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.evaluations.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.evaluations.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.evaluations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY evaluations_system ON projections.evaluations TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY evaluations_api ON projections.evaluations FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.evaluations FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.evaluations TO gesta_system;
GRANT SELECT ON projections.evaluations TO gesta_api;

CREATE TABLE projections.evaluation_results (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    evaluation_id uuid NOT NULL,
    variant text NOT NULL,
    case_name text NOT NULL,
    number integer NOT NULL,
    status text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    passed boolean NOT NULL,
    unjudged boolean NOT NULL,
    verdicts jsonb NOT NULL,
    judge_task_ids uuid[] NOT NULL,
    error_type text,
    error text,
    cost numeric,
    currency text,
    unpriced integer NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    latency_ms bigint NOT NULL,
    judge_cost numeric,
    judge_currency text,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id),
    FOREIGN KEY (tenant_id, evaluation_id) REFERENCES projections.evaluations (tenant_id, id)
);
CREATE INDEX evaluation_results_by_creation ON projections.evaluation_results (tenant_id, evaluation_id, created_at, task_id);
CREATE INDEX evaluation_results_by_variant ON projections.evaluation_results (tenant_id, evaluation_id, variant, created_at, task_id);
CREATE INDEX evaluation_results_by_outcome ON projections.evaluation_results (tenant_id, evaluation_id, passed, created_at, task_id);
COMMENT ON TABLE projections.evaluation_results IS 'What came of each run of an evaluation: one case given to one variant, once.';
COMMENT ON COLUMN projections.evaluation_results.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.evaluation_results.task_id IS 'The AI task that is the run; there is none where it could not be asked for.';
COMMENT ON COLUMN projections.evaluation_results.evaluation_id IS 'The evaluation.';
COMMENT ON COLUMN projections.evaluation_results.variant IS 'Which variant was asked.';
COMMENT ON COLUMN projections.evaluation_results.case_name IS 'Which case it was given.';
COMMENT ON COLUMN projections.evaluation_results.number IS 'Which repetition it is, from 1.';
COMMENT ON COLUMN projections.evaluation_results.status IS 'How the task ended.';
COMMENT ON COLUMN projections.evaluation_results.passed IS 'Whether the task was completed, and every check passed.';
COMMENT ON COLUMN projections.evaluation_results.unjudged IS 'Whether a judge gave no verdict.';
COMMENT ON COLUMN projections.evaluation_results.verdicts IS 'What each check says: {check, type, verdict, why, score, task_id}.';
COMMENT ON COLUMN projections.evaluation_results.judge_task_ids IS 'The AI tasks of the judges.';
COMMENT ON COLUMN projections.evaluation_results.error_type IS 'Why the task failed, as a word.';
COMMENT ON COLUMN projections.evaluation_results.error IS 'Why the task failed, as a sentence.';
COMMENT ON COLUMN projections.evaluation_results.cost IS 'What the task cost, as far as that is known, in currency; without the judges.';
COMMENT ON COLUMN projections.evaluation_results.currency IS 'Of the cost.';
COMMENT ON COLUMN projections.evaluation_results.unpriced IS 'Calls of models whose cost is not in it.';
COMMENT ON COLUMN projections.evaluation_results.input_tokens IS 'Tokens that the task''s models were given.';
COMMENT ON COLUMN projections.evaluation_results.output_tokens IS 'Tokens that they answered with.';
COMMENT ON COLUMN projections.evaluation_results.latency_ms IS 'How long the task''s calls of models took, together, in milliseconds.';
COMMENT ON COLUMN projections.evaluation_results.judge_cost IS 'What the judges cost, as far as that is known, in judge_currency.';
COMMENT ON COLUMN projections.evaluation_results.judge_currency IS 'Of the judges'' cost.';
COMMENT ON COLUMN projections.evaluation_results.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.evaluation_results.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.evaluation_results.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.evaluation_results ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY evaluation_results_system ON projections.evaluation_results TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY evaluation_results_api ON projections.evaluation_results FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.evaluation_results FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.evaluation_results TO gesta_system;
GRANT SELECT ON projections.evaluation_results TO gesta_api;

CREATE VIEW projections.evaluation_variants WITH (security_invoker = true) AS
SELECT r.tenant_id, r.evaluation_id, e.name AS evaluation, r.variant,
       count(*) AS runs,
       count(*) FILTER (WHERE r.passed) AS passed,
       count(*) FILTER (WHERE NOT r.passed) AS failed,
       count(*) FILTER (WHERE r.unjudged) AS unjudged,
       round(count(*) FILTER (WHERE r.passed) / count(*)::numeric, 4) AS pass_rate,
       CASE WHEN count(DISTINCT r.currency) = 1 THEN min(r.currency) END AS currency,
       CASE WHEN count(DISTINCT r.currency) = 1 THEN sum(r.cost) END AS cost,
       CASE WHEN count(DISTINCT r.currency) = 1 THEN sum(r.cost) / count(*) END AS mean_cost,
       sum(r.unpriced) AS unpriced,
       sum(r.judge_cost) FILTER (WHERE r.judge_currency = r.currency) AS judge_cost,
       sum(r.input_tokens)::bigint AS input_tokens,
       sum(r.output_tokens)::bigint AS output_tokens,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY r.latency_ms) AS median_latency_ms,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY r.latency_ms) AS p95_latency_ms
  FROM projections.evaluation_results r
  JOIN projections.evaluations e ON e.tenant_id = r.tenant_id AND e.id = r.evaluation_id
 GROUP BY r.tenant_id, r.evaluation_id, e.name, r.variant;
COMMENT ON VIEW projections.evaluation_variants IS 'The variants of each evaluation side by side: how many runs passed, what they cost, and how long they took.';
COMMENT ON COLUMN projections.evaluation_variants.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.evaluation_variants.evaluation_id IS 'The evaluation.';
COMMENT ON COLUMN projections.evaluation_variants.evaluation IS 'Its name.';
COMMENT ON COLUMN projections.evaluation_variants.variant IS 'The variant.';
COMMENT ON COLUMN projections.evaluation_variants.runs IS 'How many of its runs are recorded.';
COMMENT ON COLUMN projections.evaluation_variants.passed IS 'How many of these passed every check.';
COMMENT ON COLUMN projections.evaluation_variants.failed IS 'How many did not.';
COMMENT ON COLUMN projections.evaluation_variants.unjudged IS 'Of how many a judge gave no verdict.';
COMMENT ON COLUMN projections.evaluation_variants.pass_rate IS 'The share that passed.';
COMMENT ON COLUMN projections.evaluation_variants.currency IS 'Of the costs; null where they are in several, and then they are not added up.';
COMMENT ON COLUMN projections.evaluation_variants.cost IS 'What the runs cost as far as that is known, without the judges.';
COMMENT ON COLUMN projections.evaluation_variants.mean_cost IS 'The same for each run.';
COMMENT ON COLUMN projections.evaluation_variants.unpriced IS 'Calls of models whose cost is not in it.';
COMMENT ON COLUMN projections.evaluation_variants.judge_cost IS 'What the judges cost, as far as that is known, in currency.';
COMMENT ON COLUMN projections.evaluation_variants.input_tokens IS 'Tokens that models were given.';
COMMENT ON COLUMN projections.evaluation_variants.output_tokens IS 'Tokens that they answered with.';
COMMENT ON COLUMN projections.evaluation_variants.median_latency_ms IS 'How long the models of a run took: half of the runs took no longer.';
COMMENT ON COLUMN projections.evaluation_variants.p95_latency_ms IS '95 of a hundred runs took no longer.';
GRANT SELECT ON projections.evaluation_variants TO gesta_api, gesta_system;
