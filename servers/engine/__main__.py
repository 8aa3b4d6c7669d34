"""`python -m servers.engine`: the engine on its Unix socket, and on TCP where that is configured."""

from servers.web.serve import serve, startup, tcp_address

if __name__ == "__main__":
    with startup() as config:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        engine = config.engine
        serve(
            "servers.engine.app:create_app()",
            bind=f"unix:{config.engine_socket}",
            also=[tcp_address(engine.host, engine.port)] if engine.port is not None else [],
            threads=engine.threads,
        )
