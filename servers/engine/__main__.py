"""`python -m servers.engine`: the engine on its Unix socket."""

from servers.web.serve import serve, startup

if __name__ == "__main__":
    with startup() as config:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        socket = f"unix:{config.engine_socket}"
        serve("servers.engine.app:create_app()", bind=socket, threads=config.engine.threads)
