-- Only append writes events, commands and claims. It runs with its owner's rights, and the serving roles lose theirs: who has got hold of
-- a serving login can ask for an append, and can neither leave a gap in a ledger nor slip in an event that no command stands for.
ALTER FUNCTION ledger.append SECURITY DEFINER;
ALTER FUNCTION ledger.append SET search_path = pg_catalog, pg_temp;

-- Row-level security binds the owner too. These rows are open to it only where it works for a login that may append, and sees all of
-- them anyway: the login counts, not the role of the moment. For gesta_api no function of the owner's can be made to read, and whoever is
-- gesta_owner, or may become it, sees as little as before.
CREATE FUNCTION runtime.appending() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN pg_has_role(session_user, 'gesta_system', 'MEMBER') AND NOT pg_has_role(session_user, 'gesta_owner', 'MEMBER');
COMMENT ON FUNCTION runtime.appending() IS
    'Whether this session''s login may append: gesta_system or a member of it, and not the owner. Policies for append ask it.';
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ledger.heads', 'ledger.events', 'runtime.commands', 'runtime.claims', 'runtime.jobs', 'runtime.timers'] LOOP
        EXECUTE format('CREATE POLICY by_append ON %s TO gesta_owner USING ((SELECT runtime.appending())) '
            'WITH CHECK ((SELECT runtime.appending()))', t);
    END LOOP;
END
$$;
REVOKE INSERT ON ledger.events, runtime.commands, runtime.claims FROM gesta_system;
REVOKE DELETE ON runtime.claims FROM gesta_system;
REVOKE UPDATE (epoch) ON ledger.heads FROM gesta_system;

-- ENABLE ALWAYS: session_replication_role = replica, which loads and logical replication set, does not put it out of action.
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;

-- Which epoch a ledger has is written down a second time, so that a changed head is noticed (gesta verify).
CREATE TABLE ledger.epochs (
    tenant_id uuid        NOT NULL,
    epoch     integer     NOT NULL CHECK (epoch > 1),
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    raised_by text        NOT NULL DEFAULT session_user,
    PRIMARY KEY (tenant_id, epoch)
);
COMMENT ON TABLE ledger.epochs IS 'When each ledger''s epoch was raised. Written by the trigger on ledger.heads.';
COMMENT ON COLUMN ledger.epochs.tenant_id IS 'Whose ledger.';
COMMENT ON COLUMN ledger.epochs.epoch IS 'The epoch that began. The first is not written down.';
COMMENT ON COLUMN ledger.epochs.raised_at IS 'When.';
COMMENT ON COLUMN ledger.epochs.raised_by IS 'By which login.';
ALTER TABLE ledger.epochs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON ledger.epochs FOR SELECT TO gesta_system USING (true);
CREATE POLICY backup ON ledger.epochs FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
CREATE POLICY noted ON ledger.epochs FOR INSERT TO gesta_owner WITH CHECK (true);
GRANT SELECT ON ledger.epochs TO gesta_system;
-- Epochs that were raised before this was written down. (Row-level security binds the owner, who migrates.)
ALTER TABLE ledger.heads NO FORCE ROW LEVEL SECURITY;
INSERT INTO ledger.epochs (tenant_id, epoch) SELECT tenant_id, epoch FROM ledger.heads WHERE epoch > 1;
ALTER TABLE ledger.heads FORCE ROW LEVEL SECURITY;

CREATE FUNCTION ledger.note_epoch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.tenant_id <> OLD.tenant_id OR NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the epoch of a ledger only grows' USING ERRCODE = 'insufficient_privilege';
    ELSIF NEW.epoch > OLD.epoch THEN
        INSERT INTO ledger.epochs (tenant_id, epoch) VALUES (NEW.tenant_id, NEW.epoch);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION ledger.note_epoch() IS 'Writes down that an epoch was raised; refuses to lower one.';
CREATE TRIGGER epochs_grow BEFORE UPDATE ON ledger.heads FOR EACH ROW EXECUTE FUNCTION ledger.note_epoch();
COMMENT ON TRIGGER epochs_grow ON ledger.heads IS 'A raised epoch is written down in ledger.epochs.';
ALTER TABLE ledger.heads ENABLE ALWAYS TRIGGER epochs_grow;
