DROP FUNCTION ledger.append;
DROP FUNCTION ledger.judge;
DROP FUNCTION ledger.open(uuid);
DROP TABLE runtime.claims;
DROP TABLE runtime.commands;
DROP TABLE ledger.events;
DROP FUNCTION ledger.refuse_change();
DROP TABLE ledger.heads;
