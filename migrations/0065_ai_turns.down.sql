DROP TABLE projections.ai_agent_tool_calls;
DROP TABLE projections.ai_agent_turns;
ALTER TABLE projections.ai_agent_attempts
    DROP COLUMN turn,
    DROP COLUMN purpose,
    DROP COLUMN answered,
    DROP COLUMN cached_from;
ALTER TABLE projections.ai_agent_attempts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.ai_agent_tasks NO FORCE ROW LEVEL SECURITY;
-- What no execution asked for has no place in the tables of before; the ledger keeps it.
DELETE FROM projections.ai_agent_attempts a USING projections.ai_agent_tasks t
 WHERE t.tenant_id = a.tenant_id AND t.id = a.task_id AND t.execution_id IS NULL;
DELETE FROM projections.ai_agent_tasks WHERE execution_id IS NULL;
UPDATE projections.ai_agent_tasks SET status = 'pending' WHERE status = 'waiting';
ALTER TABLE projections.ai_agent_tasks
    DROP COLUMN workflow_key,
    DROP COLUMN turns,
    DROP COLUMN tool_calls,
    DROP COLUMN open_questions,
    DROP COLUMN tools,
    DROP COLUMN bounds,
    DROP COLUMN continues_id,
    DROP COLUMN external,
    DROP COLUMN original_output,
    DROP COLUMN review_outcome,
    DROP COLUMN reviewed_by,
    ALTER COLUMN execution_id SET NOT NULL,
    ALTER COLUMN activation_id SET NOT NULL,
    ALTER COLUMN node_id SET NOT NULL,
    DROP CONSTRAINT ai_agent_tasks_status_check,
    ADD CONSTRAINT ai_agent_tasks_status_check
        CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled'));
ALTER TABLE projections.ai_agent_attempts FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.ai_agent_tasks FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN projections.ai_agent_tasks.execution_id IS 'The execution that asks.';
COMMENT ON COLUMN projections.ai_agent_tasks.activation_id IS 'The visit of the ai_agent node that asks.';
COMMENT ON COLUMN projections.ai_agent_tasks.node_id IS 'That node.';
COMMENT ON COLUMN projections.ai_agent_tasks.status IS 'pending (also between two attempts), running, completed, failed or cancelled.';
