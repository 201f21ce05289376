-- Budgets of AI tasks, and what was used of them. There were none before.
CREATE TABLE projections.budgets (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    key              text NOT NULL,
    status           text NOT NULL CHECK (status IN ('active', 'removed')),
    scope            text NOT NULL CHECK (scope IN ('tenant', 'workflow', 'prompt', 'execution', 'task')),
    subject          text,
    period           text NOT NULL CHECK (period IN ('day', 'month', 'total')),
    time_zone        text NOT NULL,
    limit_cost       numeric,
    currency         text,
    limit_tokens     bigint,
    limit_calls      bigint,
    limit_tool_calls bigint,
    soft             numeric,
    hard             boolean NOT NULL,
    unknown          text NOT NULL CHECK (unknown IN ('refuse', 'allow')),
    removed_at       timestamptz,
    version          bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX budgets_by_creation ON projections.budgets (tenant_id, created_at, id) WHERE status = 'active';
CREATE INDEX budgets_by_key ON projections.budgets (tenant_id, key) WHERE status = 'active';
COMMENT ON TABLE projections.budgets IS 'How much AI tasks may use: tokens, money, calls of models and of tools.';
COMMENT ON COLUMN projections.budgets.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.budgets.id IS 'The budget''s id; another one of the same key has another id.';
COMMENT ON COLUMN projections.budgets.key IS 'By which people name it; of those that are in force, one has it.';
COMMENT ON COLUMN projections.budgets.status IS 'active, or removed: nothing is counted for it any more.';
COMMENT ON COLUMN projections.budgets.scope IS 'What it is of: tenant, workflow, prompt, execution or task.';
COMMENT ON COLUMN projections.budgets.subject IS 'The key of the one workflow or prompt that it is of; null: each of them has its own use.';
COMMENT ON COLUMN projections.budgets.period IS 'How long it counts before it begins anew: a day, a month, or total: for ever.';
COMMENT ON COLUMN projections.budgets.time_zone IS 'By whose clocks days and months begin, as Europe/Berlin.';
COMMENT ON COLUMN projections.budgets.limit_cost IS 'How much may be spent in a period, in currency; null: that is not counted.';
COMMENT ON COLUMN projections.budgets.currency IS 'Of its cost, as EUR; null: it has counted none.';
COMMENT ON COLUMN projections.budgets.limit_tokens IS 'How many tokens of input and output may be used in a period; null: they are not counted.';
COMMENT ON COLUMN projections.budgets.limit_calls IS 'How many calls of models may be made in a period; null: they are not counted.';
COMMENT ON COLUMN projections.budgets.limit_tool_calls IS 'How many calls of tools may be made in a period; null: they are not counted.';
COMMENT ON COLUMN projections.budgets.soft IS 'The share of a limit that is warned of, as 0.8; null: none.';
COMMENT ON COLUMN projections.budgets.hard IS 'Whether calls beyond a limit are refused; otherwise it only tells of them.';
COMMENT ON COLUMN projections.budgets.unknown IS 'What becomes of a call of which nobody knows what it would cost: refuse or allow.';
COMMENT ON COLUMN projections.budgets.removed_at IS 'When it was removed.';
COMMENT ON COLUMN projections.budgets.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.budgets.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.budgets.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.budgets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY budgets_system ON projections.budgets TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY budgets_api ON projections.budgets FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.budgets FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.budgets TO gesta_system;
GRANT SELECT ON projections.budgets TO gesta_api;

CREATE TABLE projections.budget_periods (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    budget_id           uuid NOT NULL,
    subject             text NOT NULL,
    starts_at           timestamptz,
    ends_at             timestamptz,
    used_cost           numeric NOT NULL,
    used_tokens         bigint NOT NULL,
    used_calls          bigint NOT NULL,
    used_tool_calls     bigint NOT NULL,
    reserved_cost       numeric NOT NULL,
    reserved_tokens     bigint NOT NULL,
    reserved_calls      bigint NOT NULL,
    reserved_tool_calls bigint NOT NULL,
    open_calls          bigint NOT NULL,
    limit_cost          numeric,
    currency            text,
    limit_tokens        bigint,
    limit_calls         bigint,
    limit_tool_calls    bigint,
    warned_at           timestamptz,
    exhausted_at        timestamptz,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, budget_id) REFERENCES projections.budgets (tenant_id, id)
);
CREATE INDEX budget_periods_by_creation ON projections.budget_periods (tenant_id, budget_id, created_at, id);
CREATE INDEX budget_periods_by_subject ON projections.budget_periods (tenant_id, budget_id, subject, created_at, id);
COMMENT ON TABLE projections.budget_periods IS 'What a budget has counted for one subject in one period, and what is put aside for calls under way.';
COMMENT ON COLUMN projections.budget_periods.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.budget_periods.id IS 'The period''s id; follows from budget, subject and beginning.';
COMMENT ON COLUMN projections.budget_periods.budget_id IS 'The budget.';
COMMENT ON COLUMN projections.budget_periods.subject IS 'Whose use it counts: a workflow''s or prompt''s key, an execution''s or task''s id; empty: the tenant''s.';
COMMENT ON COLUMN projections.budget_periods.starts_at IS 'When it began; null: it is of a budget that counts for ever.';
COMMENT ON COLUMN projections.budget_periods.ends_at IS 'When it ends, and the budget begins anew; null: never.';
COMMENT ON COLUMN projections.budget_periods.used_cost IS 'What was spent, in currency, by calls that have ended.';
COMMENT ON COLUMN projections.budget_periods.used_tokens IS 'How many tokens were used by calls that have ended.';
COMMENT ON COLUMN projections.budget_periods.used_calls IS 'How many calls of models have ended.';
COMMENT ON COLUMN projections.budget_periods.used_tool_calls IS 'How many calls of tools have ended.';
COMMENT ON COLUMN projections.budget_periods.reserved_cost IS 'What is put aside for calls under way, in currency.';
COMMENT ON COLUMN projections.budget_periods.reserved_tokens IS 'How many tokens are put aside for calls under way.';
COMMENT ON COLUMN projections.budget_periods.reserved_calls IS 'How many calls of models are under way.';
COMMENT ON COLUMN projections.budget_periods.reserved_tool_calls IS 'How many calls of tools are under way.';
COMMENT ON COLUMN projections.budget_periods.open_calls IS 'How many calls under way have something put aside.';
COMMENT ON COLUMN projections.budget_periods.limit_cost IS 'The limit of the cost that held for the last call; null: none.';
COMMENT ON COLUMN projections.budget_periods.currency IS 'Of the costs; null: none are counted.';
COMMENT ON COLUMN projections.budget_periods.limit_tokens IS 'The limit of tokens that held for the last call; null: none.';
COMMENT ON COLUMN projections.budget_periods.limit_calls IS 'The limit of calls of models that held for the last call; null: none.';
COMMENT ON COLUMN projections.budget_periods.limit_tool_calls IS 'The limit of calls of tools that held for the last call; null: none.';
COMMENT ON COLUMN projections.budget_periods.warned_at IS 'When its use came to the share that is warned of; null: it has not, under these limits.';
COMMENT ON COLUMN projections.budget_periods.exhausted_at IS 'When the first call went beyond a limit, or was refused; null: none has, under these limits.';
COMMENT ON COLUMN projections.budget_periods.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.budget_periods.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.budget_periods.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.budget_periods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY budget_periods_system ON projections.budget_periods TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY budget_periods_api ON projections.budget_periods FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.budget_periods FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.budget_periods TO gesta_system;
GRANT SELECT ON projections.budget_periods TO gesta_api;

CREATE VIEW projections.budget_use WITH (security_invoker = true) AS
SELECT p.tenant_id, b.key AS budget, b.status, b.scope, p.subject, b.period, p.starts_at, p.ends_at,
       coalesce(p.ends_at > now(), true) AS running,
       p.currency, p.limit_cost, p.used_cost, p.reserved_cost, p.limit_cost - p.used_cost - p.reserved_cost AS left_cost,
       p.limit_tokens, p.used_tokens, p.reserved_tokens, p.limit_tokens - p.used_tokens - p.reserved_tokens AS left_tokens,
       p.limit_calls, p.used_calls, p.reserved_calls, p.limit_calls - p.used_calls - p.reserved_calls AS left_calls,
       p.limit_tool_calls, p.used_tool_calls, p.reserved_tool_calls,
       p.limit_tool_calls - p.used_tool_calls - p.reserved_tool_calls AS left_tool_calls,
       round(greatest((p.used_cost + p.reserved_cost) / nullif(p.limit_cost, 0),
                      (p.used_tokens + p.reserved_tokens) / nullif(p.limit_tokens, 0)::numeric,
                      (p.used_calls + p.reserved_calls) / nullif(p.limit_calls, 0)::numeric,
                      (p.used_tool_calls + p.reserved_tool_calls) / nullif(p.limit_tool_calls, 0)::numeric), 4) AS highest_share,
       b.hard AS refuses, p.warned_at, p.exhausted_at
  FROM projections.budget_periods p
  JOIN projections.budgets b ON b.tenant_id = p.tenant_id AND b.id = p.budget_id;
COMMENT ON VIEW projections.budget_use IS 'What AI tasks have used of their budgets, a row for each budget, subject and period.';
COMMENT ON COLUMN projections.budget_use.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.budget_use.budget IS 'The budget''s key.';
COMMENT ON COLUMN projections.budget_use.status IS 'active or removed.';
COMMENT ON COLUMN projections.budget_use.scope IS 'What the budget is of: tenant, workflow, prompt, execution or task.';
COMMENT ON COLUMN projections.budget_use.subject IS 'Whose use it is: a workflow''s or prompt''s key, an execution''s or task''s id; empty: the tenant''s.';
COMMENT ON COLUMN projections.budget_use.period IS 'day, month or total.';
COMMENT ON COLUMN projections.budget_use.starts_at IS 'When the period began; null: it counts for ever.';
COMMENT ON COLUMN projections.budget_use.ends_at IS 'When it ends; null: never.';
COMMENT ON COLUMN projections.budget_use.running IS 'Whether it runs still.';
COMMENT ON COLUMN projections.budget_use.currency IS 'Of the costs.';
COMMENT ON COLUMN projections.budget_use.limit_cost IS 'How much may be spent.';
COMMENT ON COLUMN projections.budget_use.used_cost IS 'How much was spent.';
COMMENT ON COLUMN projections.budget_use.reserved_cost IS 'How much is put aside for calls under way.';
COMMENT ON COLUMN projections.budget_use.left_cost IS 'How much is left.';
COMMENT ON COLUMN projections.budget_use.limit_tokens IS 'How many tokens may be used.';
COMMENT ON COLUMN projections.budget_use.used_tokens IS 'How many were used.';
COMMENT ON COLUMN projections.budget_use.reserved_tokens IS 'How many are put aside for calls under way.';
COMMENT ON COLUMN projections.budget_use.left_tokens IS 'How many are left.';
COMMENT ON COLUMN projections.budget_use.limit_calls IS 'How many calls of models may be made.';
COMMENT ON COLUMN projections.budget_use.used_calls IS 'How many were made.';
COMMENT ON COLUMN projections.budget_use.reserved_calls IS 'How many are under way.';
COMMENT ON COLUMN projections.budget_use.left_calls IS 'How many are left.';
COMMENT ON COLUMN projections.budget_use.limit_tool_calls IS 'How many calls of tools may be made.';
COMMENT ON COLUMN projections.budget_use.used_tool_calls IS 'How many were made.';
COMMENT ON COLUMN projections.budget_use.reserved_tool_calls IS 'How many are under way.';
COMMENT ON COLUMN projections.budget_use.left_tool_calls IS 'How many are left.';
COMMENT ON COLUMN projections.budget_use.highest_share IS 'Of its limits, the share that is used or put aside where that is highest: 1 is all.';
COMMENT ON COLUMN projections.budget_use.refuses IS 'Whether calls beyond a limit are refused.';
COMMENT ON COLUMN projections.budget_use.warned_at IS 'When it was warned of.';
COMMENT ON COLUMN projections.budget_use.exhausted_at IS 'When a call first went beyond a limit, or was refused.';
GRANT SELECT ON projections.budget_use TO gesta_api, gesta_system;
