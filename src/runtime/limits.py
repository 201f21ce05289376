"""How long a session of each role may take for what: settings of the roles, so that they hold however it comes, also through a
pooler, where nothing that a session sets is sure to stay with it.

They are set where they are missing: what an operator chose stays. What takes longer by its nature (replay, verify, a backup)
lifts them for its own transaction.
"""

from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

# The server, too, notices a peer that is silently gone: what it holds for it would stay locked for hours.
NOTICES_LOSS = {"tcp_keepalives_idle": "4", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3", "tcp_user_timeout": "8s"}
LIMITS: dict[str, dict[str, str]] = {
    "gesta_system": {
        "statement_timeout": "60s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "60s",
        **NOTICES_LOSS,
    },
    "gesta_api": {
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "60s",
        **NOTICES_LOSS,
    },
    "gesta_owner": {"idle_in_transaction_session_timeout": "10min", **NOTICES_LOSS},  # a migration takes the time it takes
}
NONE = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
"""For a transaction that takes long by its nature."""
CHOSEN = """
SELECT split_part(word, '=', 1) FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) word
 WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = %s)
"""
ROLE_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = %s"
SET = sql.SQL("ALTER ROLE {} SET {} = {}")


def set_limits(connection: Connection[TupleRow]) -> None:
    """Where this login may: `connection` is the owner's or the superuser's, in autocommit. What it may not, the doctor names."""
    for role, wanted in LIMITS.items():
        if connection.execute(ROLE_EXISTS, [role]).fetchone() is None:
            continue
        chosen = {row[0] for row in connection.execute(CHOSEN, [role]).fetchall()}
        for name in wanted.keys() - chosen:
            try:
                connection.execute(SET.format(sql.Identifier(role), sql.Identifier(name), wanted[name]))
            except InsufficientPrivilege:
                break
