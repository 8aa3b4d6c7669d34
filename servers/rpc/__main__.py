"""Serves it: python -m servers.rpc."""

from __future__ import annotations

import os
import signal
from logging.config import dictConfig

from servers import logs
from servers.errors import SkylarkError
from servers.extras import require
from servers.settings import Settings, SettingsError
from servers.web.keys import check_exposure
from servers.web.serve import startup


def main(loaded: Settings) -> None:
    """Until SIGTERM. Raises SettingsError."""
    require("rpc", "grpc", "grpc_health", "grpc_reflection")
    from servers.rpc.server import Worker

    check_exposure(loaded.rpc.host, loaded)
    try:
        worker = Worker(loaded)
    except SkylarkError as error:
        raise SettingsError(error.message) from None
    worker.bind()
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    signal.signal(signal.SIGINT, lambda *_: worker.stop())
    worker.serve()


if __name__ == "__main__":
    with startup() as settings:
        dictConfig(logs.config(settings.log_level, () if settings.rpc.log_session_id else ("session_id",)))
        os.umask(0o077)
        main(settings)
