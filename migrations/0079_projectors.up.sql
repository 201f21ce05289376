-- Projectors share the partitions out fairly: each says that it is there, for as long as its lease of nothing in particular lasts.
CREATE TABLE runtime.projectors (
    holder     uuid        PRIMARY KEY,
    seen_until timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE runtime.projectors IS 'The processes that project at the moment; each has a share of the partitions (runtime.leases).';
COMMENT ON COLUMN runtime.projectors.holder IS 'The process, by an id that it made for itself: as in runtime.leases.';
COMMENT ON COLUMN runtime.projectors.seen_until IS 'When it counts as gone unless it says that it is there, by the database''s clock.';
ALTER TABLE runtime.projectors ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY projectors_system ON runtime.projectors TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY backup ON runtime.projectors FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON runtime.projectors TO gesta_system;

-- An exchange of tables asks every projector to show its lease anew; one of a release that is older than the tables then stands by.
CREATE POLICY leases_owner ON runtime.leases TO gesta_owner USING (true) WITH CHECK (true);
ALTER TABLE runtime.projection_generations ADD COLUMN schema_version integer;
COMMENT ON COLUMN runtime.projection_generations.schema_version IS 'The last migration that the release knew which built it: projectors of older releases leave it alone.';
ALTER TABLE runtime.projection_generations ADD COLUMN accepted text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN runtime.projection_generations.accepted IS 'Differences from the tables that serve which are meant by whoever asked for it: table or table.column.';
UPDATE runtime.projection_generations SET accepted = '{execution_waits}'
 WHERE state = 'wanted' AND reason = 'The new table execution_waits.';
