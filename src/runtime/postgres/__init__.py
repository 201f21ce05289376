"""The embedded PostgreSQL: a real server in a private directory, kept alive by those who use it.

``embedded(home)`` starts the server of a directory, or joins the one that already runs there, and gives its addresses.

How it holds together: three lock files, all by ``flock``, which the kernel releases for the dead too.

* *in-use* is held shared by every user. The supervisor, a tiny process of its own, waits for it exclusively: it gets it when
  the last user is gone, however that user went, and shuts the server down before it lets go.
* *launch* is held exclusively by whoever looks whether a server runs, starts one, or prepares its roles and database.
* *supervisor* is held exclusively by the supervisor from before its birth to its death.
"""

from runtime.postgres.launcher import EmbeddedServer, embedded, join_or_start

__all__ = ["EmbeddedServer", "embedded", "join_or_start"]
