"""What the API answers, field by field, for its OpenAPI document. Made when the routes are; no request comes here.

`shape` is the machinery, `columns` knows the tables; the rest are the shapes: `resources` as they are read, `results` of
commands, `events` of the ledger, `work` of jobs, `standing` of the process and of the caller.
"""
