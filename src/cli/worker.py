"""``gesta worker``: the process that does AI tasks, fires timers, and takes work from workers that are gone."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from worker.leases import Leasing


def worker(
    concurrency: Annotated[
        int, typer.Option(help="Jobs at a time; one tenant gets seven eighths at most.", min=1, max=10_000)
    ] = 256,
    lease_seconds: Annotated[
        float, typer.Option(help="Seconds without a heartbeat after which a job is given to another worker.", min=1)
    ] = 30.0,
    drain_seconds: Annotated[float, typer.Option(help="Seconds for which running jobs may go on after a stop.", min=0)] = 15.0,
) -> None:
    """Do the platform's own work until told to stop."""
    from runtime.addresses import resolve
    from runtime.log import configure_logging
    from runtime.parent import stop_with_parent
    from runtime.settings import load_settings
    from worker.leases import Leasing

    stop_with_parent()
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    with resolve(settings) as addresses:
        import uvloop

        uvloop.run(_run(addresses.system, addresses.listen, Leasing(concurrency, lease_seconds, drain_seconds)))


async def _run(url: str, listen_url: str, leasing: "Leasing") -> None:
    from engine.cel import CelEvaluator
    from engine.context import Engine
    from runtime import master_keys
    from runtime.failing_tasks import telling
    from runtime.pools import check_logins
    from runtime.process import stop_asked_for
    from runtime.schema import refuse_older
    from runtime.settings import OtelSettings, load_settings
    from worker.ai.registry import Providers
    from worker.ai.telemetry import telemetry_of
    from worker.mailing import mailing
    from worker.outbound.client import Outbound
    from worker.worker import open_worker

    stop = stop_asked_for()
    await check_logins(url, listen=listen_url)
    await refuse_older(url)
    settings = load_settings()
    keys = master_keys.load(settings)
    outbound = Outbound(permitted=settings.outbound_networks)
    providers = Providers(settings)
    telemetry = telemetry_of(OtelSettings())
    try:
        async with (
            telling(url, "worker"),
            open_worker(
                url,
                Engine(CelEvaluator()),
                providers,
                listen_url=listen_url,
                leasing=leasing,
                master_keys=keys,
                outbound=outbound,
                mailing=mailing(settings),
                telemetry=telemetry,
            ) as worker,
        ):
            await worker.run(stop)
    finally:
        await providers.aclose()
