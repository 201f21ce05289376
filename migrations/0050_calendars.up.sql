-- Business calendars: when people of a tenant work.
CREATE TABLE projections.calendars (
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
CREATE INDEX calendars_by_creation ON projections.calendars (tenant_id, created_at, id);
COMMENT ON TABLE projections.calendars IS 'When people of a tenant work: moments can be reckoned in working time.';
COMMENT ON COLUMN projections.calendars.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.calendars.id IS 'The calendar''s id; follows from its key.';
COMMENT ON COLUMN projections.calendars.key IS 'As definitions name it.';
COMMENT ON COLUMN projections.calendars.name IS 'For people.';
COMMENT ON COLUMN projections.calendars.time_zone IS 'By whose clocks its hours are, as Europe/Berlin.';
COMMENT ON COLUMN projections.calendars.hours IS 'By weekday, mon to sun: spans {from, to} of the clock on the wall.';
COMMENT ON COLUMN projections.calendars.holidays IS 'Dates on which nobody works, in their order.';
COMMENT ON COLUMN projections.calendars.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.calendars.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.calendars.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.calendars ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY calendars_system ON projections.calendars TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY calendars_api ON projections.calendars FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.calendars FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.calendars TO gesta_system;
GRANT SELECT ON projections.calendars TO gesta_api;
