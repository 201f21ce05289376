-- What a visit waits for is a record of its own: open items come from it, whatever the type of node.
ALTER TABLE projections.node_activations ADD COLUMN waits jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN projections.node_activations.waits IS
    'What it waits for while it runs, and what it waited for last once it is over: {kind, id, about}.';

-- The same that the upcaster of activation.started.v1 makes of what was recorded before. The owner is bound by row-level security, too.
ALTER TABLE projections.node_activations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.ai_agent_tasks NO FORCE ROW LEVEL SECURITY;
UPDATE projections.node_activations SET waits = jsonb_build_array(jsonb_build_object('kind', 'job', 'id', id, 'about', ''))
 WHERE node_type = 'task';
UPDATE projections.node_activations n SET waits = jsonb_build_array(jsonb_build_object('kind', 'approval', 'id', r.id, 'about', ''))
  FROM projections.approval_requests r
 WHERE r.tenant_id = n.tenant_id AND r.activation_id = n.id;
UPDATE projections.node_activations n
   SET waits = jsonb_build_array(jsonb_build_object('kind', 'ai_task', 'id', t.id, 'about', ''),
                                 jsonb_build_object('kind', 'job', 'id', n.id, 'about', 'gesta.ai'))
  FROM projections.ai_agent_tasks t
 WHERE t.tenant_id = n.tenant_id AND t.activation_id = n.id;
ALTER TABLE projections.node_activations FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.approval_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE projections.ai_agent_tasks FORCE ROW LEVEL SECURITY;
-- The default stays: a projector of the release before goes on writing rows without the column.
