"""``gesta api``: the HTTP server, one process. More processes behind a proxy share nothing but the database."""


def api() -> None:
    """Serve the HTTP API until told to stop."""
    from runtime.addresses import resolve
    from runtime.log import configure_logging
    from runtime.parent import stop_with_parent
    from runtime.settings import load_settings

    stop_with_parent()
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    with resolve(settings) as addresses:
        import uvloop

        from api.app import create_app
        from api.proxies import Proxies
        from api.server import bind, serve
        from cli.preparing import seed_if_migrated
        from runtime import master_keys
        from runtime.pools import check_logins
        from runtime.schema import refuse_older

        async def checked() -> None:
            await check_logins(addresses.system, addresses.api, listen=addresses.listen)
            await refuse_older(addresses.system)
            await seed_if_migrated(addresses)
            proxies = Proxies(settings.trusted_proxies, settings.proxy_header)
            app = create_app(
                addresses, pool_size=settings.pool_size, proxies=proxies, master_keys=keys, public_url=settings.public_url
            )
            await serve(app, sockets)

        keys = master_keys.load(settings)
        sockets = [bind(settings.host, settings.port)]
        uvloop.run(checked())
