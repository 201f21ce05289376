"""Exports: projected tables and views, and the ledger, as files that other programs read.

Tables come from one snapshot, so that all of them show the same position. The ledger needs none: up to a position it never
changes.
"""
