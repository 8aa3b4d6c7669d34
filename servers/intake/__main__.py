"""Takes in what was accepted while the machine was off: python -m servers.intake."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from contextlib import closing
from logging.config import dictConfig

from servers import logs
from servers.cloud.changes import Changes
from servers.cloud.connection import connect
from servers.cloud.imds import instance_id
from servers.cloud.release import LivePlace
from servers.handover.bucket import Bucket
from servers.handover.taking_in import TakingIn
from servers.intake.doers import Requests
from servers.intake.handover import HandedOver
from servers.intake.holder import sole_holder
from servers.intake.intake import Doer, Intake
from servers.intake.leases import Leases
from servers.intake.objects import Objects
from servers.intake.replay import Replay
from servers.intake.submission import Submission
from servers.jobs.client import JobsClient
from servers.settings import Settings, SettingsError
from servers.settings.variables import INTAKE_SECRET, intake_secret
from servers.supervision.processes import DOORS
from servers.web.keys import is_loopback
from servers.web.serve import startup

PATIENCE_MARGIN_S = 60.0
S3_READ_S = 60.0
log = logging.getLogger("servers.intake")


def main(loaded: Settings) -> None:
    """Until SIGTERM. Raises SettingsError."""
    table, bucket, secret = loaded.cloud.table, loaded.cloud.bucket, intake_secret()
    if table is None or bucket is None:
        raise SettingsError("cloud.table: it is not set, and there is no accepted work without one")
    if secret is None:
        raise SettingsError(f"{INTAKE_SECRET}: servers/supervision makes it, and starts this process")
    s3 = connect(loaded, "s3", "cloud.bucket", read_s=S3_READ_S)
    objects = Objects(s3, bucket)
    dynamodb = connect(loaded, "dynamodb", "cloud.table")
    patience_s = loaded.limits.request_timeout_s + PATIENCE_MARGIN_S
    with (
        sole_holder(loaded.data_dir) as name,
        closing(JobsClient(loaded.engine_socket)) as engine,
        closing(Replay(door_urls(loaded), secret, objects, patience_s)) as replay,
    ):
        leases = Leases(dynamodb, table, f"{instance_id(loaded) or 'no instance'}/{name}")
        taking_in = TakingIn(loaded.data_dir, engine, Bucket(s3, bucket))
        doers: dict[str, Doer] = {
            "request": Requests(replay, Submission(engine, objects)),
            "job": HandedOver(engine, taking_in),
        }
        changes = Changes("intake")
        intake = Intake(leases, objects, doers, changes, is_live=is_live(loaded, changes))
        signal.signal(signal.SIGTERM, lambda *_: intake.stop())
        signal.signal(signal.SIGINT, lambda *_: intake.stop())
        log.info("taking in what waits in %s", table, extra={"action": "start"})
        intake.run()


def is_live(loaded: Settings, changes: Changes) -> Callable[[], bool]:
    """Whether this is the place that serves: always, where the machine has one place."""
    if loaded.cloud.release_parameter is None or loaded.cloud.place is None:
        return lambda: True
    ssm = connect(loaded, "ssm", "cloud.release_parameter")
    return LivePlace(ssm, loaded.cloud.release_parameter, loaded.cloud.place, changes).is_here


def door_urls(loaded: Settings) -> dict[str, str]:
    """Raises SettingsError for a door that cannot be asked from this machine's own address."""
    urls = {door.name: door.url(loaded) for door in DOORS}
    for door in DOORS:
        host = urls[door.name].removeprefix("http://").rpartition(":")[0]
        if not is_loopback(host):
            raise SettingsError(
                f"{door.port_setting}: {door.name} listens at {host} alone, and the intake is let in from the"
                " machine's own address only: let it listen at 127.0.0.1, or at all addresses (0.0.0.0)"
            )
    return urls


if __name__ == "__main__":
    with startup() as settings:
        dictConfig(logs.config(settings.log_level))
        main(settings)
