"""Serves it: python -m servers.proxy."""

from servers.proxy.exposure import check_limits
from servers.proxy.upstream import Upstreams
from servers.proxy.visitors import the_secret
from servers.web.serve import serve, startup, tcp_address

with startup() as loaded:
    Upstreams.of(loaded)  # what is wrong is said in one line, and not by each worker
    the_secret(loaded)
    serve(
        "servers.proxy.app:create_app()",
        bind=tcp_address(loaded.proxy.host, loaded.proxy.port),
        threads=loaded.proxy.threads,
        stop_notice_s=loaded.web.stop_notice_s,
        check=check_limits,
    )
