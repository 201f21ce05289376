"""Everything goes wrong at once, at random and seeded, while several clients of several tenants go on.

scene.py    a platform of two processes of each kind, whose every connection leads through a proxy; tenants
load.py     what clients do meanwhile, and what they were told
poison.py   what is wrong with a single tenant: timers, jobs and events that nobody can handle, a head that is held
storm.py    what happens to all: kills, cuts, drops, rubbish on every channel, an analyst who never ends
after.py    what must be true when it is over
run.py      all of it in turn; `make chaos` prints what was done and what was seen
"""
