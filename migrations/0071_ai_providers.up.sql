-- Providers of AI models and names for models, of each tenant; and what processes know of providers together: calls under way, how
-- much was used in each second, and who is not asked for now.
CREATE TABLE projections.ai_providers (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    key        text NOT NULL,
    kind       text NOT NULL,
    base_url   text,
    secret     text,
    limits     jsonb NOT NULL,
    prices     jsonb NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ai_providers_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX ai_providers_by_creation ON projections.ai_providers (tenant_id, created_at, id);
COMMENT ON TABLE projections.ai_providers IS 'Providers of AI models that the tenant has set up, and which secret opens each. No secret''s value is here.';
COMMENT ON COLUMN projections.ai_providers.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_providers.id IS 'The provider''s id; follows from its key.';
COMMENT ON COLUMN projections.ai_providers.key IS 'As names of models begin with it, before the colon.';
COMMENT ON COLUMN projections.ai_providers.kind IS 'Whose protocol it speaks: openai, anthropic, google, mistral or openai_compatible.';
COMMENT ON COLUMN projections.ai_providers.base_url IS 'Where it is; null: at the vendor''s own address.';
COMMENT ON COLUMN projections.ai_providers.secret IS 'The name of the secret that opens it; null: it needs none.';
COMMENT ON COLUMN projections.ai_providers.limits IS 'How much of it may be used: {concurrency, requests_per_minute, tokens_per_minute}; null: no limit of ours.';
COMMENT ON COLUMN projections.ai_providers.prices IS 'By model: {input, output, cached_input?, currency}, for a million tokens each, as text.';
COMMENT ON COLUMN projections.ai_providers.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.ai_providers.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.ai_providers.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.ai_providers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_providers_system ON projections.ai_providers TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY ai_providers_api ON projections.ai_providers FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.ai_providers FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.ai_providers TO gesta_system;
GRANT SELECT ON projections.ai_providers TO gesta_api;
CREATE TABLE projections.ai_models (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    key        text NOT NULL,
    models     text[] NOT NULL,
    defaults   jsonb NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ai_models_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX ai_models_by_creation ON projections.ai_models (tenant_id, created_at, id);
COMMENT ON TABLE projections.ai_models IS 'Names that the tenant gives to AI models: which are asked, in order.';
COMMENT ON COLUMN projections.ai_models.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.ai_models.id IS 'The name''s id; follows from its key.';
COMMENT ON COLUMN projections.ai_models.key IS 'As definitions name it.';
COMMENT ON COLUMN projections.ai_models.models IS 'Each provider:model, in the order in which they are asked.';
COMMENT ON COLUMN projections.ai_models.defaults IS 'Where a task does not say: {max_output_tokens, temperature, timeout_seconds}.';
COMMENT ON COLUMN projections.ai_models.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.ai_models.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.ai_models.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.ai_models ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_models_system ON projections.ai_models TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY ai_models_api ON projections.ai_models FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.ai_models FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.ai_models TO gesta_system;
GRANT SELECT ON projections.ai_models TO gesta_api;
CREATE TABLE runtime.ai_provider_states (
    tenant_id     uuid NOT NULL,
    provider_id   uuid NOT NULL,
    failures      int NOT NULL DEFAULT 0,
    failing_since timestamptz,
    open_until    timestamptz,
    opened        int NOT NULL DEFAULT 0,
    probe         uuid,
    probe_until   timestamptz,
    resting_until timestamptz,
    waiting       int NOT NULL DEFAULT 0,
    waiting_since timestamptz,
    last_error    text,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, provider_id)
);
COMMENT ON TABLE runtime.ai_provider_states IS 'How each provider of AI models does: its circuit, and until when it is left alone.';
COMMENT ON COLUMN runtime.ai_provider_states.tenant_id IS 'Whose provider it is; the platform''s id: the installation''s own.';
COMMENT ON COLUMN runtime.ai_provider_states.provider_id IS 'The provider.';
COMMENT ON COLUMN runtime.ai_provider_states.failures IS 'Calls in a row that it failed, since failing_since.';
COMMENT ON COLUMN runtime.ai_provider_states.failing_since IS 'When the first of these ended.';
COMMENT ON COLUMN runtime.ai_provider_states.open_until IS 'It is not asked before; after it, one call finds out whether it is back. NULL: the circuit is closed.';
COMMENT ON COLUMN runtime.ai_provider_states.opened IS 'How often in a row the circuit was opened.';
COMMENT ON COLUMN runtime.ai_provider_states.probe IS 'The attempt that finds out.';
COMMENT ON COLUMN runtime.ai_provider_states.probe_until IS 'When that attempt is given up at the latest.';
COMMENT ON COLUMN runtime.ai_provider_states.resting_until IS 'It asked to be left alone until then.';
COMMENT ON COLUMN runtime.ai_provider_states.waiting IS 'Calls that were told to wait since waiting_since.';
COMMENT ON COLUMN runtime.ai_provider_states.waiting_since IS 'When that count began.';
COMMENT ON COLUMN runtime.ai_provider_states.last_error IS 'The type of the last failure that counted.';
COMMENT ON COLUMN runtime.ai_provider_states.changed_at IS 'When its circuit was opened or closed last.';
ALTER TABLE runtime.ai_provider_states ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_provider_states_system ON runtime.ai_provider_states TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.ai_provider_states FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.ai_provider_states TO gesta_system;
CREATE TABLE runtime.ai_provider_calls (
    tenant_id     uuid NOT NULL,
    provider_id   uuid NOT NULL,
    attempt_id    uuid NOT NULL,
    caller_id     uuid NOT NULL,
    began_at      timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    tokens        bigint NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, attempt_id)
);
COMMENT ON TABLE runtime.ai_provider_calls IS 'Calls of AI models under way.';
COMMENT ON COLUMN runtime.ai_provider_calls.tenant_id IS 'Whose provider it is.';
COMMENT ON COLUMN runtime.ai_provider_calls.provider_id IS 'The provider.';
COMMENT ON COLUMN runtime.ai_provider_calls.attempt_id IS 'The attempt.';
COMMENT ON COLUMN runtime.ai_provider_calls.caller_id IS 'The tenant that calls.';
COMMENT ON COLUMN runtime.ai_provider_calls.began_at IS 'When it was let through.';
COMMENT ON COLUMN runtime.ai_provider_calls.ends_at IS 'When it counts no longer, if nobody says that it has ended.';
COMMENT ON COLUMN runtime.ai_provider_calls.tokens IS 'What it was expected to use.';
ALTER TABLE runtime.ai_provider_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_provider_calls_system ON runtime.ai_provider_calls TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.ai_provider_calls FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.ai_provider_calls TO gesta_system;
CREATE TABLE runtime.ai_provider_seconds (
    tenant_id     uuid NOT NULL,
    provider_id   uuid NOT NULL,
    second        bigint NOT NULL,
    caller_id     uuid NOT NULL,
    requests      int NOT NULL,
    tokens        bigint NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, second, caller_id)
);
COMMENT ON TABLE runtime.ai_provider_seconds IS 'What was used of each provider in each second of the last minute.';
COMMENT ON COLUMN runtime.ai_provider_seconds.tenant_id IS 'Whose provider it is.';
COMMENT ON COLUMN runtime.ai_provider_seconds.provider_id IS 'The provider.';
COMMENT ON COLUMN runtime.ai_provider_seconds.second IS 'Of the epoch.';
COMMENT ON COLUMN runtime.ai_provider_seconds.caller_id IS 'The tenant that called.';
COMMENT ON COLUMN runtime.ai_provider_seconds.requests IS 'Calls that began.';
COMMENT ON COLUMN runtime.ai_provider_seconds.tokens IS 'What they used, as far as that is known, else what they were expected to.';
ALTER TABLE runtime.ai_provider_seconds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_provider_seconds_system ON runtime.ai_provider_seconds TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.ai_provider_seconds FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.ai_provider_seconds TO gesta_system;
CREATE TABLE runtime.ai_provider_waits (
    tenant_id     uuid NOT NULL,
    provider_id   uuid NOT NULL,
    caller_id     uuid NOT NULL,
    until         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, caller_id)
);
COMMENT ON TABLE runtime.ai_provider_waits IS 'Tenants that wait for a provider: the others take no more than their share.';
COMMENT ON COLUMN runtime.ai_provider_waits.tenant_id IS 'Whose provider it is.';
COMMENT ON COLUMN runtime.ai_provider_waits.provider_id IS 'The provider.';
COMMENT ON COLUMN runtime.ai_provider_waits.caller_id IS 'The tenant that waits.';
COMMENT ON COLUMN runtime.ai_provider_waits.until IS 'Until when it counts as waiting.';
ALTER TABLE runtime.ai_provider_waits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_provider_waits_system ON runtime.ai_provider_waits TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.ai_provider_waits FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.ai_provider_waits TO gesta_system;
