"""Before a machine goes and its queue with it, what has not ended is copied out, after its engine's end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing

from servers.cloud.connection import CloudFailed, connect
from servers.cloud.table import Table
from servers.handover.bucket import Bucket
from servers.handover.copying_out import CopyingOut
from servers.handover.voices import KeptVoices
from servers.jobs.saves import Saves
from servers.jobs.store import Store
from servers.settings import Settings

ENGINE_ENDS_S = 38.0
"""Both are told to end at the same time, and 45 s later killed (supervision/processes.py)."""
LOOK_EVERY_S = 0.1
UPLOAD_S = 30.0
log = logging.getLogger(__name__)


def copies_out(loaded: Settings, *, interrupted: bool) -> bool:
    """Whether the queue is lost with this machine, and there is somewhere to put it. Where it is in a
    database of its own the next machine finds it there.
    """
    return (
        loaded.cloud.table is not None
        and loaded.database_url is None
        and (interrupted or loaded.cloud.volume_goes)
    )


def leave(loaded: Settings, table: Table, voices: KeptVoices | None, *, interrupted: bool) -> None:
    """What is not copied is logged: there is no time to try again."""
    if copies_out(loaded, interrupted=interrupted):
        copy_out(loaded, table)
    if voices is not None:
        try:
            voices.keep()
        except (CloudFailed, OSError) as error:
            fields = {"action": "voices_not_kept", "error": str(error)}
            log.error("the cloned voices made last are not kept", extra=fields)


def copy_out(
    loaded: Settings,
    table: Table,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    client = connect(loaded, "s3", "cloud.bucket", read_s=UPLOAD_S)
    bucket = Bucket(client, loaded.cloud.bucket or "")
    with closing(Store(loaded.queue_url)) as store:
        give_up_at = clock() + ENGINE_ENDS_S
        while not store.hold() and clock() < give_up_at:
            sleep(LOOK_EVERY_S)
        if not store.hold():
            log.error(
                "the engine has not ended: its queue is copied as it is", extra={"action": "engine_remains"}
            )
        CopyingOut(store, Saves(loaded.data_dir), table, bucket).run()
