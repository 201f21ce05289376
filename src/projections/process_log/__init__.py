"""What happened, as process mining reads it: people and agents in one log.

`activities` makes events of a log from events of the ledger, `cases` reads them case by case, and `xes` and `ocel` write files.
Nothing holds a snapshot: up to a position the ledger never changes.
"""
