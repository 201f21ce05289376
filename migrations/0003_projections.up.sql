-- The tables that people query, folded from the ledger by src/projections. Every one of them can be dropped and made again.
--
-- * tenant_id leads every key and every index; the exceptions are tenants, users and permissions, which belong to the platform.
-- * version is the version of the stream whose event touched the row last; created_at and updated_at are recorded times.
--   All other times are the times at which things occurred.
-- * What the API can filter by is a typed column with a btree of its own: under row-level security only leakproof operators
--   (uuid, text = and <, timestamptz, bigint) reach an index; jsonb, arrays and numeric do not.
-- * Columns that name a tenant carry no foreign key to tenants: the platform's own ledger has no row there, and a tenant's
--   ledger is projected on its own. All other references are real.

-- ---------------------------------------------------------------------------------------------------------- platform

CREATE TABLE projections.tenants (
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
CREATE INDEX tenants_by_creation ON projections.tenants (created_at, id);
COMMENT ON TABLE projections.tenants IS 'The organisations that share this installation. From the platform''s ledger.';
COMMENT ON COLUMN projections.tenants.id IS 'The tenant id of every other table.';
COMMENT ON COLUMN projections.tenants.slug IS 'Its name in addresses and on the command line; unique on the platform.';
COMMENT ON COLUMN projections.tenants.name IS 'Its name for people.';
COMMENT ON COLUMN projections.tenants.domain IS 'Its internet domain, where it named one.';
COMMENT ON COLUMN projections.tenants.description IS 'What it is, in its own words.';
COMMENT ON COLUMN projections.tenants.settings IS 'Settings and limits, as JSON.';
COMMENT ON COLUMN projections.tenants.is_active IS 'False while it is suspended.';
COMMENT ON COLUMN projections.tenants.subscription_tier IS 'What it subscribed to.';
COMMENT ON COLUMN projections.tenants.subscription_status IS 'How its subscription stands.';
COMMENT ON COLUMN projections.tenants.billing_email IS 'Where its bills go.';

CREATE TABLE projections.users (
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
CREATE UNIQUE INDEX users_email_is_unique ON projections.users (lower(email));
CREATE INDEX users_by_creation ON projections.users (created_at, id);
COMMENT ON TABLE projections.users IS 'People and services that act; one user may be a member of many tenants. From the platform''s ledger.';
COMMENT ON COLUMN projections.users.id IS 'The user''s id in every tenant.';
COMMENT ON COLUMN projections.users.email IS 'Unique on the platform, without regard to case.';
COMMENT ON COLUMN projections.users.display_name IS 'The name that others see.';
COMMENT ON COLUMN projections.users.avatar_url IS 'Where a picture is.';
COMMENT ON COLUMN projections.users.preferences IS 'The user''s own preferences, as JSON.';
COMMENT ON COLUMN projections.users.is_active IS 'False: may not act anywhere.';
COMMENT ON COLUMN projections.users.last_login_at IS 'Reserved for interactive logins; API keys do not count.';

CREATE TABLE projections.permissions (
    id          uuid PRIMARY KEY,
    key         text NOT NULL CONSTRAINT permissions_key_is_unique UNIQUE,
    resource    text NOT NULL,
    action      text NOT NULL,
    description text NOT NULL,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
COMMENT ON TABLE projections.permissions IS 'What can be permitted, the same for all tenants. From the platform''s ledger.';
COMMENT ON COLUMN projections.permissions.id IS 'Follows from the key.';
COMMENT ON COLUMN projections.permissions.key IS 'As roles and API keys name it: resource:action.';
COMMENT ON COLUMN projections.permissions.resource IS 'What it is about.';
COMMENT ON COLUMN projections.permissions.action IS 'What it permits.';
COMMENT ON COLUMN projections.permissions.description IS 'What it permits, in words.';

-- ------------------------------------------------------------------------------------------------------------ access

CREATE TABLE projections.tenant_users (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL REFERENCES projections.users (id),
    status     text NOT NULL CHECK (status IN ('invited', 'active', 'suspended', 'removed')),
    invited_by uuid,
    joined_at  timestamptz,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX tenant_users_by_creation ON projections.tenant_users (tenant_id, created_at, user_id);
COMMENT ON TABLE projections.tenant_users IS 'Who is, or was, a member of a tenant.';
COMMENT ON COLUMN projections.tenant_users.user_id IS 'The member.';
COMMENT ON COLUMN projections.tenant_users.status IS 'invited, active, suspended or removed.';
COMMENT ON COLUMN projections.tenant_users.invited_by IS 'Who made this user a member.';
COMMENT ON COLUMN projections.tenant_users.joined_at IS 'When the membership that holds now, or held last, began.';

CREATE TABLE projections.roles (
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
CREATE INDEX roles_by_creation ON projections.roles (tenant_id, created_at, id);
COMMENT ON TABLE projections.roles IS 'Named sets of permissions of a tenant.';
COMMENT ON COLUMN projections.roles.id IS 'The role''s id.';
COMMENT ON COLUMN projections.roles.key IS 'As rules name it; unique in the tenant.';
COMMENT ON COLUMN projections.roles.name IS 'Its name for people.';
COMMENT ON COLUMN projections.roles.description IS 'What it is for.';
COMMENT ON COLUMN projections.roles.is_system IS 'True for the roles that every tenant is seeded with; they cannot be changed.';

CREATE TABLE projections.role_permissions (
    tenant_id     uuid NOT NULL,
    role_id       uuid NOT NULL,
    permission_id uuid NOT NULL REFERENCES projections.permissions (id),
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, role_id, permission_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES projections.roles (tenant_id, id)
);
COMMENT ON TABLE projections.role_permissions IS 'Which permissions a role gives.';
COMMENT ON COLUMN projections.role_permissions.role_id IS 'The role.';
COMMENT ON COLUMN projections.role_permissions.permission_id IS 'The permission it gives.';

CREATE TABLE projections.tenant_user_roles (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    role_id    uuid NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES projections.tenant_users (tenant_id, user_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES projections.roles (tenant_id, id)
);
CREATE INDEX tenant_user_roles_by_role ON projections.tenant_user_roles (tenant_id, role_id, user_id);
COMMENT ON TABLE projections.tenant_user_roles IS 'Which roles a member has.';
COMMENT ON COLUMN projections.tenant_user_roles.user_id IS 'The member.';
COMMENT ON COLUMN projections.tenant_user_roles.role_id IS 'The role.';

CREATE TABLE projections.api_keys (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL,
    name        text NOT NULL,
    user_id     uuid REFERENCES projections.users (id),
    permissions text[] NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz,
    created_by  uuid,
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX api_keys_by_creation ON projections.api_keys (tenant_id, created_at, id);
COMMENT ON TABLE projections.api_keys IS 'The keys that clients present. Neither a secret nor its hash is here.';
COMMENT ON COLUMN projections.api_keys.id IS 'The key''s id, part of its text.';
COMMENT ON COLUMN projections.api_keys.name IS 'What it is for.';
COMMENT ON COLUMN projections.api_keys.user_id IS 'Who acts by it; null for a service, which has just the permissions named here.';
COMMENT ON COLUMN projections.api_keys.permissions IS 'The most it may do; a user''s key is limited by the user''s roles as well.';
COMMENT ON COLUMN projections.api_keys.expires_at IS 'From when on it is refused.';
COMMENT ON COLUMN projections.api_keys.revoked_at IS 'When it was revoked.';
COMMENT ON COLUMN projections.api_keys.created_by IS 'Who created it.';

-- --------------------------------------------------------------------------------------------------------- workflows

CREATE TABLE projections.workflows (
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
CREATE INDEX workflows_by_creation ON projections.workflows (tenant_id, created_at, id);
CREATE INDEX workflows_by_status ON projections.workflows (tenant_id, status, created_at, id);
COMMENT ON TABLE projections.workflows IS 'Workflows: a draft, and the definition published last.';
COMMENT ON COLUMN projections.workflows.id IS 'The workflow''s id.';
COMMENT ON COLUMN projections.workflows.key IS 'As executions name it; unique in the tenant.';
COMMENT ON COLUMN projections.workflows.name IS 'Its name for people, of the last draft.';
COMMENT ON COLUMN projections.workflows.description IS 'What it is for, of the last draft.';
COMMENT ON COLUMN projections.workflows.status IS 'draft until it is first published, then active, or archived.';
COMMENT ON COLUMN projections.workflows.draft IS 'The definition being worked on; null where it is published unchanged.';
COMMENT ON COLUMN projections.workflows.definition IS 'The definition published last.';
COMMENT ON COLUMN projections.workflows.input_schema IS 'JSON Schema of the input, of the definition published last.';
COMMENT ON COLUMN projections.workflows.published_version IS 'Number of the version published last.';
COMMENT ON COLUMN projections.workflows.execution_count IS 'How many executions were ever started; counting them leaves version and updated_at as they are.';
COMMENT ON COLUMN projections.workflows.created_by IS 'Who drafted it first.';

CREATE TABLE projections.workflow_versions (
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
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES projections.workflows (tenant_id, id)
);
COMMENT ON TABLE projections.workflow_versions IS 'Every published definition; an execution stays with the one it was started with.';
COMMENT ON COLUMN projections.workflow_versions.workflow_id IS 'The workflow.';
COMMENT ON COLUMN projections.workflow_versions.number IS '1, 2, 3 … in each workflow.';
COMMENT ON COLUMN projections.workflow_versions.definition IS 'The whole definition.';
COMMENT ON COLUMN projections.workflow_versions.note IS 'What the publisher said about it.';
COMMENT ON COLUMN projections.workflow_versions.published_by IS 'Who published it.';
COMMENT ON COLUMN projections.workflow_versions.published_at IS 'When it was published.';

-- -------------------------------------------------------------------------------------------------------- executions

CREATE TABLE projections.workflow_executions (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    workflow_id         uuid NOT NULL,
    workflow_key        text NOT NULL,
    workflow_version    integer NOT NULL,
    execution_number    integer NOT NULL,
    business_key        text,
    status              text NOT NULL CHECK (status IN ('running', 'paused', 'completed', 'failed', 'cancelled')),
    trigger_type        text NOT NULL CHECK (trigger_type IN ('manual', 'scheduled', 'webhook', 'event', 'child', 'fork')),
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
    correlation_id      uuid,
    scheduled_at        timestamptz,
    started_at          timestamptz NOT NULL,
    completed_at        timestamptz,
    cancelled_at        timestamptz,
    cancelled_by        uuid,
    created_by          uuid,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT workflow_executions_number_is_unique UNIQUE (tenant_id, workflow_id, execution_number),
    FOREIGN KEY (tenant_id, workflow_id, workflow_version)
        REFERENCES projections.workflow_versions (tenant_id, workflow_id, number)
);
CREATE INDEX workflow_executions_by_creation ON projections.workflow_executions (tenant_id, created_at, id);
CREATE INDEX workflow_executions_by_status ON projections.workflow_executions (tenant_id, status, created_at, id);
CREATE INDEX workflow_executions_by_workflow ON projections.workflow_executions (tenant_id, workflow_key, created_at, id);
CREATE INDEX workflow_executions_by_workflow_and_status
    ON projections.workflow_executions (tenant_id, workflow_key, status, created_at, id);
CREATE INDEX workflow_executions_by_business_key
    ON projections.workflow_executions (tenant_id, business_key, created_at, id) WHERE business_key IS NOT NULL;
CREATE UNIQUE INDEX workflow_executions_business_key_is_unique_while_open
    ON projections.workflow_executions (tenant_id, workflow_id, business_key) WHERE status IN ('running', 'paused');
COMMENT ON TABLE projections.workflow_executions IS 'Every run of a workflow.';
COMMENT ON COLUMN projections.workflow_executions.id IS 'The execution''s id.';
COMMENT ON COLUMN projections.workflow_executions.workflow_id IS 'The workflow it runs.';
COMMENT ON COLUMN projections.workflow_executions.workflow_key IS 'That workflow''s key.';
COMMENT ON COLUMN projections.workflow_executions.workflow_version IS 'The published version it runs.';
COMMENT ON COLUMN projections.workflow_executions.execution_number IS '1, 2, 3 … in each workflow, in the order of starting.';
COMMENT ON COLUMN projections.workflow_executions.business_key IS 'The starter''s own name for it; unique among a workflow''s open executions.';
COMMENT ON COLUMN projections.workflow_executions.status IS 'running, paused, completed, failed or cancelled.';
COMMENT ON COLUMN projections.workflow_executions.trigger_type IS 'What started it: manual, scheduled, webhook, event, child or fork.';
COMMENT ON COLUMN projections.workflow_executions.trigger_data IS 'What the trigger knew.';
COMMENT ON COLUMN projections.workflow_executions.input IS 'What it was started with.';
COMMENT ON COLUMN projections.workflow_executions.output IS 'What its last end gave.';
COMMENT ON COLUMN projections.workflow_executions.variables IS 'The outputs of its set nodes, merged; the later value of a name holds.';
COMMENT ON COLUMN projections.workflow_executions.current_nodes IS 'The nodes it is at, one entry for each running activation, in the order of starting.';
COMMENT ON COLUMN projections.workflow_executions.error IS 'Why it failed, in words.';
COMMENT ON COLUMN projections.workflow_executions.error_details IS 'Why it failed: {code, message, node_id}.';
COMMENT ON COLUMN projections.workflow_executions.metrics IS 'Activations {total, completed, failed, skipped (cancelled ones)}, {waiting_ms}: how long approvals were open, summed, {running_ms}: from start to end, null before.';
COMMENT ON COLUMN projections.workflow_executions.priority IS 'Higher is more urgent.';
COMMENT ON COLUMN projections.workflow_executions.parent_execution_id IS 'The execution that started or was forked into this one.';
COMMENT ON COLUMN projections.workflow_executions.correlation_id IS 'Groups what belongs together across systems.';
COMMENT ON COLUMN projections.workflow_executions.scheduled_at IS 'For which time a schedule started it.';
COMMENT ON COLUMN projections.workflow_executions.started_at IS 'When it started.';
COMMENT ON COLUMN projections.workflow_executions.completed_at IS 'When it completed or failed.';
COMMENT ON COLUMN projections.workflow_executions.cancelled_at IS 'When it was cancelled.';
COMMENT ON COLUMN projections.workflow_executions.cancelled_by IS 'Who cancelled it.';
COMMENT ON COLUMN projections.workflow_executions.created_by IS 'Who started it.';

CREATE TABLE projections.execution_attributes (
    tenant_id    uuid NOT NULL,
    execution_id uuid NOT NULL,
    name         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('text', 'number', 'boolean', 'null', 'json')),
    value        text NOT NULL,
    value_number numeric,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, name),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id)
);
CREATE INDEX execution_attributes_by_value
    ON projections.execution_attributes (tenant_id, name, value, created_at, execution_id);
COMMENT ON TABLE projections.execution_attributes IS 'Search attributes of executions, one row each; created_at is the execution''s own.';
COMMENT ON COLUMN projections.execution_attributes.execution_id IS 'The execution.';
COMMENT ON COLUMN projections.execution_attributes.name IS 'The attribute''s name, as the definition gives it.';
COMMENT ON COLUMN projections.execution_attributes.kind IS 'What the value is in JSON: text, number, boolean, null or json (lists and objects).';
COMMENT ON COLUMN projections.execution_attributes.value IS 'The value: text as it is, everything else as JSON; the first 255 characters.';
COMMENT ON COLUMN projections.execution_attributes.value_number IS 'The value where it is a number.';

CREATE TABLE projections.node_activations (
    tenant_id            uuid NOT NULL,
    id                   uuid NOT NULL,
    execution_id         uuid NOT NULL,
    execution_created_at timestamptz NOT NULL,
    node_id              text NOT NULL,
    node_type            text NOT NULL,
    visit                integer NOT NULL,
    status               text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'cancelled', 'skipped')),
    handle               text,
    input                jsonb,
    output               jsonb,
    error                jsonb,
    retry_count          integer NOT NULL,
    started_at           timestamptz NOT NULL,
    completed_at         timestamptz,
    version              bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id)
);
CREATE INDEX node_activations_by_execution ON projections.node_activations (tenant_id, execution_id, version);
CREATE INDEX node_activations_open_by_node
    ON projections.node_activations (tenant_id, node_id, execution_created_at, execution_id) WHERE status = 'running';
COMMENT ON TABLE projections.node_activations IS 'Every visit of a node by an execution, instant ones too.';
COMMENT ON COLUMN projections.node_activations.id IS 'The activation''s id.';
COMMENT ON COLUMN projections.node_activations.execution_id IS 'The execution.';
COMMENT ON COLUMN projections.node_activations.execution_created_at IS 'That execution''s created_at: executions at a node can be listed in their order.';
COMMENT ON COLUMN projections.node_activations.node_id IS 'The node, as the definition names it.';
COMMENT ON COLUMN projections.node_activations.node_type IS 'The node''s type.';
COMMENT ON COLUMN projections.node_activations.visit IS '1, 2, 3 … for each node of an execution.';
COMMENT ON COLUMN projections.node_activations.status IS 'running, completed, failed, cancelled or skipped.';
COMMENT ON COLUMN projections.node_activations.handle IS 'By which handle it was left; of a failed one, the handle that took the error.';
COMMENT ON COLUMN projections.node_activations.input IS 'What the node got, with its expressions evaluated.';
COMMENT ON COLUMN projections.node_activations.output IS 'What the node gave.';
COMMENT ON COLUMN projections.node_activations.error IS 'Why it failed {type, message, attempts}, or was cancelled {type, message}.';
COMMENT ON COLUMN projections.node_activations.retry_count IS 'Attempts beyond the first.';
COMMENT ON COLUMN projections.node_activations.started_at IS 'When it was entered.';
COMMENT ON COLUMN projections.node_activations.completed_at IS 'When it was left, failed or was cancelled.';

-- --------------------------------------------------------------------------------------------------------- approvals

CREATE TABLE projections.approval_requests (
    tenant_id           uuid NOT NULL,
    id                  uuid NOT NULL,
    execution_id        uuid NOT NULL,
    activation_id       uuid NOT NULL,
    node_id             text NOT NULL,
    title               text NOT NULL,
    description         text,
    priority            integer NOT NULL,
    status              text NOT NULL CHECK (status IN ('pending', 'resolved', 'cancelled', 'expired')),
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
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES projections.node_activations (tenant_id, id)
);
CREATE INDEX approval_requests_by_creation ON projections.approval_requests (tenant_id, created_at, id);
CREATE INDEX approval_requests_by_status ON projections.approval_requests (tenant_id, status, created_at, id);
CREATE INDEX approval_requests_by_execution ON projections.approval_requests (tenant_id, execution_id, created_at, id);
CREATE INDEX approval_requests_due
    ON projections.approval_requests (tenant_id, due_at, id) WHERE status = 'pending' AND due_at IS NOT NULL;
COMMENT ON TABLE projections.approval_requests IS 'What people are, or were, asked to decide.';
COMMENT ON COLUMN projections.approval_requests.id IS 'The request''s id.';
COMMENT ON COLUMN projections.approval_requests.execution_id IS 'The execution that asks.';
COMMENT ON COLUMN projections.approval_requests.activation_id IS 'The visit of the approval node that asks.';
COMMENT ON COLUMN projections.approval_requests.node_id IS 'That node.';
COMMENT ON COLUMN projections.approval_requests.title IS 'What is asked.';
COMMENT ON COLUMN projections.approval_requests.description IS 'What is asked, at length.';
COMMENT ON COLUMN projections.approval_requests.priority IS 'Higher is more urgent.';
COMMENT ON COLUMN projections.approval_requests.status IS 'pending, resolved, cancelled or expired.';
COMMENT ON COLUMN projections.approval_requests.outcome IS 'The outcome it was resolved with.';
COMMENT ON COLUMN projections.approval_requests.outcome_kind IS 'What that outcome means: approve, reject, changes, submit, withdraw or other.';
COMMENT ON COLUMN projections.approval_requests.approval_type IS 'The rule that turns decisions into an outcome, e.g. single.';
COMMENT ON COLUMN projections.approval_requests.required_approvals IS 'How many approvals the rule asks for.';
COMMENT ON COLUMN projections.approval_requests.received_approvals IS 'Decisions so far that approve.';
COMMENT ON COLUMN projections.approval_requests.received_rejections IS 'Decisions so far that reject.';
COMMENT ON COLUMN projections.approval_requests.request_data IS 'What the deciders get: {context, form (JSON Schema), outcomes, rule}.';
COMMENT ON COLUMN projections.approval_requests.approval_data IS 'The form of the decision that resolved it.';
COMMENT ON COLUMN projections.approval_requests.escalation_rules IS 'Who is asked when nobody answers.';
COMMENT ON COLUMN projections.approval_requests.escalation_level IS 'How often it was escalated.';
COMMENT ON COLUMN projections.approval_requests.assigned_to IS 'Who may decide: {users, roles}; both empty: every member who may decide approvals.';
COMMENT ON COLUMN projections.approval_requests.requested_by IS 'On whose behalf the execution asks.';
COMMENT ON COLUMN projections.approval_requests.decided_by IS 'Whose decision resolved it.';
COMMENT ON COLUMN projections.approval_requests.due_at IS 'By when an answer is hoped for.';
COMMENT ON COLUMN projections.approval_requests.expires_at IS 'When it closes by itself.';
COMMENT ON COLUMN projections.approval_requests.first_response_at IS 'When the first decision was made.';
COMMENT ON COLUMN projections.approval_requests.responded_at IS 'When it was resolved.';

CREATE TABLE projections.approval_assignees (
    tenant_id  uuid NOT NULL,
    request_id uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('user', 'role', 'anyone')),
    value      text NOT NULL,
    status     text NOT NULL CHECK (status IN ('pending', 'resolved', 'cancelled', 'expired')),
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, kind, value),
    FOREIGN KEY (tenant_id, request_id) REFERENCES projections.approval_requests (tenant_id, id)
);
CREATE INDEX approval_assignees_by_value
    ON projections.approval_assignees (tenant_id, kind, value, created_at, request_id);
CREATE INDEX approval_assignees_by_value_and_status
    ON projections.approval_assignees (tenant_id, kind, value, status, created_at, request_id);
COMMENT ON TABLE projections.approval_assignees IS 'Who may choose at least one outcome of a request: the rows by which requests are found by role and by person.';
COMMENT ON COLUMN projections.approval_assignees.request_id IS 'The request; created_at is its own.';
COMMENT ON COLUMN projections.approval_assignees.kind IS 'user, role, or anyone: every member who may decide approvals.';
COMMENT ON COLUMN projections.approval_assignees.value IS 'The user''s id, the role''s key, or nothing.';
COMMENT ON COLUMN projections.approval_assignees.status IS 'The request''s status.';

CREATE TABLE projections.approval_decisions (
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
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES projections.approval_requests (tenant_id, id)
);
CREATE INDEX approval_decisions_by_request ON projections.approval_decisions (tenant_id, request_id, version);
COMMENT ON TABLE projections.approval_decisions IS 'What each person decided.';
COMMENT ON COLUMN projections.approval_decisions.id IS 'The decision''s id.';
COMMENT ON COLUMN projections.approval_decisions.request_id IS 'The request.';
COMMENT ON COLUMN projections.approval_decisions.step IS 'The step of a request that asks in steps; 1 otherwise.';
COMMENT ON COLUMN projections.approval_decisions.user_id IS 'Who decided.';
COMMENT ON COLUMN projections.approval_decisions.on_behalf_of IS 'For whom, where it was somebody else.';
COMMENT ON COLUMN projections.approval_decisions.role IS 'Key of the role in which they acted.';
COMMENT ON COLUMN projections.approval_decisions.outcome IS 'The outcome they chose.';
COMMENT ON COLUMN projections.approval_decisions.kind IS 'What that outcome means: approve, reject, changes, submit, withdraw or other.';
COMMENT ON COLUMN projections.approval_decisions.comment IS 'What they said.';
COMMENT ON COLUMN projections.approval_decisions.form_data IS 'The form they filled in.';
COMMENT ON COLUMN projections.approval_decisions.decided_at IS 'When they decided.';
COMMENT ON COLUMN projections.approval_decisions.revoked_at IS 'When the decision was taken back.';

-- ------------------------------------------------------------------------------------------------------------- audit

CREATE TABLE projections.audit_logs (
    tenant_id        uuid NOT NULL,
    position         bigint NOT NULL,
    event_id         uuid NOT NULL,
    user_id          uuid,
    actor_type       text NOT NULL CHECK (actor_type IN ('user', 'api_key', 'worker', 'schedule', 'system')),
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
CREATE INDEX audit_logs_by_time ON projections.audit_logs (tenant_id, recorded_at, position);
CREATE INDEX audit_logs_by_resource ON projections.audit_logs (tenant_id, resource, position);
CREATE INDEX audit_logs_by_resource_id ON projections.audit_logs (tenant_id, resource_id, position);
CREATE INDEX audit_logs_by_user ON projections.audit_logs (tenant_id, user_id, position) WHERE user_id IS NOT NULL;
CREATE INDEX audit_logs_by_action ON projections.audit_logs (tenant_id, action, position);
CREATE INDEX audit_logs_by_category ON projections.audit_logs (tenant_id, category, position);
CREATE INDEX audit_logs_by_severity ON projections.audit_logs (tenant_id, severity, position);
CREATE INDEX audit_logs_by_correlation
    ON projections.audit_logs (tenant_id, correlation_id, position) WHERE correlation_id IS NOT NULL;
COMMENT ON TABLE projections.audit_logs IS 'One row for each event of the ledger, refused commands included: a missing position is a missing row.';
COMMENT ON COLUMN projections.audit_logs.position IS 'The event''s number in its tenant''s ledger: 1, 2, 3 … without gaps.';
COMMENT ON COLUMN projections.audit_logs.event_id IS 'Follows from tenant and position: UUID version 5 of the position in the tenant''s namespace.';
COMMENT ON COLUMN projections.audit_logs.user_id IS 'The person who acted.';
COMMENT ON COLUMN projections.audit_logs.actor_type IS 'What acted: user, api_key, worker, schedule or system.';
COMMENT ON COLUMN projections.audit_logs.actor_id IS 'Which one of them.';
COMMENT ON COLUMN projections.audit_logs.on_behalf_of IS 'For whom, where it was somebody else.';
COMMENT ON COLUMN projections.audit_logs.action IS 'What happened, e.g. approval.decided, or the command that was refused.';
COMMENT ON COLUMN projections.audit_logs.outcome IS 'accepted or refused.';
COMMENT ON COLUMN projections.audit_logs.resource IS 'The kind of thing it happened to, e.g. execution.';
COMMENT ON COLUMN projections.audit_logs.resource_id IS 'The thing it happened to.';
COMMENT ON COLUMN projections.audit_logs.resource_version IS 'That thing''s version after it; null where a command was refused.';
COMMENT ON COLUMN projections.audit_logs.description IS 'What happened, in a sentence.';
COMMENT ON COLUMN projections.audit_logs.category IS 'workflow, approval, ai, access, tenant or system.';
COMMENT ON COLUMN projections.audit_logs.severity IS 'debug, info, warning, error or critical.';
COMMENT ON COLUMN projections.audit_logs.ip_address IS 'Where the command came from; null where that is not known or not an address.';
COMMENT ON COLUMN projections.audit_logs.user_agent IS 'What the client called itself.';
COMMENT ON COLUMN projections.audit_logs.metadata IS 'Beside the event: {before, after, changes} of what was changed, {request} of the HTTP request.';
COMMENT ON COLUMN projections.audit_logs.payload IS 'The event itself, without secrets.';
COMMENT ON COLUMN projections.audit_logs.tags IS 'Words to find it by.';
COMMENT ON COLUMN projections.audit_logs.command_id IS 'The command that caused it; one command may cause many events.';
COMMENT ON COLUMN projections.audit_logs.correlation_id IS 'Groups what belongs together across systems.';
COMMENT ON COLUMN projections.audit_logs.causation_id IS 'What caused the command.';
COMMENT ON COLUMN projections.audit_logs.reason IS 'The reason that was given.';
COMMENT ON COLUMN projections.audit_logs.occurred_at IS 'When it occurred; earlier than recorded where it was entered later.';
COMMENT ON COLUMN projections.audit_logs.recorded_at IS 'When it was recorded; never decreases with the position.';

-- --------------------------------------------------------------------------------------------------------- freshness

CREATE TABLE projections.freshness (
    tenant_id    uuid PRIMARY KEY,
    position     bigint NOT NULL CHECK (position >= 0),
    recorded_at  timestamptz,
    projected_at timestamptz NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
COMMENT ON TABLE projections.freshness IS 'How current a tenant''s tables are: all of them show exactly the events up to this position.';
COMMENT ON COLUMN projections.freshness.position IS 'The last position that the tables show; 0: none yet.';
COMMENT ON COLUMN projections.freshness.recorded_at IS 'When that event was recorded.';
COMMENT ON COLUMN projections.freshness.projected_at IS 'When the tables reached it.';

-- What the projector could not apply. Its tenant's tables stand still until it can.
CREATE TABLE runtime.projection_faults (
    tenant_id       uuid PRIMARY KEY,
    position        bigint NOT NULL CHECK (position > 0),
    error           text NOT NULL,
    attempts        integer NOT NULL CHECK (attempts > 0),
    first_failed_at timestamptz NOT NULL,
    failed_at       timestamptz NOT NULL,
    retry_at        timestamptz NOT NULL
);
COMMENT ON TABLE runtime.projection_faults IS 'Tenants whose projection stands still before an event that it cannot apply; retried with growing intervals.';
COMMENT ON COLUMN runtime.projection_faults.tenant_id IS 'The tenant.';
COMMENT ON COLUMN runtime.projection_faults.position IS 'The event that cannot be applied.';
COMMENT ON COLUMN runtime.projection_faults.error IS 'Why, as the last attempt said.';
COMMENT ON COLUMN runtime.projection_faults.attempts IS 'How often it was tried.';
COMMENT ON COLUMN runtime.projection_faults.first_failed_at IS 'When it was first tried.';
COMMENT ON COLUMN runtime.projection_faults.failed_at IS 'When it was last tried.';
COMMENT ON COLUMN runtime.projection_faults.retry_at IS 'When it is tried next; earlier after `gesta projections retry`.';
ALTER TABLE runtime.projection_faults ENABLE ROW LEVEL SECURITY;
ALTER TABLE runtime.projection_faults FORCE ROW LEVEL SECURITY;
CREATE POLICY projection_faults_system ON runtime.projection_faults TO gesta_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.projection_faults TO gesta_system;

-- ------------------------------------------------------------------------- what holds for all of them: access, comments

DO $$
DECLARE
    t record;
    common record;
BEGIN
    FOR t IN SELECT c.oid, c.relname FROM pg_class c WHERE c.relnamespace = 'projections'::regnamespace AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE projections.%I ENABLE ROW LEVEL SECURITY', t.relname);
        EXECUTE format('ALTER TABLE projections.%I FORCE ROW LEVEL SECURITY', t.relname);
        EXECUTE format('CREATE POLICY %I ON projections.%I TO gesta_system USING (true) WITH CHECK (true)', t.relname || '_system', t.relname);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON projections.%I TO gesta_system', t.relname);
        EXECUTE format('GRANT SELECT ON projections.%I TO gesta_api', t.relname);
        IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'tenant_id') THEN
            EXECUTE format('CREATE POLICY %I ON projections.%I FOR SELECT TO gesta_api USING (tenant_id = (SELECT runtime.current_tenant()))',
                t.relname || '_api', t.relname);
        END IF;
        FOR common IN
            SELECT * FROM (VALUES
                ('tenant_id', 'The tenant it belongs to.'),
                ('version', 'Version of the stream whose event touched this row last.'),
                ('created_at', 'When the row''s first event was recorded.'),
                ('updated_at', 'When the row''s last event was recorded.')) AS v (name, words)
            WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = v.name)
        LOOP
            EXECUTE format('COMMENT ON COLUMN projections.%I.%I IS %L', t.relname, common.name, common.words);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON COLUMN projections.freshness.version IS 'The same as position.';

-- The audit log is only ever added to.
REVOKE UPDATE, DELETE ON projections.audit_logs FROM gesta_system;

-- The platform sees all tenants and users; a tenant sees itself, and the users who are or were its members.
CREATE POLICY tenants_api ON projections.tenants FOR SELECT TO gesta_api
    USING (id = (SELECT runtime.current_tenant())
        OR (SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001');
CREATE POLICY users_api ON projections.users FOR SELECT TO gesta_api
    USING ((SELECT runtime.current_tenant()) = '00000000-0000-0000-0000-000000000001'
        OR EXISTS (SELECT FROM projections.tenant_users m
                    WHERE m.tenant_id = (SELECT runtime.current_tenant()) AND m.user_id = users.id));
CREATE POLICY permissions_api ON projections.permissions FOR SELECT TO gesta_api USING (true);
