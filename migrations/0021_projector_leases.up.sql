-- Who projects whom, and who cleans up, as rows that only gesta_system can hold. An advisory lock could be taken by any login, and then
-- nothing was projected any more, unnoticed.
CREATE TABLE runtime.leases (
    name        text        PRIMARY KEY,
    holder      uuid,
    fence       bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
COMMENT ON TABLE runtime.leases IS 'Work that one process does at a time, and which one does it.';
COMMENT ON COLUMN runtime.leases.name IS 'projector N: the tables of the tenants whose id ends in the hexadecimal digit N. housekeeping: a row to lock.';
COMMENT ON COLUMN runtime.leases.holder IS 'The process, by an id that it made for itself.';
COMMENT ON COLUMN runtime.leases.fence IS 'Counts the holders: who shows an older one is refused.';
COMMENT ON COLUMN runtime.leases.lease_until IS 'When the lease ends unless it is renewed, by the database''s clock.';
INSERT INTO runtime.leases (name) SELECT 'projector ' || n FROM generate_series(0, 15) n UNION ALL SELECT 'housekeeping';
GRANT SELECT, UPDATE ON runtime.leases TO gesta_system;
