"""A real event log played through Gesta's HTTP API, then compared with the projected tables by SQL.

The log: BPI Challenge 2020, Domestic Declarations (B. van Dongen, 4TU.ResearchData,
doi 10.4121/uuid:52fb97d4-4588-43c9-9d04-3604d4613b51), as a CSV with the columns
case_id, seq, timestamp, activity, role, resource, amount.
"""
