"""How connections to the database are opened, so that one that is gone is noticed, and one that is stuck can be ended."""

import os
import socket
from typing import Any

from psycopg import AsyncConnection

CONNECT_SECONDS = 5
LOSS_NOTICED_SECONDS = 12
"""A peer that is silently gone (a dead node, a forgetful NAT) is noticed within this time, sending or waiting."""

# With TCP_USER_TIMEOUT set, the kernel ends an idle connection at the first probe after it that was not answered: the one after
# 5 + 3 + 3 seconds. Probes left to themselves come 75 seconds apart, however short the timeout. A Unix socket ignores all this.
KEEPALIVES: dict[str, int] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": (LOSS_NOTICED_SECONDS - 2) * 1000,
}


def parameters(name: str) -> dict[str, Any]:
    """Connection parameters beside the address. `name`: what pg_stat_activity shows."""
    return {"application_name": name, "connect_timeout": CONNECT_SECONDS, **KEEPALIVES}


def cut(connection: AsyncConnection[Any]) -> None:
    """End a connection that does not answer, from this side: whoever waits on it gets OperationalError at once.

    Cancelling who waits does not do: psycopg would then wait for the server to confirm that, without end.
    """
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        try:
            same.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was gone already
