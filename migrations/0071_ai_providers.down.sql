DROP FUNCTION IF EXISTS runtime.begin_ai_call;
DROP FUNCTION IF EXISTS runtime.end_ai_call;
DROP TABLE runtime.ai_provider_waits, runtime.ai_provider_seconds, runtime.ai_provider_calls, runtime.ai_provider_states;
DROP TABLE projections.ai_models, projections.ai_providers;
