"""What happened in an execution, in the order in which it began. One question to the tables; each part is found by an index from
the execution."""

PART = """
SELECT p.at, p.kind, p.id, p.until, p.node_id, p.activation_id, p.item_index, p.status, p.user_id, p.details
  FROM ({part}) p (at, kind, id, until, node_id, activation_id, item_index, status, user_id, details)
"""

ACTIVATIONS = """
SELECT n.started_at, 'activation', n.id::text, n.completed_at, n.node_id, n.id, n.item_index, n.status, NULL::uuid,
       jsonb_build_object('node_type', n.node_type, 'visit', n.visit, 'handle', n.handle, 'retry_count', n.retry_count,
                          'compensates', n.compensates, 'error', n.error)
  FROM projections.node_activations n
 WHERE n.tenant_id = %(tenant_id)s AND n.execution_id = %(id)s
"""
REQUESTS = """
SELECT coalesce(r.requested_at, r.created_at), 'approval', r.id::text, r.responded_at, r.node_id, r.activation_id, r.item_index,
       r.status, r.requested_by,
       jsonb_build_object('title', r.title, 'outcome', r.outcome, 'due_at', r.due_at, 'escalation_level', r.escalation_level)
  FROM projections.approval_requests r
 WHERE r.tenant_id = %(tenant_id)s AND r.execution_id = %(id)s
   AND %(sees_approvals)s
"""
# Others' decisions are left out as long as those who are asked do not see each other's.
DECISIONS = """
SELECT d.decided_at, 'decision', d.id::text, NULL::timestamptz, r.node_id, r.activation_id, r.item_index,
       CASE WHEN d.revoked_at IS NULL THEN 'made' ELSE 'revoked' END, d.user_id,
       jsonb_build_object('request_id', d.request_id, 'step', d.step, 'outcome', d.outcome, 'role', d.role,
                          'on_behalf_of', d.on_behalf_of, 'via', d.via, 'comment', d.comment)
  FROM projections.approval_requests r
  JOIN projections.approval_decisions d ON d.tenant_id = %(tenant_id)s AND d.request_id = r.id
 WHERE r.tenant_id = %(tenant_id)s AND r.execution_id = %(id)s
   AND (%(sees_names)s OR d.is_override OR r.visibility = 'names' OR (r.visibility = 'after_resolution' AND r.status <> 'pending')
        OR d.user_id = ANY (%(me)s::uuid[]) OR d.on_behalf_of = ANY (%(me)s::uuid[]))
   AND %(sees_approvals)s
"""
AI_TASKS = """
SELECT coalesce(t.started_at, t.created_at), 'ai_task', t.id::text, t.completed_at, t.node_id, t.activation_id, t.item_index,
       t.status, t.requested_by,
       jsonb_build_object('task_name', t.task_name, 'model', t.model, 'turns', t.turns, 'tool_calls', t.tool_calls,
                          'input_tokens', t.input_tokens, 'output_tokens', t.output_tokens, 'error', t.error)
  FROM projections.ai_agent_tasks t
 WHERE t.tenant_id = %(tenant_id)s AND t.execution_id = %(id)s
   AND %(sees_ai_tasks)s
"""
TURNS = """
SELECT a.started_at, 'ai_turn', a.id::text, a.completed_at, t.node_id, t.activation_id, t.item_index, a.status, NULL::uuid,
       jsonb_build_object('task_id', t.id, 'number', a.number, 'turn', a.turn, 'purpose', a.purpose, 'model', a.model,
                          'input_tokens', a.input_tokens, 'output_tokens', a.output_tokens, 'error', a.error)
  FROM projections.ai_agent_tasks t
  JOIN projections.ai_agent_attempts a ON a.tenant_id = %(tenant_id)s AND a.task_id = t.id
 WHERE t.tenant_id = %(tenant_id)s AND t.execution_id = %(id)s
   AND %(sees_ai_tasks)s
"""
TOOL_CALLS = """
SELECT coalesce(c.started_at, c.created_at), 'tool_call', c.id::text, c.completed_at, t.node_id, t.activation_id, t.item_index,
       c.status, c.decided_by,
       jsonb_build_object('task_id', t.id, 'turn', c.turn, 'tool', c.tool, 'verdict', c.verdict, 'why', c.why,
                          'denial_reason', c.denial_reason, 'attempts', c.attempts, 'request_id', c.request_id)
  FROM projections.ai_agent_tasks t
  JOIN projections.ai_agent_tool_calls c ON c.tenant_id = %(tenant_id)s AND c.task_id = t.id
 WHERE t.tenant_id = %(tenant_id)s AND t.execution_id = %(id)s
   AND %(sees_ai_tasks)s
"""
CHILDREN = """
SELECT DISTINCT coalesce(x.started_at, x.created_at), 'child', x.id::text, x.completed_at, n.node_id, n.id, n.item_index,
       x.status, x.created_by,
       jsonb_build_object('workflow_key', x.workflow_key, 'execution_number', x.execution_number, 'error', x.error)
  FROM projections.node_activations n
 CROSS JOIN LATERAL jsonb_array_elements(n.waits) w (wait)
  JOIN projections.workflow_executions x ON x.tenant_id = %(tenant_id)s AND w.wait ->> 'kind' = 'execution'
   AND x.id = (w.wait ->> 'id')::uuid
 WHERE n.tenant_id = %(tenant_id)s AND n.execution_id = %(id)s
"""
WAITS = """
SELECT w.since, 'wait', w.waiter_id::text || ':' || w.kind || ':' || w.id::text, CASE WHEN w.paused_at IS NULL THEN w.until END,
       w.node_id, w.activation_id, w.item_index, 'open', NULL::uuid,
       jsonb_build_object('for', w.kind, 'about', w.about, 'moved_on_by', w.moved_on_by)
  FROM projections.execution_waits w
 WHERE w.tenant_id = %(tenant_id)s AND w.execution_id = %(id)s
"""
# What happened to the execution as a whole, and by whom: started, paused, signalled, cancelled …
DEEDS = """
SELECT a.occurred_at, 'event', a.position::text, NULL::timestamptz, NULL::text, NULL::uuid, NULL::integer, a.outcome, a.user_id,
       jsonb_build_object('action', a.action, 'description', a.description, 'actor_type', a.actor_type, 'actor_id', a.actor_id,
                          'on_behalf_of', a.on_behalf_of, 'reason', a.reason)
  FROM projections.audit_logs a
 WHERE a.tenant_id = %(tenant_id)s AND a.resource_id = %(id)s AND a.resource = 'execution' AND starts_with(a.action, 'execution.')
"""
PARTS = (ACTIVATIONS, REQUESTS, DECISIONS, AI_TASKS, TURNS, TOOL_CALLS, CHILDREN, WAITS, DEEDS)
WHOLE = """
SELECT e.version,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                            'kind', f.kind, 'id', f.id, 'at', to_char(f.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'until', to_char(f.until, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'duration_ms',
                            CASE WHEN f.kind <> 'wait' THEN (extract(epoch FROM f.until - f.at) * 1000)::bigint END,
                            'node_id', f.node_id, 'activation_id', f.activation_id, 'item_index', f.item_index,
                            'status', f.status, 'user_id', f.user_id, 'details', f.details) ORDER BY f.at, f.kind, f.id)
                   FROM (SELECT * FROM ({parts}) u
                          WHERE %(after_at)s::timestamptz IS NULL
                             OR (u.at, u.kind, u.id) > (%(after_at)s::timestamptz, %(after_kind)s::text, %(after_id)s::text)
                          ORDER BY u.at, u.kind, u.id
                          LIMIT %(limit)s) f), '[]') AS items
  FROM projections.workflow_executions e
 WHERE e.tenant_id = %(tenant_id)s AND e.id = %(id)s
"""
TIMELINE = WHOLE.replace("{parts}", " UNION ALL ".join(PART.replace("{part}", part) for part in PARTS))
