"""Executions that are over, played through another version of their workflow: where would they have gone another way?

`record` reads what is on record of one, `playing` plays it, `comparing` says where the two part. Nothing is written, and nobody
is asked anything.
"""
