"""Notifications: what is to be delivered of a ledger's events, and the deliveries."""
