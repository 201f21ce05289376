-- PostgreSQL has no right to LISTEN that could be withheld: whoever knows a channel's name hears what is said there. So the names of ours end in
-- what only those know who may ask runtime.secret_channel. A release before this one says and hears under the names without it.
CREATE TABLE runtime.notification_secret (
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    suffix text    NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', '') CHECK (suffix ~ '^[0-9a-f]{32}$')
);
COMMENT ON TABLE runtime.notification_secret IS 'What the names of our notification channels end in. Made at its first use (runtime.secret_channel).';
COMMENT ON COLUMN runtime.notification_secret.is_one IS 'There is one row.';
COMMENT ON COLUMN runtime.notification_secret.suffix IS 'Random, and told to nobody but logins of gesta_system.';
ALTER TABLE runtime.notification_secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- A backup has none: a database that is restored makes one of its own.
CREATE POLICY by_function ON runtime.notification_secret TO gesta_owner
    USING (NOT (SELECT runtime.backing_up())) WITH CHECK (true);
CREATE POLICY backup ON runtime.notification_secret FOR SELECT TO gesta_owner USING (false);
