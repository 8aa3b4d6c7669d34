"""Where the readings come from: the engine's API on its socket, /metrics of each door, and the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import urllib3
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.cloud.table import WAITING, Table
from servers.errors import EngineUnavailable, SkylarkError
from servers.jobs.client import JobsClient
from servers.monitor.gpu import GpuReader
from servers.monitor.readings import Door, Engine, Readings
from servers.web.metrics import LOOKS

READ_S = 5.0
RETRY_AFTER_S = 5.0
REQUESTS = "skylark_http_request_duration_seconds_count"
LAST_REQUEST = "skylark_last_request_timestamp_seconds"
RECEIVING = "skylark_receiving_bodies"
READ = (REQUESTS, LAST_REQUEST, RECEIVING)


class Sources:
    """Any thread may ask. `doors` are the doors' URLs by their names."""

    def __init__(
        self,
        engine: JobsClient,
        doors: Mapping[str, str],
        key: str | None,
        gpu: GpuReader | None,
        table: Table | None,
        changes: Changes,
    ) -> None:
        self._engine, self._gpu, self._table, self._changes = engine, gpu, table, changes
        self._doors = [DoorReader(name, url, key, changes) for name, url in doors.items()]

    def work(self) -> Readings:
        """What says whether there is work on this machine."""
        doors = {door.name: door.read() for door in self._doors}
        return Readings(read_engine(self._engine, self._changes), doors)

    def everything(self, interruption: bool) -> Readings:
        return replace(
            self.work(),
            gpu=self._gpu.read() if self._gpu else None,
            interruption=interruption,
            waiting=read_waiting(self._table, self._changes),
        )


def read_engine(client: JobsClient, changes: Changes) -> Engine | None:
    """None where it does not answer, which is logged once."""
    try:
        found, counted = client.activity(), door_of(client.metrics())
    except (SkylarkError, ValueError) as error:
        changes.fault("engine", f"the engine cannot be read: {_why(error)}")
        return None
    changes.well("engine", "the engine is read again")
    ended = tuple((each["finished_at"], each["seconds"]) for each in found["ended"])
    audio = tuple((each["finished_at"], each["audio_s"]) for each in found["ended"])
    counts = {name: found[name] for name in ("queued", "running", "loading", "training")}
    return Engine(**counts, ended=ended, audio=audio, last_request_at=counted.last_request_at)


class DoorReader:
    """Reads /metrics of one door; `key` is an API key."""

    def __init__(self, name: str, url: str, key: str | None, changes: Changes) -> None:
        self.name, self._changes = name, changes
        # http.client makes Latin-1 of it again: the bytes that are sent are UTF-8
        self._headers = {"X-API-Key": key.encode().decode("latin-1")} if key else {}
        self._url = f"{url}/metrics"
        self._http = urllib3.PoolManager(timeout=READ_S, retries=False)

    def read(self) -> Door | None:
        """None where it does not answer, which is logged once."""
        try:
            door = door_of(self._text())
        except (urllib3.exceptions.HTTPError, SkylarkError, ValueError) as error:
            self._changes.fault(self.name, f"{self.name} cannot be read: {_why(error)}")
            return None
        self._changes.well(self.name, f"{self.name} is read again")
        return door

    def _text(self) -> str:
        reply = self._http.request("GET", self._url, headers=self._headers)
        if reply.status == 401:
            raise EngineUnavailable("it takes no such key: set monitor.api_key", retry_after_s=RETRY_AFTER_S)
        if reply.status != 200:
            raise EngineUnavailable(f"it answers {reply.status}", retry_after_s=RETRY_AFTER_S)
        return reply.data.decode()


def read_waiting(table: Table | None, changes: Changes) -> int | None:
    """How much accepted work waits in the table; what a client has yet to send is not counted. None where it
    cannot be read, which is logged once.
    """
    if table is None:
        return 0
    try:
        count: int = sum(item.get("status") != "uploading" for item in table.items(WAITING))
    except CloudFailed as fault:
        changes.fault("waiting", f"the accepted work cannot be read: {fault.code}")
        return None
    changes.well("waiting", "the accepted work is read again")
    return count


def _why(error: Exception) -> str:
    return error.message if isinstance(error, SkylarkError) else type(error).__name__


def door_of(text: str) -> Door:
    """What is read of a server's /metrics. Raises ValueError."""
    samples = list(_samples(text))
    asked = [each for each in _of(samples, REQUESTS) if not _is_look(each.labels["endpoint"])]
    errors = [each for each in asked if each.labels["status"].startswith("5")]
    last = [each.value for each in _of(samples, LAST_REQUEST)]
    return Door(
        requests=int(sum(each.value for each in asked)),
        errors=int(sum(each.value for each in errors)),
        uploads=int(sum(each.value for each in _of(samples, RECEIVING))),
        last_request_at=max(last, default=None),
    )


def _samples(text: str) -> Iterator[Sample]:
    """The buckets of the times are most of it, and nothing of them is needed."""
    wanted = "".join(f"{line}\n" for line in text.splitlines() if line.startswith(READ))
    for family in text_string_to_metric_families(wanted):
        yield from family.samples


def _of(samples: Sequence[Sample], name: str) -> list[Sample]:
    return [each for each in samples if each.name == name]


def _is_look(endpoint: str) -> bool:
    return endpoint.rpartition(".")[2] in LOOKS
