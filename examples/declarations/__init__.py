"""A real event log played through Gesta's HTTP API, then compared with the projected tables by SQL.

The log: BPI Challenge 2020, Domestic Declarations (B. van Dongen, 4TU.ResearchData,
doi 10.4121/uuid:52fb97d4-4588-43c9-9d04-3604d4613b51), as a CSV with the columns
case_id, seq, timestamp, activity, role, resource, amount.

What is asked for one approval is one request in steps: review, budget owner, supervisor. The log skips steps, by who approved
before, and that is `skip_when`. What it does not allow to be a step:

- What was sent back. A rejection is a decision of the log, so it ends the request; `return` would be none, and not be counted.
  All are asked anew after it.
- Payments. Of 9,914 that were requested, one was of a draft, and one of a declaration that had been sent back and stayed with the
  employee all the same. A request in steps is entered at its first step, and is in one place.
"""
