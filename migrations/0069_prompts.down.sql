ALTER TABLE runtime.secrets NO FORCE ROW LEVEL SECURITY;
DELETE FROM runtime.secrets WHERE task_id IS NOT NULL;
ALTER TABLE runtime.secrets FORCE ROW LEVEL SECURITY;
ALTER TABLE runtime.secrets DROP COLUMN task_id, DROP COLUMN look_after;
DROP VIEW projections.prompt_version_outcomes;
COMMENT ON COLUMN projections.ai_agent_tasks.prompt IS 'What is asked, as it is sent.';
ALTER TABLE projections.ai_agent_tasks DROP COLUMN prompt_key, DROP COLUMN prompt_version, DROP COLUMN rejections;
DROP TABLE projections.prompt_versions;
DROP TABLE projections.prompts;
