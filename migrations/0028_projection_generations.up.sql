-- Projected tables are built anew beside those that serve, and exchanged for them (gesta projections rebuild). What is to be built, what is
-- being built and what was exchanged is remembered here. A migration asks for it by a row: INSERT … (groups, reason).
CREATE TABLE runtime.projection_generations (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    groups       text[] NOT NULL CHECK (cardinality(groups) > 0),
    state        text NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'building', 'serving', 'replaced', 'abandoned', 'done')),
    reason       text NOT NULL CHECK (reason <> ''),
    code         text,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at   timestamptz,
    swapped_at   timestamptz
);
COMMENT ON TABLE runtime.projection_generations IS 'Projected tables that are to be built anew, are being built, or were exchanged. Of the first generation, made by migrations, there is no row.';
COMMENT ON COLUMN runtime.projection_generations.number IS '1, 2, 3 …';
COMMENT ON COLUMN runtime.projection_generations.groups IS 'Groups of tables: people, work, audit.';
COMMENT ON COLUMN runtime.projection_generations.state IS 'wanted (by a migration), building, serving, replaced (by a later one), abandoned (other code began anew), done (wanted, and served by a later one; or of one tenant).';
COMMENT ON COLUMN runtime.projection_generations.reason IS 'Why, in words.';
COMMENT ON COLUMN runtime.projection_generations.code IS 'SHA-256 of the DDL and the code that builds it, in hex: other code begins anew.';
COMMENT ON COLUMN runtime.projection_generations.requested_at IS 'When it was asked for.';
COMMENT ON COLUMN runtime.projection_generations.started_at IS 'When building began.';
COMMENT ON COLUMN runtime.projection_generations.swapped_at IS 'When it began to serve.';
ALTER TABLE runtime.projection_generations ENABLE ROW LEVEL SECURITY;
ALTER TABLE runtime.projection_generations FORCE ROW LEVEL SECURITY;
CREATE POLICY projection_generations_system ON runtime.projection_generations FOR SELECT TO gesta_system USING (true);
CREATE POLICY projection_generations_owner ON runtime.projection_generations TO gesta_owner USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.projection_generations FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT ON runtime.projection_generations TO gesta_system;
