DROP TRIGGER epochs_grow ON ledger.heads;
DROP FUNCTION ledger.note_epoch();
DROP TABLE ledger.epochs;
ALTER TABLE ledger.events ENABLE TRIGGER append_only;
GRANT UPDATE (epoch) ON ledger.heads TO gesta_system;
GRANT DELETE ON runtime.claims TO gesta_system;
GRANT INSERT ON ledger.events, runtime.commands, runtime.claims TO gesta_system;
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ledger.heads', 'ledger.events', 'runtime.commands', 'runtime.claims', 'runtime.jobs', 'runtime.timers'] LOOP
        EXECUTE format('DROP POLICY by_append ON %s', t);
    END LOOP;
END
$$;
DROP FUNCTION runtime.appending();
ALTER FUNCTION ledger.append RESET search_path;
ALTER FUNCTION ledger.append SECURITY INVOKER;
