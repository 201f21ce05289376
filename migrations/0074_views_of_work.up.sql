-- Executions in the words of the business: where they wait, how many, which way, why they fail, what was done twice, who is waited for;
-- whether approvals were answered in time; why calls of tools were denied.

CREATE OR REPLACE VIEW projections.approval_sla WITH (security_invoker = true) AS
SELECT r.tenant_id, (l.closed_at AT TIME ZONE 'UTC')::date AS day, r.workflow_key, r.node_id, count(*) AS requests,
       count(*) FILTER (WHERE r.status = 'expired') AS expired, count(r.sla_met) AS with_due,
       count(*) FILTER (WHERE r.sla_met) AS met, count(*) FILTER (WHERE NOT r.sla_met) AS missed,
       round(count(*) FILTER (WHERE r.sla_met)::numeric / nullif(count(r.sla_met), 0), 4) AS share_met,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.turnaround_ms)::bigint AS median_turnaround_ms,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY r.turnaround_ms)::bigint AS p90_turnaround_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.first_response_ms)::bigint AS median_first_response_ms
  FROM projections.approval_requests r
 CROSS JOIN LATERAL (SELECT CASE WHEN r.status = 'expired' THEN coalesce(r.expires_at, r.updated_at) ELSE r.responded_at END AS closed_at) l
 WHERE r.status IN ('resolved', 'expired')
 GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW projections.approval_sla IS 'How requests were answered in time: by the day on which they were resolved or expired (UTC), workflow and node.';
COMMENT ON COLUMN projections.approval_sla.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.approval_sla.day IS 'The day on which they were resolved or expired, UTC.';
COMMENT ON COLUMN projections.approval_sla.workflow_key IS 'Key of the workflow whose execution asked; null: asked without a workflow.';
COMMENT ON COLUMN projections.approval_sla.node_id IS 'The node; null where no execution asked.';
COMMENT ON COLUMN projections.approval_sla.requests IS 'How many were resolved or expired.';
COMMENT ON COLUMN projections.approval_sla.expired IS 'Of these, expired: nobody answered.';
COMMENT ON COLUMN projections.approval_sla.with_due IS 'Of these, those that had a moment by which an answer was hoped for.';
COMMENT ON COLUMN projections.approval_sla.met IS 'Of these, answered by people in time.';
COMMENT ON COLUMN projections.approval_sla.missed IS 'Of these, not.';
COMMENT ON COLUMN projections.approval_sla.share_met IS 'Met of those with a moment, from 0 to 1.';
COMMENT ON COLUMN projections.approval_sla.median_turnaround_ms IS 'From when they were asked to when they were resolved: half took no longer, in milliseconds.';
COMMENT ON COLUMN projections.approval_sla.p90_turnaround_ms IS 'The same: nine of ten took no longer, in milliseconds.';
COMMENT ON COLUMN projections.approval_sla.median_first_response_ms IS 'From when they were asked to the first decision: half took no longer, in milliseconds.';
GRANT SELECT ON projections.approval_sla TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.tool_denials WITH (security_invoker = true) AS
SELECT c.tenant_id, t.workflow_key, t.node_id, c.tool, c.denial_reason AS reason,
       CASE WHEN c.denial_reason IN ('rejected', 'expired', 'cancelled') THEN 'people'
            WHEN c.denial_reason IN ('repetition', 'too_many', 'budget') THEN 'limits' ELSE 'rules' END AS denied_by,
       count(*) AS calls, count(DISTINCT c.task_id) AS tasks, min(c.completed_at) AS first_at, max(c.completed_at) AS last_at,
       (array_agg(c.message ORDER BY c.completed_at DESC, c.id))[1] AS last_message,
       (array_agg(c.task_id ORDER BY c.completed_at DESC, c.id))[1] AS last_task_id
  FROM projections.ai_agent_tool_calls c
  JOIN projections.ai_agent_tasks t ON t.tenant_id = c.tenant_id AND t.id = c.task_id
 WHERE c.status = 'denied'
 GROUP BY 1, 2, 3, 4, 5, 6;

COMMENT ON VIEW projections.tool_denials IS 'Why calls of tools that models asked for were not made: by workflow, node, tool and reason.';
COMMENT ON COLUMN projections.tool_denials.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.tool_denials.workflow_key IS 'The workflow that asked; null: none did.';
COMMENT ON COLUMN projections.tool_denials.node_id IS 'Its node.';
COMMENT ON COLUMN projections.tool_denials.tool IS 'The tool''s name, also where there is none of it.';
COMMENT ON COLUMN projections.tool_denials.reason IS 'not_allowed, policy, malformed, guard, repetition, too_many, budget, rejected, expired or cancelled.';
COMMENT ON COLUMN projections.tool_denials.denied_by IS 'rules, limits, or people: also where nobody answered in time, or it was not asked any more.';
COMMENT ON COLUMN projections.tool_denials.calls IS 'How many calls.';
COMMENT ON COLUMN projections.tool_denials.tasks IS 'Of how many AI tasks.';
COMMENT ON COLUMN projections.tool_denials.first_at IS 'When the first was denied.';
COMMENT ON COLUMN projections.tool_denials.last_at IS 'When the last was.';
COMMENT ON COLUMN projections.tool_denials.last_message IS 'What the model was told then.';
COMMENT ON COLUMN projections.tool_denials.last_task_id IS 'That task.';
GRANT SELECT ON projections.tool_denials TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.bottlenecks WITH (security_invoker = true) AS
WITH asked AS (
    SELECT t.tenant_id, t.activation_id, sum(a.ms + coalesce(c.ms, 0)) AS ms
      FROM projections.ai_agent_tasks t
      JOIN (SELECT tenant_id, task_id, coalesce(sum(latency_ms), 0) AS ms FROM projections.ai_agent_attempts GROUP BY 1, 2) a
        ON a.tenant_id = t.tenant_id AND a.task_id = t.id
      LEFT JOIN (
           SELECT tenant_id, task_id, sum(latency_ms) AS ms FROM projections.ai_agent_tool_calls
            WHERE child_id IS NULL GROUP BY 1, 2) c
        ON c.tenant_id = t.tenant_id AND c.task_id = t.id
     WHERE t.activation_id IS NOT NULL
     GROUP BY 1, 2
), visits AS (
    SELECT a.tenant_id, e.workflow_key, a.node_id, a.node_type, a.status, a.retry_count, a.started_at, l.took,
           CASE WHEN a.node_type IN ('approval', 'wait', 'wait_event', 'workflow', 'foreach', 'join') THEN 0
                WHEN a.node_type = 'ai_agent' THEN least(l.took, coalesce(w.ms, 0)) ELSE l.took END AS worked
      FROM projections.workflow_executions e
      JOIN projections.node_activations a ON a.tenant_id = e.tenant_id AND a.execution_id = e.id
     CROSS JOIN LATERAL (SELECT (extract(epoch FROM a.completed_at - a.started_at) * 1000)::bigint AS took) l
      LEFT JOIN asked w ON w.tenant_id = e.tenant_id AND w.activation_id = a.id
), counted AS (
    SELECT tenant_id, workflow_key, node_id, node_type, count(*) AS visits, count(*) FILTER (WHERE status = 'running') AS running_now,
           min(started_at) FILTER (WHERE status = 'running') AS oldest_running_since,
           count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled, sum(retry_count)::bigint AS retries,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY took)::bigint AS p90_ms,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY took)::bigint AS p99_ms, max(took) AS longest_ms,
           coalesce(sum(took - worked), 0)::bigint AS waiting_ms, coalesce(sum(worked), 0)::bigint AS working_ms,
           coalesce(sum(took), 0)::bigint AS total_ms
      FROM visits GROUP BY tenant_id, workflow_key, node_id, node_type
)
SELECT c.*, CASE WHEN sum(c.total_ms) OVER of_workflow > 0
                 THEN round(c.total_ms / sum(c.total_ms) OVER of_workflow, 4) END AS share_of_time
  FROM counted c WINDOW of_workflow AS (PARTITION BY c.tenant_id, c.workflow_key);

COMMENT ON VIEW projections.bottlenecks IS 'Where executions spend their time: by workflow and node, how long visits took, and how much of that was waiting.';
COMMENT ON COLUMN projections.bottlenecks.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.bottlenecks.workflow_key IS 'The workflow''s key.';
COMMENT ON COLUMN projections.bottlenecks.node_id IS 'The node.';
COMMENT ON COLUMN projections.bottlenecks.node_type IS 'Its type.';
COMMENT ON COLUMN projections.bottlenecks.visits IS 'How often it was visited, of a foreach by each item.';
COMMENT ON COLUMN projections.bottlenecks.running_now IS 'Of these, those that are under way.';
COMMENT ON COLUMN projections.bottlenecks.oldest_running_since IS 'When the oldest of them began.';
COMMENT ON COLUMN projections.bottlenecks.completed IS 'Visits that were completed.';
COMMENT ON COLUMN projections.bottlenecks.failed IS 'Visits that failed, also where an edge took the error.';
COMMENT ON COLUMN projections.bottlenecks.cancelled IS 'Visits that were cancelled.';
COMMENT ON COLUMN projections.bottlenecks.retries IS 'Attempts beyond the first of each visit.';
COMMENT ON COLUMN projections.bottlenecks.median_ms IS 'Half of the visits that are over took no longer, in milliseconds.';
COMMENT ON COLUMN projections.bottlenecks.p90_ms IS 'Nine of ten took no longer, in milliseconds.';
COMMENT ON COLUMN projections.bottlenecks.p99_ms IS 'Ninety-nine of a hundred took no longer, in milliseconds.';
COMMENT ON COLUMN projections.bottlenecks.longest_ms IS 'The longest, in milliseconds.';
COMMENT ON COLUMN projections.bottlenecks.waiting_ms IS 'Of the total: waiting for people, time, events, children, items or other branches; of AI agents all but calls of models and tools.';
COMMENT ON COLUMN projections.bottlenecks.working_ms IS 'Of the total: the rest. Of jobs that is until they were reported, the time until a worker took them included.';
COMMENT ON COLUMN projections.bottlenecks.total_ms IS 'All visits that are over together, in milliseconds.';
COMMENT ON COLUMN projections.bottlenecks.share_of_time IS 'Of the total of all nodes of the workflow, from 0 to 1.';
GRANT SELECT ON projections.bottlenecks TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.throughput WITH (security_invoker = true) AS
WITH moments AS (
    SELECT tenant_id, workflow_key, (started_at AT TIME ZONE 'UTC')::date AS day, 'started' AS what, NULL::bigint AS took
      FROM projections.workflow_executions
     UNION ALL
    SELECT e.tenant_id, e.workflow_key, (l.ended_at AT TIME ZONE 'UTC')::date, e.status,
           (extract(epoch FROM l.ended_at - e.started_at) * 1000)::bigint
      FROM projections.workflow_executions e CROSS JOIN LATERAL (SELECT coalesce(e.completed_at, e.cancelled_at) AS ended_at) l
     WHERE e.status IN ('completed', 'failed', 'cancelled')
), counted AS (
    SELECT tenant_id, day, workflow_key, count(*) FILTER (WHERE what = 'started') AS started,
           count(*) FILTER (WHERE what = 'completed') AS completed, count(*) FILTER (WHERE what = 'failed') AS failed,
           count(*) FILTER (WHERE what = 'cancelled') AS cancelled,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE what = 'completed')::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY took) FILTER (WHERE what = 'completed')::bigint AS p90_ms
      FROM moments GROUP BY tenant_id, day, workflow_key
)
SELECT c.*, (sum(c.started - c.completed - c.failed - c.cancelled) OVER so_far)::bigint AS open_after
  FROM counted c WINDOW so_far AS (PARTITION BY c.tenant_id, c.workflow_key ORDER BY c.day);

COMMENT ON VIEW projections.throughput IS 'How many executions started and ended: by day (UTC) and workflow.';
COMMENT ON COLUMN projections.throughput.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.throughput.day IS 'The day, UTC. Days on which nothing started or ended have no row.';
COMMENT ON COLUMN projections.throughput.workflow_key IS 'The workflow''s key.';
COMMENT ON COLUMN projections.throughput.started IS 'Executions that started on it.';
COMMENT ON COLUMN projections.throughput.completed IS 'Executions that completed on it.';
COMMENT ON COLUMN projections.throughput.failed IS 'Executions that failed on it.';
COMMENT ON COLUMN projections.throughput.cancelled IS 'Executions that were cancelled on it.';
COMMENT ON COLUMN projections.throughput.median_ms IS 'From start to end: half of those completed took no longer, in milliseconds.';
COMMENT ON COLUMN projections.throughput.p90_ms IS 'From start to end: nine of ten of those completed took no longer, in milliseconds.';
COMMENT ON COLUMN projections.throughput.open_after IS 'How many were open when the day was over.';
GRANT SELECT ON projections.throughput TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.execution_failures WITH (security_invoker = true) AS
SELECT e.tenant_id, e.workflow_key, e.workflow_version, e.error_details ->> 'node_id' AS node_id, e.error_details ->> 'code' AS code,
       count(*) AS executions, count(*) FILTER (WHERE e.compensation = 'completed') AS undone,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.completed_at - e.started_at) * 1000)::bigint AS median_ms,
       min(e.completed_at) AS first_at, max(e.completed_at) AS last_at,
       (array_agg(e.error ORDER BY e.completed_at DESC, e.id))[1] AS last_message,
       (array_agg(e.id ORDER BY e.completed_at DESC, e.id))[1] AS last_execution_id
  FROM projections.workflow_executions e WHERE e.status = 'failed'
 GROUP BY 1, 2, 3, 4, 5;

COMMENT ON VIEW projections.execution_failures IS 'Why executions failed: by workflow, version, node and code of the error.';
COMMENT ON COLUMN projections.execution_failures.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.execution_failures.workflow_key IS 'The workflow''s key.';
COMMENT ON COLUMN projections.execution_failures.workflow_version IS 'Its version.';
COMMENT ON COLUMN projections.execution_failures.node_id IS 'The node whose error it was; null: no node''s, such as a time limit of the execution.';
COMMENT ON COLUMN projections.execution_failures.code IS 'The error''s code: that of a fail node, or the type of the error that nothing handled.';
COMMENT ON COLUMN projections.execution_failures.executions IS 'How many failed so.';
COMMENT ON COLUMN projections.execution_failures.undone IS 'Of these, those whose effects were undone (compensated) completely.';
COMMENT ON COLUMN projections.execution_failures.median_ms IS 'From start to failure: half of them took no longer, in milliseconds.';
COMMENT ON COLUMN projections.execution_failures.first_at IS 'When the first of them did.';
COMMENT ON COLUMN projections.execution_failures.last_at IS 'When the last of them did.';
COMMENT ON COLUMN projections.execution_failures.last_message IS 'What its error said.';
COMMENT ON COLUMN projections.execution_failures.last_execution_id IS 'That execution.';
GRANT SELECT ON projections.execution_failures TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.execution_paths WITH (security_invoker = true) AS
SELECT e.tenant_id, e.id AS execution_id, e.workflow_key, e.workflow_version, e.business_key, e.status, e.created_at, e.started_at,
       l.ended_at, (extract(epoch FROM l.ended_at - e.started_at) * 1000)::bigint AS cycle_ms, md5(array_to_string(p.path, '>')) AS variant,
       p.path, cardinality(p.path) AS steps
  FROM projections.workflow_executions e
 CROSS JOIN LATERAL (SELECT coalesce(e.completed_at, e.cancelled_at) AS ended_at) l
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(a.node_id ORDER BY a.version), '{}') AS path
         FROM projections.node_activations a
        WHERE a.tenant_id = e.tenant_id AND a.execution_id = e.id AND a.status = 'completed' AND a.item_id IS NULL
          AND a.compensates IS NULL) p
 WHERE e.status IN ('completed', 'failed', 'cancelled');

COMMENT ON VIEW projections.execution_paths IS 'Which way each execution that is over went: its variant, as process mining has it, and how long it took.';
COMMENT ON COLUMN projections.execution_paths.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.execution_paths.execution_id IS 'The execution.';
COMMENT ON COLUMN projections.execution_paths.workflow_key IS 'The workflow''s key.';
COMMENT ON COLUMN projections.execution_paths.workflow_version IS 'The version it ran, last.';
COMMENT ON COLUMN projections.execution_paths.business_key IS 'The starter''s own name for it.';
COMMENT ON COLUMN projections.execution_paths.status IS 'completed, failed or cancelled.';
COMMENT ON COLUMN projections.execution_paths.created_at IS 'When its start was recorded: an index leads to a span of it.';
COMMENT ON COLUMN projections.execution_paths.started_at IS 'When it started.';
COMMENT ON COLUMN projections.execution_paths.ended_at IS 'When it completed, failed or was cancelled.';
COMMENT ON COLUMN projections.execution_paths.cycle_ms IS 'From start to end, in milliseconds.';
COMMENT ON COLUMN projections.execution_paths.variant IS 'A short name of the path: equal where the path is.';
COMMENT ON COLUMN projections.execution_paths.path IS 'The nodes, in the order in which their visits were completed; without items of a foreach and without undoing.';
COMMENT ON COLUMN projections.execution_paths.steps IS 'How many these are.';
GRANT SELECT ON projections.execution_paths TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.variants WITH (security_invoker = true) AS
WITH counted AS (
    SELECT tenant_id, workflow_key, variant, path, steps, count(*) AS executions,
           count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled, avg(cycle_ms)::bigint AS average_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY cycle_ms)::bigint AS median_ms,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY cycle_ms)::bigint AS p90_ms, min(started_at) AS first_started_at,
           max(started_at) AS last_started_at, (array_agg(execution_id ORDER BY started_at DESC, execution_id))[1] AS last_execution_id
      FROM projections.execution_paths GROUP BY tenant_id, workflow_key, variant, path, steps
)
SELECT c.*, round(c.executions / sum(c.executions) OVER of_workflow, 4) AS share
  FROM counted c WINDOW of_workflow AS (PARTITION BY c.tenant_id, c.workflow_key);

COMMENT ON VIEW projections.variants IS 'Cycle time by variant: executions that are over, by workflow and the sequence of nodes that they completed.';
COMMENT ON COLUMN projections.variants.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.variants.workflow_key IS 'The workflow''s key.';
COMMENT ON COLUMN projections.variants.variant IS 'A short name of the path, as in execution_paths.';
COMMENT ON COLUMN projections.variants.path IS 'The nodes, in the order in which their visits were completed.';
COMMENT ON COLUMN projections.variants.steps IS 'How many these are.';
COMMENT ON COLUMN projections.variants.executions IS 'How many executions went this way.';
COMMENT ON COLUMN projections.variants.completed IS 'Of these, completed.';
COMMENT ON COLUMN projections.variants.failed IS 'Of these, failed.';
COMMENT ON COLUMN projections.variants.cancelled IS 'Of these, cancelled.';
COMMENT ON COLUMN projections.variants.average_ms IS 'From start to end, on average, in milliseconds.';
COMMENT ON COLUMN projections.variants.median_ms IS 'From start to end: half of them took no longer, in milliseconds.';
COMMENT ON COLUMN projections.variants.p90_ms IS 'From start to end: nine of ten took no longer, in milliseconds.';
COMMENT ON COLUMN projections.variants.first_started_at IS 'When the first of them started.';
COMMENT ON COLUMN projections.variants.last_started_at IS 'When the last of them started.';
COMMENT ON COLUMN projections.variants.last_execution_id IS 'That execution.';
COMMENT ON COLUMN projections.variants.share IS 'Of all executions of the workflow that are over, from 0 to 1.';
GRANT SELECT ON projections.variants TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.rework WITH (security_invoker = true) AS
WITH runs AS (
    SELECT a.tenant_id, e.workflow_key, a.node_id, e.id AS execution_id, a.item_id, count(*) AS visits,
           coalesce(sum(l.took) FILTER (WHERE a.visit > 1), 0) AS further_ms, sum(a.retry_count) AS retries
      FROM projections.workflow_executions e
      JOIN projections.node_activations a ON a.tenant_id = e.tenant_id AND a.execution_id = e.id AND a.compensates IS NULL
     CROSS JOIN LATERAL (SELECT extract(epoch FROM a.completed_at - a.started_at) * 1000 AS took) l
     GROUP BY 1, 2, 3, 4, 5
), nodes AS (
    SELECT tenant_id, workflow_key, node_id, count(DISTINCT execution_id) AS executions, sum(visits) AS visits,
           count(DISTINCT execution_id) FILTER (WHERE visits > 1) AS executions_repeated, sum(visits - 1) AS further_visits,
           max(visits) AS most_visits, sum(further_ms) AS further_ms, sum(retries) AS retries, 0 AS resubmitted, 0 AS steps_repeated,
           0 AS outputs_sent_back
      FROM runs GROUP BY 1, 2, 3
     UNION ALL
    SELECT r.tenant_id, r.workflow_key, r.node_id, 0, 0, 0, 0, 0, 0, 0, sum(r.current_version - 1), coalesce(sum(s.repeated), 0), 0
      FROM projections.approval_requests r
      LEFT JOIN (
           SELECT tenant_id, request_id, sum(greatest(times_started - 1, 0)) AS repeated FROM projections.approval_steps GROUP BY 1, 2) s
        ON s.tenant_id = r.tenant_id AND s.request_id = r.id
     GROUP BY 1, 2, 3
     UNION ALL
    SELECT tenant_id, workflow_key, node_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, sum(rejections)
      FROM projections.ai_agent_tasks GROUP BY 1, 2, 3
)
SELECT tenant_id, workflow_key, node_id, sum(executions)::bigint AS executions, sum(executions_repeated)::bigint AS executions_repeated,
       round(sum(executions_repeated) / nullif(sum(executions), 0), 4) AS share_repeated, sum(visits)::bigint AS visits,
       sum(further_visits)::bigint AS further_visits, max(most_visits)::bigint AS most_visits, sum(further_ms)::bigint AS further_ms,
       sum(retries)::bigint AS retries, sum(resubmitted)::bigint AS requests_resubmitted, sum(steps_repeated)::bigint AS steps_asked_again,
       sum(outputs_sent_back)::bigint AS outputs_sent_back
  FROM nodes GROUP BY tenant_id, workflow_key, node_id
HAVING sum(further_visits) + sum(retries) + sum(resubmitted) + sum(steps_repeated) + sum(outputs_sent_back) > 0;

COMMENT ON VIEW projections.rework IS 'What was done more than once: by workflow and node, repeated visits, retries, and what people sent back.';
COMMENT ON COLUMN projections.rework.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.rework.workflow_key IS 'The workflow; null: nothing of a workflow.';
COMMENT ON COLUMN projections.rework.node_id IS 'The node.';
COMMENT ON COLUMN projections.rework.executions IS 'Executions that visited it.';
COMMENT ON COLUMN projections.rework.executions_repeated IS 'Of these, those that did so more than once, of a foreach for one item.';
COMMENT ON COLUMN projections.rework.share_repeated IS 'These of all that visited it, from 0 to 1.';
COMMENT ON COLUMN projections.rework.visits IS 'Visits in all.';
COMMENT ON COLUMN projections.rework.further_visits IS 'Visits beyond the first of an execution or item.';
COMMENT ON COLUMN projections.rework.most_visits IS 'The most by one execution or item.';
COMMENT ON COLUMN projections.rework.further_ms IS 'How long visits beyond the first took, together, in milliseconds.';
COMMENT ON COLUMN projections.rework.retries IS 'Attempts beyond the first of each visit.';
COMMENT ON COLUMN projections.rework.requests_resubmitted IS 'How often its approval requests were changed and asked again.';
COMMENT ON COLUMN projections.rework.steps_asked_again IS 'How often steps of its approval requests were asked again.';
COMMENT ON COLUMN projections.rework.outputs_sent_back IS 'How often people sent the output of an AI task of it back.';
GRANT SELECT ON projections.rework TO gesta_api, gesta_system;

CREATE OR REPLACE VIEW projections.waiting_now WITH (security_invoker = true) AS
WITH waits AS (
    SELECT r.tenant_id, 'people' AS waits_for, CASE WHEN l.taken THEN 'user' ELSE a.kind END AS who_kind,
           CASE WHEN l.taken THEN r.claimed_by::text ELSE nullif(a.value, '') END AS who, r.workflow_key, r.node_id, r.execution_id,
           r.id AS thing, coalesce(s.started_at, r.requested_at, r.created_at) AS since, nullif(a.due_by, '9999-12-31Z') AS due_at
      FROM projections.approval_requests r
      JOIN projections.approval_assignees a ON a.tenant_id = r.tenant_id AND a.request_id = r.id AND a.status = 'pending'
      LEFT JOIN projections.approval_steps s ON s.tenant_id = a.tenant_id AND s.request_id = a.request_id AND s.step = a.step
     CROSS JOIN LATERAL (
           SELECT r.claimed_by IS NOT NULL AND NOT (r.approval_type = 'steps' AND (
                      SELECT count(*) > 1 FROM projections.approval_steps o
                       WHERE o.tenant_id = r.tenant_id AND o.request_id = r.id AND o.status = 'open')) AS taken) l
     WHERE r.status = 'pending' AND NOT a.members_fixed
     UNION ALL
    SELECT r.tenant_id, 'requester' AS waits_for, 'user' AS who_kind, r.requested_by::text AS who, r.workflow_key, r.node_id, r.execution_id,
           r.id AS thing, r.recalled_at AS since, NULL AS due_at
      FROM projections.approval_requests r WHERE r.status = 'with_requester'
     UNION ALL
    SELECT w.tenant_id,
           CASE WHEN w.paused_at IS NOT NULL THEN 'resumption' WHEN w.kind = 'job' THEN 'worker' WHEN w.kind = 'ai_task' THEN 'model'
                WHEN w.kind = 'timer' THEN 'time' WHEN w.kind = 'event' THEN 'event' WHEN w.kind = 'execution' THEN 'child'
                ELSE 'items' END AS waits_for,
           CASE WHEN w.paused_at IS NULL THEN CASE w.kind WHEN 'job' THEN 'job_type' WHEN 'ai_task' THEN 'model'
                                                          WHEN 'event' THEN 'event_type' WHEN 'execution' THEN 'workflow' END END AS who_kind,
           CASE WHEN w.paused_at IS NULL THEN coalesce(w.job_type, w.model, w.event_type, w.workflow_key) END AS who,
           e.workflow_key, w.node_id, w.execution_id, w.id AS thing, coalesce(w.paused_at, w.since) AS since,
           CASE WHEN w.paused_at IS NULL THEN w.until END AS due_at
      FROM projections.execution_waits w
      JOIN projections.workflow_executions e ON e.tenant_id = w.tenant_id AND e.id = w.execution_id
     WHERE w.kind IN ('job', 'event', 'execution', 'foreach')
        OR w.kind = 'timer' AND w.approval_id IS NULL AND w.about NOT IN ('timeout', 'execution_timeout')
        OR w.kind = 'ai_task' AND NOT EXISTS (
               SELECT FROM projections.ai_agent_tasks t WHERE t.tenant_id = w.tenant_id AND t.id = w.id AND t.status = 'waiting')
     UNION ALL
    SELECT t.tenant_id, 'model' AS waits_for, 'model' AS who_kind, t.model AS who, NULL AS workflow_key, NULL AS node_id,
           NULL AS execution_id, t.id AS thing, t.created_at AS since, NULL AS due_at
      FROM projections.ai_agent_tasks t WHERE t.status IN ('pending', 'running') AND t.execution_id IS NULL
     UNION ALL
    SELECT j.tenant_id, 'worker' AS waits_for, 'job_type' AS who_kind, j.type AS who, NULL AS workflow_key, NULL AS node_id,
           NULL AS execution_id, j.id AS thing, greatest(j.created_at, j.run_at) AS since, j.expires_at AS due_at
      FROM projections.jobs j WHERE j.status = 'pending'
)
SELECT tenant_id, waits_for, who_kind, who, workflow_key, node_id, count(DISTINCT thing) AS things,
       count(DISTINCT execution_id) AS executions, count(DISTINCT thing) FILTER (WHERE due_at < now()) AS overdue,
       min(since) AS oldest_since, min(due_at) AS next_due_at
  FROM waits GROUP BY 1, 2, 3, 4, 5, 6;

COMMENT ON VIEW projections.waiting_now IS 'What is waited for now, and by whom it can be moved on: people, workers, models, time, events, children.';
COMMENT ON COLUMN projections.waiting_now.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.waiting_now.waits_for IS 'people (to decide), requester (to resubmit or withdraw), worker, model, time, event, child, items (of a foreach), or resumption (of a paused execution).';
COMMENT ON COLUMN projections.waiting_now.who_kind IS 'What `who` names: user, role, anyone (who may decide approvals), job_type, model, event_type or workflow; null: nobody.';
COMMENT ON COLUMN projections.waiting_now.who IS 'The user''s id, the role''s key, the type, model or workflow. What several are asked for is in the row of each.';
COMMENT ON COLUMN projections.waiting_now.workflow_key IS 'The workflow that waits; null: nothing of a workflow.';
COMMENT ON COLUMN projections.waiting_now.node_id IS 'Its node.';
COMMENT ON COLUMN projections.waiting_now.things IS 'How many requests, jobs, AI tasks, timers … are waited for.';
COMMENT ON COLUMN projections.waiting_now.executions IS 'How many executions wait for them.';
COMMENT ON COLUMN projections.waiting_now.overdue IS 'Of the things, those whose moment has passed.';
COMMENT ON COLUMN projections.waiting_now.oldest_since IS 'Since when the oldest is waited for.';
COMMENT ON COLUMN projections.waiting_now.next_due_at IS 'The soonest moment: by when an answer is hoped for, a timer fires, or a job expires.';
GRANT SELECT ON projections.waiting_now TO gesta_api, gesta_system;
