-- Requests that ask in steps: the steps, and of which step those are who are asked. The defaults stay: a projector of the release
-- before goes on writing rows without the columns.
CREATE TABLE projections.approval_steps (
    tenant_id           uuid NOT NULL,
    request_id          uuid NOT NULL,
    step                integer NOT NULL,
    name                text NOT NULL,
    stage               integer NOT NULL,
    ad_hoc              boolean NOT NULL,
    times_started       integer NOT NULL,
    status              text NOT NULL CHECK (status IN ('waiting', 'open', 'completed', 'skipped', 'closed')),
    rule                text,
    required_approvals  integer,
    received_approvals  integer NOT NULL,
    received_rejections integer NOT NULL,
    outcome             text,
    outcome_kind        text CHECK (outcome_kind IN ('approve', 'reject', 'changes', 'submit', 'withdraw', 'other')),
    decided_by          uuid,
    started_at          timestamptz,
    due_at              timestamptz,
    completed_at        timestamptz,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, step),
    FOREIGN KEY (tenant_id, request_id) REFERENCES projections.approval_requests (tenant_id, id)
);
CREATE INDEX approval_steps_due
    ON projections.approval_steps (tenant_id, due_at, request_id) WHERE status = 'open' AND due_at IS NOT NULL;
COMMENT ON TABLE projections.approval_steps IS 'The steps of requests that ask in steps.';
COMMENT ON COLUMN projections.approval_steps.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_steps.request_id IS 'The request.';
COMMENT ON COLUMN projections.approval_steps.step IS 'The step''s number, from 1.';
COMMENT ON COLUMN projections.approval_steps.name IS 'Its name.';
COMMENT ON COLUMN projections.approval_steps.stage IS 'Steps of one stage are asked at the same time, stages one after another, from 1.';
COMMENT ON COLUMN projections.approval_steps.ad_hoc IS 'Whether somebody may be added to those whom it asks.';
COMMENT ON COLUMN projections.approval_steps.times_started IS 'How often it was asked: more than once where the request was sent back.';
COMMENT ON COLUMN projections.approval_steps.status IS 'waiting, open, completed, skipped, or closed: the request ended without it.';
COMMENT ON COLUMN projections.approval_steps.rule IS 'The type of its rule, e.g. single; null until it is asked.';
COMMENT ON COLUMN projections.approval_steps.required_approvals IS 'How many approvals its rule asks for; of a rule of weights, of what weight.';
COMMENT ON COLUMN projections.approval_steps.received_approvals IS 'Decisions so far that approve, and count.';
COMMENT ON COLUMN projections.approval_steps.received_rejections IS 'Decisions so far that reject, and count.';
COMMENT ON COLUMN projections.approval_steps.outcome IS 'What it came to.';
COMMENT ON COLUMN projections.approval_steps.outcome_kind IS 'What that outcome means: approve, reject, changes, submit, withdraw or other.';
COMMENT ON COLUMN projections.approval_steps.decided_by IS 'Whose decision completed it.';
COMMENT ON COLUMN projections.approval_steps.started_at IS 'When it was asked, last.';
COMMENT ON COLUMN projections.approval_steps.due_at IS 'By when an answer is hoped for.';
COMMENT ON COLUMN projections.approval_steps.completed_at IS 'When it was completed or skipped.';
COMMENT ON COLUMN projections.approval_steps.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.approval_steps.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.approval_steps.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.approval_steps ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY approval_steps_system ON projections.approval_steps TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY approval_steps_api ON projections.approval_steps FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.approval_steps FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.approval_steps TO gesta_system;
GRANT SELECT ON projections.approval_steps TO gesta_api;

ALTER TABLE projections.approval_decisions ADD COLUMN returned_at timestamptz;
ALTER TABLE projections.approval_assignees
    ADD COLUMN step integer NOT NULL DEFAULT 1,
    ADD COLUMN ad_hoc boolean NOT NULL DEFAULT false,
    ADD COLUMN added_by uuid,
    DROP CONSTRAINT approval_assignees_pkey,
    ADD PRIMARY KEY (tenant_id, request_id, step, kind, value);
COMMENT ON COLUMN projections.approval_decisions.returned_at IS 'When the request was sent back, so that it counts no longer.';
COMMENT ON COLUMN projections.approval_assignees.step IS 'The step of a request that asks in steps; 1 otherwise.';
COMMENT ON COLUMN projections.approval_assignees.ad_hoc IS 'Whether they were added while it was open.';
COMMENT ON COLUMN projections.approval_assignees.added_by IS 'By whom, where it was one of those who are asked.';
COMMENT ON COLUMN projections.approval_assignees.status IS 'The request''s status; of a step that is done: resolved.';
COMMENT ON COLUMN projections.approval_requests.approval_type IS 'The rule that turns decisions into an outcome, e.g. single; steps: each has its own.';
COMMENT ON COLUMN projections.approval_requests.required_approvals IS 'How many approvals the rule asks for; of a rule of weights, of what weight; in steps, how many steps.';
COMMENT ON COLUMN projections.approval_requests.received_approvals IS 'Decisions so far that approve, and count.';
COMMENT ON COLUMN projections.approval_requests.received_rejections IS 'Decisions so far that reject, and count.';
COMMENT ON COLUMN projections.approval_requests.assigned_to IS 'Who may decide now: {users, roles}; both empty: every member who may decide approvals.';
COMMENT ON COLUMN projections.approval_requests.due_at IS 'By when an answer is hoped for; of steps that say so, of those asked last.';
-- Whom a request asks may change while it is waited for.
CREATE INDEX execution_waits_by_id ON projections.execution_waits (tenant_id, id);
