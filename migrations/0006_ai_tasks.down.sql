DROP TABLE runtime.projection_skips;
DROP TABLE projections.ai_agent_attempts, projections.ai_agent_tasks;
