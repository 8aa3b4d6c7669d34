"""Before a machine goes and its queue with it, what has not ended is copied out, after its engine's end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing

from servers.cloud.connection import CloudFailed, connect
from servers.cloud.table import Table
from servers.errors import StorageFailed
from servers.handover.bucket import Bucket
from servers.handover.copying_out import CopyingOut
from servers.handover.voices import KeptVoices
from servers.jobs.saves import Saves
from servers.jobs.store import Store
from servers.settings import Settings

ENGINE_ENDS_S, COPIED_S = 36.0, 42.0
"""So long is waited for the engine, and so long are copies begun. Both are told to end at the same time, and
45 s later killed (supervision/processes.py): what is left behind is told before that.
"""
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
        try:
            copy_out(loaded, table)
        except StorageFailed as error:
            fields = {"action": "left_behind", "error": error.message}
            log.error("the queue cannot be read, and is not copied out", extra=fields)
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
    """Raises StorageFailed."""
    begun_at = clock()
    bucket = Bucket(connect(loaded, "s3", "cloud.bucket", read_s=UPLOAD_S), loaded.cloud.bucket or "")
    with closing(Store(loaded.queue_url)) as store:
        copying = CopyingOut(
            store, Saves(loaded.data_dir), table, bucket, lambda: clock() - begun_at < COPIED_S
        )
        copying.copy_queued()
        while not store.hold() and clock() - begun_at < ENGINE_ENDS_S:
            sleep(LOOK_EVERY_S)
        if store.hold():
            store.recover(time.time(), loaded.engine.max_attempts)
            copying.copy_rest()
            copying.let_go()
        else:
            log.error("the engine has not ended: its queue is copied", extra={"action": "engine_remains"})
            copying.copy_rest()
