"""Publishes what the machine does: python -m servers.monitor."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from logging.config import dictConfig

from servers import logs
from servers.cloned_voices import voices_folder
from servers.cloud.changes import Changes
from servers.cloud.connection import connect
from servers.cloud.imds import instance_id
from servers.cloud.table import BOOT, Table
from servers.handover.bucket import Bucket
from servers.handover.voices import KeptVoices, exchange_patiently, keep_always
from servers.jobs.client import JobsClient
from servers.monitor import cloudwatch
from servers.monitor.boot import Boot
from servers.monitor.gpu import find_gpu
from servers.monitor.interruption import Notices
from servers.monitor.leaving import UPLOAD_S, leave
from servers.monitor.own_hold import Holds, hold_when_work_comes
from servers.monitor.publishing import Publishing
from servers.monitor.sources import READ_S, Sources
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
    table, voices = the_table(loaded), kept_voices(loaded)
    with closing(JobsClient(loaded.engine_socket, timeout_s=READ_S)) as engine:
        doors = {door.name: door.url(loaded) for door in DOORS}
        sources = Sources(
            engine, doors, the_key(loaded), find_gpu(loaded.engine.device, changes), table, changes
        )
        publishing = Publishing(appliance, sources.everything, publisher.publish, drain)
        signal.signal(signal.SIGTERM, lambda *_: publishing.stop())
        signal.signal(signal.SIGINT, lambda *_: publishing.stop())
        if loaded.monitor.imds_url is not None:
            beside("notices", partial(publishing.watch, Notices(loaded.monitor.imds_url, changes).is_given))
        if loaded.cloud.hold_parameter is not None:
            ssm = connect(loaded, "ssm", "cloud.hold_parameter")
            holds = Holds(ssm, loaded.cloud.hold_parameter, changes)
            beside("hold", partial(hold_when_work_comes, sources.work, holds))
        if table is not None:
            beside("boot", partial(begin, loaded, table, list(doors.values()), voices, changes))
        log.info("publishing as %s", appliance, extra={"action": "start"})
        publishing.run(loaded.monitor.period_s)
    if table is not None:
        leave(loaded, table, voices, interrupted=publishing.interrupted)


def the_key(loaded: Settings) -> str | None:
    """What the doors are asked with."""
    return loaded.monitor.api_key.get_secret_value() if loaded.monitor.api_key else loaded.api_key


def the_table(loaded: Settings) -> Table | None:
    if loaded.cloud.table is None:
        return None
    return Table(connect(loaded, "dynamodb", "cloud.table"), loaded.cloud.table)


def kept_voices(loaded: Settings) -> KeptVoices | None:
    """None where they stay on the machine's own disk."""
    if loaded.cloud.bucket is None:
        return None
    client = connect(loaded, "s3", "cloud.bucket", read_s=UPLOAD_S)
    return KeptVoices(voices_folder(loaded.data_dir), Bucket(client, loaded.cloud.bucket))


def begin(
    loaded: Settings, table: Table, doors: list[str], voices: KeptVoices | None, changes: Changes
) -> None:
    """Whoever waits for this machine is told that it is there once the voices are, too."""
    if voices is not None:
        exchange_patiently(voices, changes)
        beside("voices", partial(keep_always, voices, changes))
    instance = instance_id(loaded)
    if instance is None:
        changes.fault(
            "boot", "nobody is told of this start: cloud.instance_id is not set, and EC2 does not say it"
        )
        return
    Boot(doors, the_key(loaded), partial(table.put, BOOT, instance), changes).run()


def beside(name: str, run: Callable[[], object]) -> None:
    """A thread that ends with the process."""
    threading.Thread(target=run, name=name, daemon=True).start()


def drain() -> None:
    if can_stop_everything():
        stop_everything()
    else:
        log.error("supervisord did not start this: nothing can be stopped", extra={"action": "no_drain"})


if __name__ == "__main__":
    with startup() as settings:
        dictConfig(logs.config(settings.log_level))
        main(settings)
