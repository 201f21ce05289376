"""Building tables anew beside those that serve, and putting them in their place, while everything goes on.

`schema` makes empty tables, `filling` folds the ledger into them, `comparing` holds them against a fresh fold and against those
that serve, `swapping` exchanges them in one transaction, `records` remembers what was begun, and `rebuild` does all of it.
"""
