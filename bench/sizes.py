"""How much work a round is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    rounds: int = 5
    saves: int = 6_000
    """Ours with many callers."""
    saves_one_caller: int = 1_000
    library_saves: int = 1_000
    hot_commands: int = 6_000
    executions: int = 1_000
    """Played for projecting and replaying: some 14 events each."""
    library_events: int = 2_500
    """Projected by the library."""
    log_saves: int = 6_000
    """In the log that is read."""
    requests: int = 2_000
    """Executions started over HTTP, and as many decisions."""
    workflows: int = 2_000
    """Of three steps."""
    workflows_one_caller: int = 200
    peer_workflows: int = 320
    ai_calls: int = 600
    ai_in_flight: int = 200
    ai_delays: tuple[float, ...] = (2.0, 5.0)
    """Seconds that the model takes: a short answer, and a usual one."""
    held_part: float = 60.0
    """Seconds; of each the rate is told while a snapshot is held."""
    held_parts: int = 10
    flat_events: tuple[int, ...] = (10, 1_000, 10_000)
    """Of the loops whose steps are compared."""
    flat_turns: int = 200
    timers_pending: int = 1_000_000
    timers_due: int = 600
    timers_lead: float = 12.0
    """Seconds in which the executions are started whose timers are due afterwards."""
    timers_spread: float = 20.0
    """Seconds over which those that are due are spread."""
    timers_backlog: int = 100_000
    """Due at once, of one tenant."""
    timers_failing: int = 100
    timers_idle: float = 15.0
    """Seconds for which nothing is due."""
    timers_schedules: int = 10_000
    """Due every five minutes, at different moments of them."""
    timers_minutes: float = 1.1
    items: int = 10_000
    """Of the foreach whose first and last tenths are compared."""
    items_rounds: int = 3
    decided_people: int = 1_000
    decided_steps: int = 50
    lag_rates: tuple[int, ...] = (1_000, 500, 250)
    """Commands a second; the first is the one with the mark."""
    lag_seconds: float = 20.0
    millions: int = 10_000_000
    """Events, of so many tenants together, rebuilt by so many processes."""
    million_tenants: int = 4
    million_processes: int = 2
    peer_is_installed: bool = True
    """Whether a peer that is not there may be fetched."""
    callers: int = 128
    clients: int = 32


FULL = Sizes()
QUICK = Sizes(
    rounds=3,
    saves=3_000,
    saves_one_caller=300,
    library_saves=400,
    hot_commands=3_000,
    executions=400,
    library_events=1_000,
    log_saves=2_000,
    requests=600,
    workflows=600,
    workflows_one_caller=60,
    peer_workflows=128,
    ai_calls=400,
    held_part=10.0,
    held_parts=6,
    timers_pending=100_000,
    timers_due=300,
    timers_spread=15.0,
    timers_backlog=20_000,
    timers_idle=10.0,
    timers_schedules=2_000,
    flat_turns=100,
    items=2_000,
    items_rounds=1,
    lag_seconds=8.0,
    millions=200_000,
)
