-- States of long streams, so that a process that has lost one need not fold the stream from its beginning. They only spare work:
-- any of them may be deleted at any time.
CREATE TABLE runtime.snapshots (
    tenant_id     uuid        NOT NULL,
    stream_id     uuid        NOT NULL,
    state_version text        NOT NULL,
    version       bigint      NOT NULL,
    command_id    uuid        NOT NULL,
    state         bytea       NOT NULL,
    taken_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, stream_id, state_version)
) WITH (fillfactor = 80);
COMMENT ON TABLE runtime.snapshots IS 'States of long streams as of a version. They spare folding and are needed for nothing else: any may be deleted.';
COMMENT ON COLUMN runtime.snapshots.tenant_id IS 'The ledger.';
COMMENT ON COLUMN runtime.snapshots.stream_id IS 'The stream.';
COMMENT ON COLUMN runtime.snapshots.state_version IS 'What kind of state, and of which form: a release reads those only that it would have written itself.';
COMMENT ON COLUMN runtime.snapshots.version IS 'The last event that the state contains.';
COMMENT ON COLUMN runtime.snapshots.command_id IS 'The command of that event: where the ledger says otherwise, the snapshot is of a history that a restore took back.';
COMMENT ON COLUMN runtime.snapshots.state IS 'A SHA-256 digest and the state as JSON, compressed or encrypted as events are.';
COMMENT ON COLUMN runtime.snapshots.taken_at IS 'When it was taken.';
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.snapshots TO gesta_system;
ALTER TABLE runtime.snapshots ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON runtime.snapshots TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.snapshots FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
