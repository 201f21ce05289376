"""Notifications between processes: that there is something new to look at.

    channels.py   what is said on which channel, and how it reads
    sending.py    saying it, after commits
    listening.py  one direct connection of a process that hears everything, and its subscriptions
    waking.py     events that are set when there may be work

A notification only says that it is worth looking. It can be lost, it can be wrong, and whoever knows a channel's name can send
one: so nothing relies on one, whoever waits also looks from time to time, and what cannot be read is dropped and counted.
"""
