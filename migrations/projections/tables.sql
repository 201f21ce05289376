-- The tables that people query, as they are today: one generation of them, in whatever schema search_path names. A new generation is
-- made of this file and filled beside the one that serves (gesta rebuild). The numbered migrations come to the same, and
-- a test says where they do not. Comments on columns are not here: they are made of the catalogue of columns in src/projections.
--
-- * tenant_id leads every key and every index; the exceptions are tenants, users and permissions, which belong to the platform.
-- * version is the version of the stream whose event touched the row last; created_at and updated_at are recorded times.
--   All other times are the times at which things occurred.
-- * What the API can filter by is a typed column with a btree of its own: under row-level security only leakproof operators
--   (uuid, text = and <, timestamptz, bigint) reach an index; jsonb, arrays and numeric do not.
-- * Columns that name a tenant carry no foreign key to tenants: the platform's own ledger has no row there, and a tenant's
--   ledger is projected on its own. All other references are real, and none leads from one group of tables to another.

CREATE TABLE tenants (
    id                  uuid PRIMARY KEY,
    slug                text NOT NULL CONSTRAINT tenants_slug_is_unique UNIQUE,
    name                text NOT NULL,
    domain              text,
    description         text,
    settings            jsonb NOT NULL,
    is_active           boolean NOT NULL,
    subscription_tier   text,
    subscription_status text,
    billing_email       text,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);
CREATE INDEX tenants_by_creation ON tenants (created_at, id);
COMMENT ON TABLE tenants IS 'The organisations that share this installation. From the platform''s ledger.';

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL,
    display_name  text NOT NULL,
    avatar_url    text,
    preferences   jsonb NOT NULL,
    is_active     boolean NOT NULL,
    last_login_at timestamptz,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
-- An address is claimed in lower case as Unicode has it, under the ledger's lock: that makes it unique. Here only what follows from it
-- may be demanded: ASCII letters alike.
CREATE UNIQUE INDEX users_email_is_unique ON users (lower(email COLLATE "C"));
CREATE INDEX users_by_creation ON users (created_at, id);
COMMENT ON TABLE users IS 'People and services that act; one user may be a member of many tenants. From the platform''s ledger.';

CREATE TABLE permissions (
    id          uuid PRIMARY KEY,
    key         text NOT NULL CONSTRAINT permissions_key_is_unique UNIQUE,
    resource    text NOT NULL,
    action      text NOT NULL,
    description text NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
COMMENT ON TABLE permissions IS 'What can be permitted, the same for all tenants. From the platform''s ledger.';

CREATE TABLE tenant_users (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL REFERENCES users (id),
    status     text NOT NULL CHECK (status IN ('invited', 'active', 'suspended', 'removed')),
    invited_by uuid,
    joined_at  timestamptz,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    manager_id uuid,
    attributes jsonb NOT NULL DEFAULT '{}',
    totp_since timestamptz,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX tenant_users_by_creation ON tenant_users (tenant_id, created_at, user_id);
CREATE INDEX tenant_users_by_manager ON tenant_users (tenant_id, manager_id, created_at, user_id);
COMMENT ON TABLE tenant_users IS 'Who is, or was, a member of a tenant.';

CREATE TABLE roles (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    key         text NOT NULL,
    name        text NOT NULL,
    description text,
    is_system   boolean NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT roles_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX roles_by_creation ON roles (tenant_id, created_at, id);
COMMENT ON TABLE roles IS 'Named sets of permissions of a tenant.';

CREATE TABLE role_permissions (
    tenant_id     uuid NOT NULL,
    role_id       uuid NOT NULL,
    permission_id uuid NOT NULL REFERENCES permissions (id),
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, role_id, permission_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
COMMENT ON TABLE role_permissions IS 'Which permissions a role gives.';

CREATE TABLE tenant_user_roles (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    role_id    uuid NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_users (tenant_id, user_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id)
);
CREATE INDEX tenant_user_roles_by_role ON tenant_user_roles (tenant_id, role_id, user_id);
COMMENT ON TABLE tenant_user_roles IS 'Which roles a member has.';

CREATE TABLE api_keys (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    name        text NOT NULL,
    user_id     uuid REFERENCES users (id),
    permissions text[] NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz,
    created_by  uuid,
    on_behalf_of uuid,
    owner_id    uuid,
    made_by     uuid,
    by_platform boolean NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX api_keys_by_creation ON api_keys (tenant_id, created_at, id);
COMMENT ON TABLE api_keys IS 'The keys that clients present. Neither a secret nor its hash is here.';

CREATE TABLE invitations (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    email      text NOT NULL,
    role_ids   text[] NOT NULL,
    status     text NOT NULL CHECK (status IN ('pending', 'accepted', 'declined', 'withdrawn')),
    invited_by uuid,
    expires_at timestamptz NOT NULL,
    closed_at  timestamptz,
    user_id    uuid,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX invitations_by_creation ON invitations (tenant_id, created_at, id);
CREATE INDEX invitations_by_status ON invitations (tenant_id, status, created_at, id);
COMMENT ON TABLE invitations IS 'Whom a tenant has invited to become a member.';

CREATE TABLE secrets (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    name        text NOT NULL,
    description text,
    hosts       text[] NOT NULL,
    number      bigint NOT NULL,
    created_by  uuid,
    rotated_by  uuid,
    rotated_at  timestamptz,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT secrets_name_is_unique UNIQUE (tenant_id, name)
);
CREATE INDEX secrets_by_creation ON secrets (tenant_id, created_at, id);
COMMENT ON TABLE secrets IS 'Credentials that nodes refer to by name. Their values are nowhere in it.';

CREATE TABLE analysts (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    name                text NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'dropped')),
    login               text NOT NULL,
    connections         bigint NOT NULL,
    statement_seconds   bigint NOT NULL,
    idle_seconds        bigint NOT NULL,
    transaction_seconds bigint NOT NULL,
    expires_at          timestamptz,
    number              bigint NOT NULL,
    rotated_at          timestamptz,
    dropped_at          timestamptz,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE analysts IS 'Who has a login of their own to query the tables with SQL.';

CREATE TABLE calendars (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL,
    key        text NOT NULL,
    name       text NOT NULL,
    time_zone  text NOT NULL,
    hours      jsonb NOT NULL,
    holidays   text[] NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT calendars_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX calendars_by_creation ON calendars (tenant_id, created_at, id);
COMMENT ON TABLE calendars IS 'When people of a tenant work: moments can be reckoned in working time.';

CREATE TABLE delegations (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    from_user_id uuid NOT NULL,
    to_user_id   uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('delegation', 'absence')),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz,
    workflows    text[] NOT NULL,
    condition    text,
    reason       text,
    status       text NOT NULL CHECK (status IN ('given', 'withdrawn', 'returned', 'expired')),
    given_by     uuid,
    ended_by     uuid,
    ended_at     timestamptz,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX delegations_by_creation ON delegations (tenant_id, created_at, id);
CREATE INDEX delegations_from ON delegations (tenant_id, from_user_id, created_at, id);
CREATE INDEX delegations_to ON delegations (tenant_id, to_user_id, created_at, id);
COMMENT ON TABLE delegations IS 'Who may decide approval requests in whose place.';

CREATE TABLE ai_providers (
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
CREATE INDEX ai_providers_by_creation ON ai_providers (tenant_id, created_at, id);
COMMENT ON TABLE ai_providers IS 'Providers of AI models that the tenant has set up, and which secret opens each. No secret''s value is here.';

CREATE TABLE ai_models (
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
CREATE INDEX ai_models_by_creation ON ai_models (tenant_id, created_at, id);
COMMENT ON TABLE ai_models IS 'Names that the tenant gives to AI models: which are asked, in order.';

CREATE TABLE workflows (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    key               text NOT NULL,
    name              text NOT NULL,
    description       text,
    status            text NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    draft             jsonb,
    definition        jsonb,
    input_schema      jsonb,
    published_version integer,
    execution_count   integer NOT NULL,
    created_by        uuid,
    version           bigint NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT workflows_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX workflows_by_creation ON workflows (tenant_id, created_at, id);
CREATE INDEX workflows_by_status ON workflows (tenant_id, status, created_at, id);
CREATE INDEX workflows_by_status_and_key ON workflows (tenant_id, status, key);
COMMENT ON TABLE workflows IS 'Workflows: a draft, and the definition published last.';

CREATE TABLE workflow_versions (
    tenant_id    uuid NOT NULL,
    workflow_id  uuid NOT NULL,
    number       integer NOT NULL,
    definition   jsonb NOT NULL,
    note         text,
    published_by uuid,
    published_at timestamptz NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, workflow_id, number),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id)
);
COMMENT ON TABLE workflow_versions IS 'Every published definition; an execution stays with the one it was started with.';

CREATE TABLE prompts (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    key             text NOT NULL,
    description     text,
    status          text NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    draft           jsonb,
    draft_note      text,
    current_version integer,
    latest_version  integer,
    model           text,
    created_by      uuid,
    version         bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT prompts_key_is_unique UNIQUE (tenant_id, key)
);
CREATE INDEX prompts_by_creation ON prompts (tenant_id, created_at, id);
CREATE INDEX prompts_by_status ON prompts (tenant_id, status, created_at, id);
CREATE INDEX prompts_by_status_and_key ON prompts (tenant_id, status, key);
COMMENT ON TABLE prompts IS 'Prompts: named templates of what models are told, each with a draft and published versions.';

CREATE TABLE prompt_versions (
    tenant_id     uuid NOT NULL,
    prompt_id     uuid NOT NULL,
    number        integer NOT NULL,
    template      jsonb NOT NULL,
    variables     jsonb NOT NULL,
    model         text,
    defaults      jsonb NOT NULL,
    output_schema jsonb,
    note          text,
    published_by  uuid,
    published_at  timestamptz NOT NULL,
    is_current    boolean NOT NULL,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, prompt_id, number),
    FOREIGN KEY (tenant_id, prompt_id) REFERENCES prompts (tenant_id, id)
);
COMMENT ON TABLE prompt_versions IS 'Every published version of a prompt; an AI task stays with the one that it was given.';

CREATE TABLE retention_policies (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    workflow_key text,
    days         integer NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX retention_policies_by_creation ON retention_policies (tenant_id, created_at, id);
COMMENT ON TABLE retention_policies IS 'After how many days finished executions are archived.';

CREATE TABLE archived_rows (
    tenant_id    uuid NOT NULL,
    execution_id uuid NOT NULL,
    table_name   text NOT NULL,
    part         integer NOT NULL,
    month        text NOT NULL,
    row_count    integer NOT NULL,
    rows         jsonb NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, table_name, part)
);
COMMENT ON TABLE archived_rows IS 'What the other tables held of executions that were archived, some rows together.';

CREATE TABLE archived_executions (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    workflow_id         uuid NOT NULL,
    workflow_key        text NOT NULL,
    workflow_version    integer NOT NULL,
    execution_number    integer NOT NULL,
    business_key        text,
    status              text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    error               text,
    labels              jsonb NOT NULL,
    parent_execution_id uuid,
    correlation_id      uuid,
    started_at          timestamptz NOT NULL,
    created_by          uuid,
    ended_at            timestamptz NOT NULL,
    month               text NOT NULL,
    days                integer NOT NULL,
    row_counts          jsonb NOT NULL,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX archived_executions_by_creation ON archived_executions (tenant_id, created_at, id);
CREATE INDEX archived_executions_by_month ON archived_executions (tenant_id, month, created_at, id);
CREATE INDEX archived_executions_by_workflow ON archived_executions (tenant_id, workflow_key, created_at, id);
CREATE INDEX archived_executions_by_number ON archived_executions (tenant_id, workflow_id, execution_number);
CREATE INDEX archived_executions_by_business_key ON archived_executions (tenant_id, business_key) WHERE business_key IS NOT NULL;
COMMENT ON TABLE archived_executions IS 'Finished executions that have left the other tables, as the tenant''s policy says.';

CREATE TABLE workflow_executions (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    workflow_id         uuid NOT NULL,
    workflow_key        text NOT NULL,
    workflow_version    integer NOT NULL,
    execution_number    integer NOT NULL,
    business_key        text,
    status              text NOT NULL CHECK (status IN ('running', 'paused', 'completed', 'failed', 'cancelled')),
    trigger_type        text NOT NULL CHECK (trigger_type IN ('manual', 'scheduled', 'webhook', 'event', 'child', 'fork', 'mcp')),
    trigger_data        jsonb,
    input               jsonb,
    output              jsonb,
    variables           jsonb NOT NULL,
    current_nodes       text[] NOT NULL,
    error               text,
    error_details       jsonb,
    metrics             jsonb NOT NULL,
    priority            integer NOT NULL,
    parent_execution_id uuid,
    parent_activation_id uuid,
    labels              jsonb NOT NULL DEFAULT '{}',
    correlation_id      uuid,
    scheduled_at        timestamptz,
    started_at          timestamptz NOT NULL,
    completed_at        timestamptz,
    cancelled_at        timestamptz,
    cancelled_by        uuid,
    compensation        text CHECK (compensation IN ('running', 'completed', 'failed', 'terminated')),
    created_by          uuid,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT workflow_executions_number_is_unique UNIQUE (tenant_id, workflow_id, execution_number),
    FOREIGN KEY (tenant_id, workflow_id, workflow_version)
        REFERENCES workflow_versions (tenant_id, workflow_id, number)
);
CREATE INDEX workflow_executions_by_creation ON workflow_executions (tenant_id, created_at, id);
CREATE INDEX workflow_executions_by_status ON workflow_executions (tenant_id, status, created_at, id);
CREATE INDEX workflow_executions_by_workflow ON workflow_executions (tenant_id, workflow_key, created_at, id);
CREATE INDEX workflow_executions_by_workflow_and_status
    ON workflow_executions (tenant_id, workflow_key, status, created_at, id);
CREATE INDEX workflow_executions_by_business_key
    ON workflow_executions (tenant_id, business_key, created_at, id) WHERE business_key IS NOT NULL;
CREATE UNIQUE INDEX workflow_executions_business_key_is_unique_while_open
    ON workflow_executions (tenant_id, workflow_id, business_key) WHERE status IN ('running', 'paused');
CREATE INDEX workflow_executions_by_end ON workflow_executions (tenant_id, workflow_key, (coalesce(completed_at, cancelled_at)))
    WHERE status IN ('completed', 'failed', 'cancelled');
COMMENT ON TABLE workflow_executions IS 'Every run of a workflow.';

CREATE TABLE workflow_triggers (
    tenant_id         uuid NOT NULL,
    id                uuid NOT NULL,
    workflow_id       uuid NOT NULL,
    workflow_key      text NOT NULL,
    workflow_version  integer NOT NULL,
    key               text NOT NULL,
    name              text,
    type              text NOT NULL,
    status            text NOT NULL CHECK (status IN ('active', 'paused', 'retired')),
    is_paused         boolean NOT NULL,
    config            jsonb NOT NULL,
    has_address       boolean NOT NULL,
    next_run_at       timestamptz,
    next_due_at       timestamptz,
    waiting           text[] NOT NULL,
    last_run_at       timestamptz,
    last_scheduled_at timestamptz,
    last_outcome      text CHECK (last_outcome IN ('started', 'skipped', 'failed')),
    last_execution_id uuid,
    last_error        text,
    started_count     bigint NOT NULL,
    failed_count      bigint NOT NULL,
    version           bigint NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id)
);
CREATE INDEX workflow_triggers_by_creation ON workflow_triggers (tenant_id, created_at, id);
CREATE INDEX workflow_triggers_by_status ON workflow_triggers (tenant_id, status, created_at, id);
CREATE INDEX workflow_triggers_by_workflow ON workflow_triggers (tenant_id, workflow_id, created_at, id);
COMMENT ON TABLE workflow_triggers IS 'What starts executions of workflows by itself.';

CREATE TABLE trigger_runs (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    trigger_id   uuid NOT NULL,
    outcome      text NOT NULL CHECK (outcome IN ('started', 'skipped', 'failed', 'buffered')),
    scheduled_at timestamptz,
    ran_at       timestamptz NOT NULL,
    execution_id uuid,
    code         text,
    message      text,
    times        integer NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, trigger_id) REFERENCES workflow_triggers (tenant_id, id)
);
CREATE INDEX trigger_runs_by_trigger ON trigger_runs (tenant_id, trigger_id, created_at, id);
COMMENT ON TABLE trigger_runs IS 'Each time that a trigger was to start an execution, and what came of it.';

CREATE TABLE execution_attributes (
    tenant_id    uuid NOT NULL,
    execution_id uuid NOT NULL,
    name         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('text', 'number', 'boolean', 'null', 'json')),
    value        text NOT NULL,
    value_number numeric,
    number_order double precision,
    value_moment timestamptz,
    search_key   text NOT NULL DEFAULT '',
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, name),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id)
);
CREATE INDEX execution_attributes_by_key
    ON execution_attributes (tenant_id, name, search_key, created_at, execution_id);
CREATE INDEX execution_attributes_by_number
    ON execution_attributes (tenant_id, name, number_order, execution_id) WHERE number_order IS NOT NULL;
CREATE INDEX execution_attributes_by_moment
    ON execution_attributes (tenant_id, name, value_moment, execution_id) WHERE value_moment IS NOT NULL;
COMMENT ON TABLE execution_attributes IS 'Search attributes of executions, one row each; created_at is the execution''s own.';

CREATE TABLE execution_labels (
    tenant_id            uuid NOT NULL,
    execution_id         uuid NOT NULL,
    key                  text NOT NULL,
    value                text NOT NULL,
    execution_created_at timestamptz NOT NULL,
    version              bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, key, value),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id)
);
CREATE INDEX execution_labels_by_value
    ON execution_labels (tenant_id, key, value, execution_created_at, execution_id);
COMMENT ON TABLE execution_labels IS 'Labels of executions, one row each.';

CREATE TABLE execution_items (
    tenant_id            uuid NOT NULL,
    id                   uuid NOT NULL,
    execution_id         uuid NOT NULL,
    execution_created_at timestamptz NOT NULL,
    execution_number     integer NOT NULL,
    workflow_key         text NOT NULL,
    parent_activation_id uuid NOT NULL,
    parent_item_id       uuid,
    node_id              text NOT NULL,
    item_index           integer NOT NULL,
    status               text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    item                 jsonb,
    output               jsonb,
    error                jsonb,
    started_at           timestamptz NOT NULL,
    completed_at         timestamptz,
    version              bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id)
);
CREATE INDEX execution_items_of_visit ON execution_items (tenant_id, parent_activation_id, item_index);
CREATE INDEX execution_items_by_execution ON execution_items (tenant_id, execution_id, id);
COMMENT ON TABLE execution_items IS 'The items that a foreach runs through its body, and what came of each.';

CREATE TABLE jobs (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    type            text NOT NULL,
    status          text NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'cancelled')),
    unique_key      text,
    priority        integer NOT NULL,
    input           jsonb,
    output          jsonb,
    error           jsonb,
    attempts        integer NOT NULL,
    max_attempts    integer NOT NULL,
    retries         integer NOT NULL,
    run_at          timestamptz NOT NULL,
    timeout_seconds double precision,
    expires_at      timestamptz,
    created_by      uuid,
    cancelled_by    uuid,
    completed_at    timestamptz,
    correlation_id  uuid,
    version         bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX jobs_by_creation ON jobs (tenant_id, created_at, id);
CREATE INDEX jobs_by_status ON jobs (tenant_id, status, created_at, id);
CREATE INDEX jobs_by_type ON jobs (tenant_id, type, created_at, id);
CREATE INDEX jobs_by_unique_key ON jobs (tenant_id, unique_key, created_at, id) WHERE unique_key IS NOT NULL;
COMMENT ON TABLE jobs IS 'Jobs that were enqueued by themselves, and what came of each. Those of nodes are in node_activations.';

CREATE TABLE node_activations (
    tenant_id            uuid NOT NULL,
    id                   uuid NOT NULL,
    execution_id         uuid NOT NULL,
    execution_created_at timestamptz NOT NULL,
    item_id              uuid,
    item_index           integer,
    node_id              text NOT NULL,
    node_type            text NOT NULL,
    visit                integer NOT NULL,
    status               text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'cancelled', 'skipped')),
    handle               text,
    waits                jsonb NOT NULL DEFAULT '[]',
    input                jsonb,
    output               jsonb,
    error                jsonb,
    retry_count          integer NOT NULL,
    started_at           timestamptz NOT NULL,
    completed_at         timestamptz,
    compensates          uuid,
    version              bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id)
);
CREATE INDEX node_activations_by_execution ON node_activations (tenant_id, execution_id, version);
CREATE INDEX node_activations_open_by_node
    ON node_activations (tenant_id, node_id, execution_created_at, execution_id) WHERE status = 'running';
COMMENT ON TABLE node_activations IS 'Every visit of a node by an execution, instant ones too.';

CREATE TABLE approval_versions (
    tenant_id    uuid NOT NULL,
    request_id   uuid NOT NULL,
    number       integer NOT NULL,
    title        text NOT NULL,
    description  text,
    context      jsonb,
    attachments  jsonb NOT NULL,
    changes      jsonb NOT NULL,
    asked_again  jsonb NOT NULL,
    submitted_by uuid,
    submitted_at timestamptz NOT NULL,
    comment      text,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, number)
);
COMMENT ON TABLE approval_versions IS 'What was asked, each time that an approval request was resubmitted. Of one that never was there is nothing here: see approval_requests.';

CREATE TABLE approval_requests (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    execution_id        uuid,
    activation_id       uuid,
    item_index          integer,
    node_id             text,
    title               text NOT NULL,
    description         text,
    priority            integer NOT NULL,
    status              text NOT NULL CHECK (status IN ('pending', 'with_requester', 'resolved', 'cancelled', 'expired')),
    outcome             text,
    outcome_kind        text CHECK (outcome_kind IN ('approve', 'reject', 'changes', 'submit', 'withdraw', 'other')),
    approval_type       text NOT NULL,
    required_approvals  integer NOT NULL,
    received_approvals  integer NOT NULL,
    received_rejections integer NOT NULL,
    request_data        jsonb NOT NULL,
    approval_data       jsonb,
    escalation_rules    jsonb,
    escalation_level    integer NOT NULL,
    assigned_to         jsonb NOT NULL,
    requested_by        uuid,
    decided_by          uuid,
    due_at              timestamptz,
    expires_at          timestamptz,
    first_response_at   timestamptz,
    responded_at        timestamptz,
    claimed_by          uuid,
    workflow_key        text,
    overridden_by       uuid,
    visibility          text NOT NULL DEFAULT 'names' CHECK (visibility IN ('names', 'counts', 'after_resolution')),
    start_by timestamptz,
    taken_on_at timestamptz,
    taken_on_by uuid,
    overdue_at timestamptz,
    start_missed_at timestamptz,
    reminders_sent integer NOT NULL DEFAULT 0,
    sla_met boolean,
    requested_at timestamptz,
    first_response_ms bigint,
    turnaround_ms bigint,
    escalated_at timestamptz,
    current_version     integer NOT NULL DEFAULT 1,
    attachments         jsonb NOT NULL DEFAULT '[]',
    recalled_at         timestamptz,
    open_questions      integer NOT NULL DEFAULT 0,
    ai_task_id          uuid,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES node_activations (tenant_id, id)
);
CREATE INDEX approval_requests_by_creation ON approval_requests (tenant_id, created_at, id);
CREATE INDEX approval_requests_by_status ON approval_requests (tenant_id, status, created_at, id);
CREATE INDEX approval_requests_by_execution ON approval_requests (tenant_id, execution_id, created_at, id);
CREATE INDEX approval_requests_by_ai_task ON approval_requests (tenant_id, ai_task_id, created_at, id)
    WHERE ai_task_id IS NOT NULL;
CREATE INDEX approval_requests_by_activation ON approval_requests (tenant_id, activation_id) WHERE activation_id IS NOT NULL;
CREATE INDEX approval_requests_due
    ON approval_requests (tenant_id, due_at, id) WHERE status = 'pending' AND due_at IS NOT NULL;
COMMENT ON TABLE approval_requests IS 'What people are, or were, asked to decide.';

CREATE TABLE approval_steps (
    tenant_id           uuid NOT NULL,
    request_id          uuid NOT NULL,
    step                integer NOT NULL,
    name                text NOT NULL,
    stage               integer NOT NULL,
    ad_hoc              boolean NOT NULL,
    times_started       integer NOT NULL,
    status              text NOT NULL CHECK (status IN ('waiting', 'open', 'completed', 'skipped', 'closed', 'overridden')),
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
    start_by timestamptz,
    taken_on_at timestamptz,
    taken_on_by uuid,
    overdue_at timestamptz,
    start_missed_at timestamptz,
    reminders_sent integer NOT NULL DEFAULT 0,
    escalation_level integer NOT NULL DEFAULT 0,
    sla_met boolean,
    first_response_at timestamptz,
    duration_ms bigint,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, step),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id)
);
CREATE INDEX approval_steps_due
    ON approval_steps (tenant_id, due_at, request_id) WHERE status = 'open' AND due_at IS NOT NULL;
COMMENT ON TABLE approval_steps IS 'The steps of requests that ask in steps.';

CREATE TABLE approval_assignees (
    tenant_id  uuid NOT NULL,
    request_id uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('user', 'role', 'anyone')),
    value      text NOT NULL,
    excluded   text[] NOT NULL DEFAULT '{}',
    status     text NOT NULL CHECK (status IN ('pending', 'with_requester', 'resolved', 'cancelled', 'expired')),
    role       text,
    weight     integer,
    members_fixed boolean NOT NULL DEFAULT false,
    step       integer NOT NULL DEFAULT 1,
    ad_hoc     boolean NOT NULL DEFAULT false,
    added_by   uuid,
    due_by     timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00Z',
    rank       bigint NOT NULL DEFAULT 0,
    escalation_level integer NOT NULL DEFAULT 0,
    reminders_sent integer NOT NULL DEFAULT 0,
    reminded_at timestamptz,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, step, kind, value),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id)
);
CREATE INDEX approval_assignees_by_value
    ON approval_assignees (tenant_id, kind, value, created_at, request_id);
CREATE INDEX approval_assignees_by_value_and_status
    ON approval_assignees (tenant_id, kind, value, status, created_at, request_id, step);
CREATE INDEX approval_assignees_by_due
    ON approval_assignees (tenant_id, kind, value, due_by, request_id, step) WHERE status = 'pending';
CREATE INDEX approval_assignees_by_rank
    ON approval_assignees (tenant_id, kind, value, rank, due_by, request_id, step) WHERE status = 'pending';
COMMENT ON TABLE approval_assignees IS 'Who may choose at least one outcome of a request: the rows by which requests are found by role and by person.';

CREATE TABLE approval_decisions (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL,
    request_id   uuid NOT NULL,
    step         integer NOT NULL,
    user_id      uuid NOT NULL,
    on_behalf_of uuid,
    role         text,
    outcome      text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('approve', 'reject', 'changes', 'submit', 'withdraw', 'other')),
    comment      text,
    form_data    jsonb,
    decided_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    reason       text,
    weight       integer NOT NULL DEFAULT 1,
    returned_at  timestamptz,
    is_override  boolean NOT NULL DEFAULT false,
    request_version integer NOT NULL DEFAULT 1,
    attachments  jsonb NOT NULL DEFAULT '[]',
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    via          text,
    link_id      uuid,
    proof        text CHECK (proof IN ('key', 'totp')),
    proof_id     uuid,
    signature_means text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id)
);
CREATE INDEX approval_decisions_by_request ON approval_decisions (tenant_id, request_id, version);
CREATE INDEX approval_decisions_by_person ON approval_decisions (tenant_id, request_id, user_id);
CREATE INDEX approval_decisions_on_behalf
    ON approval_decisions (tenant_id, request_id, on_behalf_of) WHERE on_behalf_of IS NOT NULL;
COMMENT ON TABLE approval_decisions IS 'What each person decided.';

CREATE TABLE approval_links (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    request_id  uuid NOT NULL,
    user_id     uuid NOT NULL,
    step        integer NOT NULL,
    outcome     text NOT NULL,
    made_by     uuid,
    made_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    decision_id uuid,
    revoked_at  timestamptz,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id)
);
CREATE INDEX approval_links_by_request ON approval_links (tenant_id, request_id, created_at, id);
COMMENT ON TABLE approval_links IS 'Links to decide by, without their addresses.';

CREATE TABLE approval_comments (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    request_id  uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('question', 'answer', 'comment')),
    user_id     uuid NOT NULL,
    to_user_id  uuid,
    question_id uuid,
    text        text,
    attachments jsonb NOT NULL,
    said_at     timestamptz NOT NULL,
    answered_at timestamptz,
    edited_at   timestamptz,
    deleted_at  timestamptz,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id)
);
CREATE INDEX approval_comments_by_request ON approval_comments (tenant_id, request_id, said_at, id);
COMMENT ON TABLE approval_comments IS 'What people say about approval requests: questions, answers, comments.';

CREATE TABLE approval_watchers (
    tenant_id  uuid NOT NULL,
    request_id uuid NOT NULL,
    user_id    uuid NOT NULL,
    added_by   uuid,
    since      timestamptz NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, user_id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES approval_requests (tenant_id, id)
);
CREATE INDEX approval_watchers_by_person ON approval_watchers (tenant_id, user_id, request_id);
COMMENT ON TABLE approval_watchers IS 'Who wants to know what becomes of an approval request.';

CREATE TABLE ai_agent_tool_calls (
    tenant_id     uuid NOT NULL,
    task_id       uuid NOT NULL,
    id            uuid NOT NULL,
    turn          integer NOT NULL,
    place         integer NOT NULL,
    tool          text NOT NULL,
    arguments     jsonb,
    called_with   jsonb,
    verdict       text NOT NULL CHECK (verdict IN ('allow', 'deny', 'ask')),
    why           text,
    status        text NOT NULL CHECK (status IN ('ready', 'asked', 'running', 'succeeded', 'failed', 'denied', 'cancelled')),
    edited        boolean NOT NULL,
    denial_reason text,
    message       text,
    request_id    uuid,
    decided_by    uuid,
    attempts      integer NOT NULL,
    result        jsonb,
    result_cut    bigint,
    error_details jsonb,
    child_id      uuid,
    latency_ms    bigint,
    started_at    timestamptz,
    completed_at  timestamptz,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id, id)
);
COMMENT ON TABLE ai_agent_tool_calls IS 'The calls of tools that models asked for: whether they were made, who allowed it, and what came of them.';

CREATE TABLE ai_agent_turns (
    tenant_id   uuid NOT NULL,
    task_id     uuid NOT NULL,
    number      integer NOT NULL,
    attempt_id  uuid NOT NULL,
    text        text,
    output      jsonb,
    tool_calls  integer NOT NULL,
    feedback    text,
    answered_at timestamptz NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id, number)
);
COMMENT ON TABLE ai_agent_turns IS 'What models answered in each turn of an AI task, and what they were told after it.';

CREATE TABLE ai_agent_tasks (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    execution_id  uuid,
    activation_id uuid,
    item_index          integer,
    node_id       text,
    task_name     text NOT NULL,
    agent_type    text,
    provider      text,
    model         text NOT NULL,
    status        text NOT NULL CHECK (status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
    priority      integer NOT NULL,
    prompt        text NOT NULL,
    system_prompt text,
    context       jsonb,
    input         jsonb,
    output        jsonb,
    configuration jsonb NOT NULL,
    usage         jsonb NOT NULL,
    input_tokens  bigint,
    output_tokens bigint,
    error         text,
    error_details jsonb,
    retry_count   integer NOT NULL,
    cost_estimate numeric(20, 10),
    actual_cost   numeric(20, 10),
    currency      text,
    latency_ms    bigint,
    requested_by  uuid,
    started_at    timestamptz,
    completed_at  timestamptz,
    workflow_key text,
    turns integer NOT NULL DEFAULT 0,
    tool_calls integer NOT NULL DEFAULT 0,
    open_questions integer NOT NULL DEFAULT 0,
    tools jsonb,
    bounds jsonb,
    continues_id uuid,
    external boolean NOT NULL DEFAULT false,
    original_output jsonb,
    review_outcome text,
    reviewed_by uuid,
    prompt_key    text,
    prompt_version integer,
    rejections    integer NOT NULL DEFAULT 0,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES node_activations (tenant_id, id)
);
CREATE INDEX ai_agent_tasks_by_creation ON ai_agent_tasks (tenant_id, created_at, id);
CREATE INDEX ai_agent_tasks_by_status ON ai_agent_tasks (tenant_id, status, created_at, id);
CREATE INDEX ai_agent_tasks_by_model ON ai_agent_tasks (tenant_id, model, created_at, id);
CREATE INDEX ai_agent_tasks_by_execution ON ai_agent_tasks (tenant_id, execution_id, created_at, id);
CREATE INDEX ai_agent_tasks_by_workflow ON ai_agent_tasks (tenant_id, workflow_key, created_at, id);
CREATE INDEX ai_agent_tasks_by_activation ON ai_agent_tasks (tenant_id, activation_id) WHERE activation_id IS NOT NULL;
CREATE INDEX ai_agent_tasks_by_prompt
    ON ai_agent_tasks (tenant_id, prompt_key, prompt_version, created_at, id) WHERE prompt_key IS NOT NULL;
COMMENT ON TABLE ai_agent_tasks IS 'Work given to models: what was asked, what came back, what it used and cost over all attempts.';

CREATE TABLE ai_agent_attempts (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL,
    task_id       uuid NOT NULL,
    number        integer NOT NULL,
    status        text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    provider      text NOT NULL,
    model         text NOT NULL,
    worker_id     text NOT NULL,
    usage         jsonb,
    input_tokens  bigint,
    output_tokens bigint,
    cost          numeric(20, 10),
    currency      text,
    latency_ms    bigint,
    finish_reason text,
    error         text,
    error_details jsonb,
    retry_at      timestamptz,
    started_at    timestamptz NOT NULL,
    completed_at  timestamptz,
    turn integer NOT NULL DEFAULT 1,
    purpose text NOT NULL DEFAULT 'turn' CHECK (purpose IN ('turn', 'guard')),
    answered text,
    cached_from uuid,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ai_agent_attempts_number_is_unique UNIQUE (tenant_id, task_id, number),
    FOREIGN KEY (tenant_id, task_id) REFERENCES ai_agent_tasks (tenant_id, id)
);
COMMENT ON TABLE ai_agent_attempts IS 'Every attempt at an AI task; on record before the provider is called, and the provider is called once for it.';

CREATE TABLE execution_waits (
    tenant_id          uuid NOT NULL,
    waiter_id          uuid NOT NULL,
    kind               text NOT NULL,
    id                 uuid NOT NULL,
    execution_id       uuid NOT NULL,
    activation_id      uuid,
    item_id            uuid,
    item_index         integer,
    node_id            text,
    about              text NOT NULL,
    since              timestamptz NOT NULL,
    until              timestamptz,
    is_fixed           boolean NOT NULL,
    paused_at          timestamptz,
    moved_on_by        text NOT NULL,
    roles              text[],
    users              uuid[],
    model              text,
    job_type           text,
    event_type         text,
    workflow_key       text,
    child_execution_id uuid,
    approval_id uuid,
    version            bigint NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, waiter_id, kind, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id)
);
CREATE INDEX execution_waits_by_id ON execution_waits (tenant_id, id);
CREATE INDEX execution_waits_by_execution ON execution_waits (tenant_id, execution_id);
CREATE INDEX execution_waits_by_kind ON execution_waits (tenant_id, kind, about);
CREATE INDEX execution_waits_by_approval ON execution_waits (tenant_id, approval_id) WHERE approval_id IS NOT NULL;
CREATE INDEX execution_waits_by_until ON execution_waits (tenant_id, until) WHERE until IS NOT NULL;
COMMENT ON TABLE execution_waits IS 'What open executions wait for: one row for each thing, gone when it is waited for no longer.';

CREATE TABLE notification_endpoints (
    tenant_id             uuid NOT NULL,
    id                    uuid NOT NULL,
    url                   text NOT NULL,
    events                text[] NOT NULL,
    workflow_key          text,
    description           text,
    status                text NOT NULL CHECK (status IN ('enabled', 'disabled')),
    disabled_why          text CHECK (disabled_why IN ('by_hand', 'gone', 'failing')),
    disabled_at           timestamptz,
    secret                text NOT NULL,
    secret_number         bigint NOT NULL,
    previous_secret_until timestamptz,
    created_by            uuid,
    version               bigint NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    format                text NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'slack', 'teams', 'mail', 'events')),
    mail_from             text,
    mail_username         text,
    mail_password_secret  text,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notification_endpoints_by_creation ON notification_endpoints (tenant_id, created_at, id);
COMMENT ON TABLE notification_endpoints IS 'Where events are delivered to, signed.';

CREATE TABLE notification_deliveries (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    endpoint_id      uuid,
    url              text,
    kind             text NOT NULL CHECK (kind IN ('event', 'callback', 'test', 'mail', 'digest')),
    event_type       text NOT NULL,
    event_position   bigint,
    resource_id      uuid,
    status           text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'cancelled')),
    attempts         integer NOT NULL,
    last_status_code integer,
    last_error       text,
    next_attempt_at  timestamptz,
    delivered_at     timestamptz,
    version          bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    user_id          uuid,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notification_deliveries_by_person
    ON notification_deliveries (tenant_id, user_id, created_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX notification_deliveries_by_creation ON notification_deliveries (tenant_id, created_at, id);
CREATE INDEX notification_deliveries_by_status ON notification_deliveries (tenant_id, status, created_at, id);
CREATE INDEX notification_deliveries_by_endpoint ON notification_deliveries (tenant_id, endpoint_id, created_at, id);
CREATE INDEX notification_deliveries_by_type ON notification_deliveries (tenant_id, event_type, created_at, id);
CREATE INDEX notification_deliveries_by_resource ON notification_deliveries (tenant_id, resource_id, created_at, id);
COMMENT ON TABLE notification_deliveries IS 'What was to be delivered to endpoints, and how that stands.';

CREATE TABLE notification_attempts (
    tenant_id    uuid NOT NULL,
    delivery_id  uuid NOT NULL,
    attempt      integer NOT NULL,
    is_accepted  boolean NOT NULL,
    status_code  integer,
    error_type   text,
    error        text,
    response     text,
    duration_ms  integer NOT NULL,
    attempted_at timestamptz NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id, attempt),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES notification_deliveries (tenant_id, id)
);
COMMENT ON TABLE notification_attempts IS 'Each time that a delivery was sent, and what came of it.';

CREATE TABLE audit_logs (
    tenant_id        uuid NOT NULL,
    position         bigint NOT NULL,
    event_id         uuid NOT NULL,
    user_id          uuid,
    actor_type       text NOT NULL CHECK (actor_type IN ('user', 'api_key', 'worker', 'schedule', 'webhook', 'event', 'system')),
    actor_id         text,
    on_behalf_of     uuid,
    action           text NOT NULL,
    outcome          text NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    resource         text,
    resource_id      uuid,
    resource_version bigint,
    description      text NOT NULL,
    category         text NOT NULL CHECK (category IN ('workflow', 'approval', 'ai', 'access', 'tenant', 'system')),
    severity         text NOT NULL CHECK (severity IN ('debug', 'info', 'warning', 'error', 'critical')),
    ip_address       inet,
    user_agent       text,
    metadata         jsonb NOT NULL,
    payload          jsonb NOT NULL,
    tags             text[] NOT NULL,
    command_id       uuid NOT NULL,
    correlation_id   uuid,
    causation_id     uuid,
    reason           text,
    occurred_at      timestamptz NOT NULL,
    recorded_at      timestamptz NOT NULL,
    version          bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, position)
);
CREATE INDEX audit_logs_by_time ON audit_logs (tenant_id, recorded_at, position);
CREATE INDEX audit_logs_by_resource ON audit_logs (tenant_id, resource, position);
CREATE INDEX audit_logs_by_resource_id ON audit_logs (tenant_id, resource_id, position);
CREATE INDEX audit_logs_by_user ON audit_logs (tenant_id, user_id, position) WHERE user_id IS NOT NULL;
CREATE INDEX audit_logs_by_action ON audit_logs (tenant_id, action, position);
CREATE INDEX audit_logs_by_category ON audit_logs (tenant_id, category, position);
CREATE INDEX audit_logs_by_severity ON audit_logs (tenant_id, severity, position);
CREATE INDEX audit_logs_by_correlation
    ON audit_logs (tenant_id, correlation_id, position) WHERE correlation_id IS NOT NULL;
COMMENT ON TABLE audit_logs IS 'One row for each event of the ledger, refused commands included: a missing position is a missing row.';

CREATE TABLE budgets (
    tenant_id        uuid NOT NULL,
    id               uuid NOT NULL,
    key              text NOT NULL,
    status           text NOT NULL CHECK (status IN ('active', 'removed')),
    scope            text NOT NULL CHECK (scope IN ('tenant', 'workflow', 'prompt', 'execution', 'task')),
    subject          text,
    period           text NOT NULL CHECK (period IN ('day', 'month', 'total')),
    time_zone        text NOT NULL,
    limit_cost       numeric,
    currency         text,
    limit_tokens     bigint,
    limit_calls      bigint,
    limit_tool_calls bigint,
    soft             numeric,
    hard             boolean NOT NULL,
    unknown          text NOT NULL CHECK (unknown IN ('refuse', 'allow')),
    removed_at       timestamptz,
    version          bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX budgets_by_creation ON budgets (tenant_id, created_at, id) WHERE status = 'active';
CREATE INDEX budgets_by_key ON budgets (tenant_id, key) WHERE status = 'active';
COMMENT ON TABLE budgets IS 'How much AI tasks may use: tokens, money, calls of models and of tools.';

CREATE TABLE budget_periods (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    budget_id           uuid NOT NULL,
    subject             text NOT NULL,
    starts_at           timestamptz,
    ends_at             timestamptz,
    used_cost           numeric NOT NULL,
    used_tokens         bigint NOT NULL,
    used_calls          bigint NOT NULL,
    used_tool_calls     bigint NOT NULL,
    reserved_cost       numeric NOT NULL,
    reserved_tokens     bigint NOT NULL,
    reserved_calls      bigint NOT NULL,
    reserved_tool_calls bigint NOT NULL,
    open_calls          bigint NOT NULL,
    limit_cost          numeric,
    currency            text,
    limit_tokens        bigint,
    limit_calls         bigint,
    limit_tool_calls    bigint,
    warned_at           timestamptz,
    exhausted_at        timestamptz,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, budget_id) REFERENCES budgets (tenant_id, id)
);
CREATE INDEX budget_periods_by_creation ON budget_periods (tenant_id, budget_id, created_at, id);
CREATE INDEX budget_periods_by_subject ON budget_periods (tenant_id, budget_id, subject, created_at, id);
COMMENT ON TABLE budget_periods IS 'What a budget has counted for one subject in one period, and what is put aside for calls under way.';

CREATE TABLE evaluations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text,
    status text NOT NULL CHECK (status IN ('running', 'completed', 'cancelled')),
    suite jsonb NOT NULL,
    planned integer NOT NULL,
    recorded integer NOT NULL,
    passed_runs integer NOT NULL,
    unjudged_runs integer NOT NULL,
    passed boolean,
    variants jsonb,
    cost numeric,
    currency text,
    unpriced integer NOT NULL,
    reason text,
    started_by uuid,
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX evaluations_by_creation ON evaluations (tenant_id, created_at, id);
CREATE INDEX evaluations_by_status ON evaluations (tenant_id, status, created_at, id);
CREATE INDEX evaluations_by_name ON evaluations (tenant_id, name, created_at, id);
COMMENT ON TABLE evaluations IS 'Prompts, models or settings evaluated side by side, on the same cases.';

CREATE TABLE evaluation_results (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    evaluation_id uuid NOT NULL,
    variant text NOT NULL,
    case_name text NOT NULL,
    number integer NOT NULL,
    status text NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
    passed boolean NOT NULL,
    unjudged boolean NOT NULL,
    verdicts jsonb NOT NULL,
    judge_task_ids uuid[] NOT NULL,
    error_type text,
    error text,
    cost numeric,
    currency text,
    unpriced integer NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    latency_ms bigint NOT NULL,
    judge_cost numeric,
    judge_currency text,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id),
    FOREIGN KEY (tenant_id, evaluation_id) REFERENCES evaluations (tenant_id, id)
);
CREATE INDEX evaluation_results_by_creation ON evaluation_results (tenant_id, evaluation_id, created_at, task_id);
CREATE INDEX evaluation_results_by_variant ON evaluation_results (tenant_id, evaluation_id, variant, created_at, task_id);
CREATE INDEX evaluation_results_by_outcome ON evaluation_results (tenant_id, evaluation_id, passed, created_at, task_id);
COMMENT ON TABLE evaluation_results IS 'What came of each run of an evaluation: one case given to one variant, once.';

CREATE TABLE bulk_operations (
    tenant_id      uuid NOT NULL,
    id             uuid NOT NULL,
    action         text NOT NULL
        CHECK (action IN ('cancel', 'terminate', 'pause', 'resume', 'signal', 'fork', 'migrate', 'start')),
    filter         jsonb,
    options        jsonb NOT NULL,
    reason         text,
    status         text NOT NULL CHECK (status IN ('running', 'completed', 'cancelled', 'failed')),
    matched        integer NOT NULL,
    done           integer NOT NULL,
    failed         integer NOT NULL,
    skipped        integer NOT NULL,
    failures       jsonb NOT NULL,
    error_code     text,
    error          text,
    as_of          bigint,
    correlation_id uuid,
    requested_by   uuid,
    cancelled_by   uuid,
    started_at     timestamptz NOT NULL,
    completed_at   timestamptz,
    version        bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX bulk_operations_by_creation ON bulk_operations (tenant_id, created_at, id);
CREATE INDEX bulk_operations_by_status ON bulk_operations (tenant_id, status, created_at, id);
CREATE INDEX bulk_operations_by_action ON bulk_operations (tenant_id, action, created_at, id);
COMMENT ON TABLE bulk_operations IS 'One action on many executions, and how far it has come.';

CREATE TABLE freshness (
    tenant_id    uuid PRIMARY KEY,
    position     bigint NOT NULL CHECK (position >= 0),
    recorded_at  timestamptz,
    projected_at timestamptz NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
COMMENT ON TABLE freshness IS 'How current a tenant''s tables are: all of them show exactly the events up to this position.';
COMMENT ON COLUMN freshness.position IS 'The last position that the tables show; 0: none yet.';
COMMENT ON COLUMN freshness.recorded_at IS 'When that event was recorded.';
COMMENT ON COLUMN freshness.projected_at IS 'When the tables reached it.';
COMMENT ON COLUMN freshness.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN freshness.version IS 'The same as position.';
COMMENT ON COLUMN freshness.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN freshness.updated_at IS 'When the row''s last event was recorded.';

DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT c.oid, c.relname FROM pg_class c WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.relname);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t.relname);
        EXECUTE format('CREATE POLICY %I ON %I TO gesta_system USING (true) WITH CHECK (true)', t.relname || '_system', t.relname);
        EXECUTE format('CREATE POLICY backup ON %I FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()))', t.relname);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO gesta_system', t.relname);
        EXECUTE format('GRANT SELECT ON %I TO gesta_api', t.relname);
        IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'tenant_id') THEN
            EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO gesta_api USING (tenant_id = (SELECT runtime.current_tenant()))',
                t.relname || '_api', t.relname);
        END IF;
    END LOOP;
END
$$;

-- The audit log is only ever added to.
REVOKE UPDATE, DELETE ON audit_logs FROM gesta_system;

-- The platform sees all tenants and users; a tenant sees itself, and the users who are its members. CASE keeps the planner from
-- taking the platform for a tenant with one row, OFFSET 0 from reading all members to find whether one user is among them.
CREATE POLICY tenants_api ON tenants FOR SELECT TO gesta_api
    USING (CASE WHEN (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001' THEN true
                ELSE id = (SELECT runtime.current_tenant()) END);
CREATE POLICY users_api ON users FOR SELECT TO gesta_api
    USING (CASE WHEN (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001' THEN true
                ELSE EXISTS (SELECT FROM tenant_users m
                              WHERE m.tenant_id = (SELECT runtime.current_tenant()) AND m.user_id = users.id
                                AND m.status IN ('active', 'suspended') OFFSET 0) END);
CREATE POLICY permissions_api ON permissions FOR SELECT TO gesta_api USING (true);

-- Nobody looks anything up by these, and to sort some ten thousand of them is most of what ANALYZE does.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT a.attrelid::regclass AS of_table, a.attname FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
              WHERE r.relnamespace = quote_ident(current_schema())::regnamespace AND r.relkind = 'r' AND NOT a.attisdropped
                AND (a.atttypid = 'jsonb'::regtype OR (r.relname, a.attname) IN (('audit_logs', 'tags'), ('audit_logs', 'description')))
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', c.of_table, c.attname);
    END LOOP;
END
$$;

-- Analysts see their own tenant's rows.
SELECT runtime.let_analysts_read(quote_ident(current_schema())::regnamespace);
