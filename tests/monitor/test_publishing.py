"""When it is read and published, and when everything is stopped."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from servers.monitor.metric_data import Datum
from servers.monitor.publishing import Publishing
from servers.monitor.readings import Door, Engine, Readings


class Machine:
    """What is read, and what was published; it is not `taken` while CloudWatch is away."""

    def __init__(self) -> None:
        self.requests = 0
        self.taken = True
        self.sent: list[dict[str, float]] = []
        self.drained = 0
        self.publishing = Publishing(
            "speech", self.read, self.publish, self.drain, clock=lambda: 100.0, sleep=self.sleep
        )
        self.slept = 0

    def read(self, interruption: bool) -> Readings:
        return Readings(Engine(), {"tts": Door(self.requests)}, interruption=interruption)

    def publish(self, data: Sequence[Datum]) -> bool:
        self.sent.append({each["MetricName"]: each["Value"] for each in data})
        return self.taken

    def drain(self) -> None:
        self.drained += 1

    def sleep(self, seconds: float) -> None:
        self.slept += 1


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_what_cloudwatch_did_not_take_is_in_the_next_publication(machine):
    machine.publishing.step()
    machine.requests, machine.taken = 5, False
    machine.publishing.step()
    machine.requests, machine.taken = 7, True
    machine.publishing.step()
    machine.publishing.step()
    assert [sent.get("Requests") for sent in machine.sent] == [None, 5, 7, 0]


def test_a_notice_drains_once_and_is_published(machine):
    notices = iter([False, False, True])
    machine.publishing.watch(lambda: next(notices))
    machine.publishing.interrupt()
    machine.publishing.step()
    assert (machine.slept, machine.drained) == (2, 1)
    assert machine.sent[0]["SpotInterruption"] == 1


def test_it_ends_when_it_is_told_however_long_its_period_is(machine):
    thread = threading.Thread(target=machine.publishing.run, args=(3_600.0,), daemon=True)
    thread.start()
    machine.publishing.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_a_notice_is_published_before_the_period_is_over(machine):
    def publish(data: Sequence[Datum]) -> bool:
        machine.publish(data)
        if machine.sent[-1]["SpotInterruption"]:
            machine.publishing.stop()
        else:
            machine.publishing.interrupt()
        return True

    machine.publishing._publish = publish
    machine.publishing.run(3_600.0)
    assert [sent["SpotInterruption"] for sent in machine.sent] == [0, 1]
