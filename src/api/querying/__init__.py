"""SQL over HTTP: one statement that reads, as a login that the database binds to the tenant.

connections.py  the logins' connections, a few for each tenant, bounded over all
statement.py    a statement, judged and run: its columns, and its rows one by one, each of bounded size
plans.py        EXPLAIN
formats.py      rows as JSON and Arrow; as CSV as exports are
"""
