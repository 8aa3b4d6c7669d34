"""`python -m servers.engine`: the engine on its Unix socket, and on TCP where that is configured."""

from servers.engine.device import PREDECESSOR_MARGIN_S, find_device, hold, lock_files
from servers.web.serve import serve, startup, tcp_address

if __name__ == "__main__":
    with startup() as config:
        engine = config.engine
        # before gunicorn takes the socket's place: a second engine must not cut off the first
        for file in lock_files(find_device(engine.device), config.data_dir):
            hold(file, engine.drain_s + PREDECESSOR_MARGIN_S)
        serve(
            "servers.engine.app:create_app()",
            bind=f"unix:{config.engine_socket}",
            also=[tcp_address(engine.host, engine.port)] if engine.port is not None else [],
            threads=engine.threads,
        )
