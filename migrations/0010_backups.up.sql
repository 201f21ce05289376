-- The owner is bound by row-level security like everybody else, so a dump taken as the owner would hold no rows, and say nothing of it.
-- `gesta db backup` says that it is a backup, and then the owner reads every row. Nobody else can: the login counts, not the role of the
-- moment, so that no function of the owner's can be made to read for its caller.
CREATE FUNCTION runtime.backing_up() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN coalesce(current_setting('gesta.backup', true), '') = 'on' AND pg_has_role(session_user, 'gesta_owner', 'MEMBER');
COMMENT ON FUNCTION runtime.backing_up() IS
    'Whether this session is a backup (gesta.backup = on) by a login that is gesta_owner or may become it. Policies for backups ask it.';

DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT oid::regclass AS name FROM pg_class
         WHERE relnamespace IN ('ledger'::regnamespace, 'runtime'::regnamespace, 'projections'::regnamespace)
           AND relkind = 'r' AND relrowsecurity
    LOOP
        EXECUTE format('CREATE POLICY backup ON %s FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()))', found.name);
    END LOOP;
END
$$;
