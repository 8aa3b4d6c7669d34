"""Publishes what the machine does: python -m servers.monitor."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import closing
from logging.config import dictConfig

from servers import logs
from servers.jobs.client import JobsClient
from servers.monitor import cloudwatch
from servers.monitor.changes import Changes
from servers.monitor.gpu import find_gpu
from servers.monitor.interruption import Notices
from servers.monitor.publishing import Publishing
from servers.monitor.readings import Readings
from servers.monitor.sources import READ_S, DoorReader, read_engine
from servers.settings import Settings, SettingsError
from servers.supervision.processes import DOORS
from servers.supervision.stopping import can_stop_everything, stop_everything
from servers.web.serve import startup

log = logging.getLogger("servers.monitor")


def main(loaded: Settings) -> None:
    """Until SIGTERM. Raises SettingsError."""
    appliance = loaded.monitor.appliance
    if appliance is None:
        raise SettingsError("monitor.appliance: it is not set, and nothing is published without a name")
    changes = Changes()
    publisher = cloudwatch.connected(loaded, changes)
    gpu = find_gpu(loaded.engine.device, changes)
    key = loaded.monitor.api_key.get_secret_value() if loaded.monitor.api_key else loaded.api_key
    doors = [DoorReader(door.name, door.url(loaded), key, changes) for door in DOORS]
    with closing(JobsClient(loaded.engine_socket, timeout_s=READ_S)) as engine:

        def read(interruption: bool) -> Readings:
            return Readings(
                engine=read_engine(engine, changes),
                doors={door.name: door.read() for door in doors},
                gpu=gpu.read() if gpu else None,
                interruption=interruption,
            )

        publishing = Publishing(appliance, read, publisher.publish, drain)
        signal.signal(signal.SIGTERM, lambda *_: publishing.stop())
        signal.signal(signal.SIGINT, lambda *_: publishing.stop())
        if loaded.monitor.imds_url is not None:
            ask = Notices(loaded.monitor.imds_url, changes).is_given
            threading.Thread(target=publishing.watch, args=(ask,), name="notices", daemon=True).start()
        log.info("publishing as %s", appliance, extra={"action": "start"})
        publishing.run(loaded.monitor.period_s)


def drain() -> None:
    if can_stop_everything():
        stop_everything()
    else:
        log.error("supervisord did not start this: nothing can be stopped", extra={"action": "no_drain"})


if __name__ == "__main__":
    with startup() as settings:
        dictConfig(logs.config(settings.log_level))
        main(settings)
