COMMENT ON COLUMN projections.ai_agent_tasks.usage IS 'Over the attempts that ended: {attempts, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, unpriced}; unpriced: how many are not in actual_cost.';
COMMENT ON COLUMN projections.ai_agent_attempts.usage IS '{input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, details}; null: not known.';
