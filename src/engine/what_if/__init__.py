"""Executions that are over, played through another version of their workflow: where would they have gone another way?

`record` reads what is on record of one; `playing` plays it: `coming` says what comes next, of what `outcomes` and `requests` find
on record for its visits, and `outside` for the whole. `comparing` says where the two part. Nothing is written, and nobody is
asked anything.
"""
