"""A release and the real start function, which looks each minute: neither undoes what the other does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("boto3", reason="boto3 is not installed")
pytest.importorskip("moto", reason="moto is not installed")

from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from appliance.environment import read
from appliance.table import BOOT, Table
from release.faults import Undone
from start.handler import Warm, run

from .appliance import Appliance, appliance
from .host import GOOD, MUTE, OLD
from .made import REGION, TABLE

FIRST = {"live": "blue", "blue": "", "green": ""}
MINUTE_S, PLENTY_MS = 60.0, 60_000.0


class Start:
    """The function, and the minute that calls it."""

    def __init__(self, cloud: Appliance) -> None:
        self.cloud, self.warm, self.ticked_at = cloud, Warm(), cloud.now
        self.led: list[dict[str, int]] = []
        """Where the ticks found the clients led."""
        self.switched: list[dict[str, int]] = []
        """Where they were led then, where that is elsewhere."""
        cloud.start, cloud.waits, cloud.later = self.ask, self.tick, self._machine

    def ask(self, event: dict[str, Any]) -> dict[str, Any]:
        cloud = self.cloud
        told = run(
            read(cloud.variables),
            cloud.client,
            lambda: cloud.now,
            lambda: PLENTY_MS,
            event,
            self.warm,
            sleep=lambda _: None,
            connect=lambda service, _: cloud.client(service),
        )
        return json.loads(json.dumps(told))

    def tick(self) -> None:
        if self.cloud.now - self.ticked_at >= MINUTE_S:
            self.ticked_at = self.cloud.now
            self.led.append(self.cloud.led()["tts"])
            self.ask({"do": "tick"})
            if (led := self.cloud.led()["tts"]) != self.led[-1]:
                self.switched.append(led)

    def minutes(self, count: int) -> None:
        for _ in range(count):
            self.cloud.now += MINUTE_S
            self.tick()

    def _machine(self, called: str, _count: int) -> None:
        """Says of itself that it speaks, once a place runs."""
        if called == "ec2.StartInstances":
            self.launch()
        if called == "ssm.SendCommand" and self.cloud.host.places:
            said = dict.fromkeys(("boot_at", "image_at", "model_at", "audio_at"), self.cloud.now)
            Table(self.cloud.outside("dynamodb"), TABLE).update(BOOT, self.cloud.names.instance_id, said)

    def launch(self) -> None:
        """moto leaves the time of the first launch."""
        machine = ec2_backends[DEFAULT_ACCOUNT_ID][REGION].get_instance(self.cloud.names.instance_id)
        machine.launch_time = datetime.fromtimestamp(int(self.cloud.now), UTC).replace(tzinfo=None)


@pytest.fixture(scope="module")
def _made():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with appliance() as made:
            yield made


@pytest.fixture
def cloud(_made) -> Appliance:
    return _made


@pytest.fixture
def serving(cloud) -> Start:
    """Its machine runs, and blue serves: it was found running, and has answered since."""
    cloud.anew()
    start = Start(cloud)
    start.launch()
    start.minutes(5)
    assert cloud.everybody_goes_to() == "blue"
    start.switched.clear()
    return start


def test_the_first_release_starts_the_machine_and_its_clients_stay_where_they_were_led(cloud):
    cloud.anew(machine=False, before=FIRST)
    start = Start(cloud)
    cloud.release(GOOD, pause_s=180)
    start.minutes(5)
    assert cloud.everybody_goes_to() == "green"
    assert {"green": 100, "blue": 0} in start.led
    assert start.switched == []
    assert start.ask({"do": "status"})["state"] == "ready"
    assert {"start_asked", "start_ready", "released"} <= {*cloud.ledger()}


def test_a_tick_leaves_the_weights_of_a_release(cloud, serving):
    cloud.release(GOOD, weights=(10, 100), pause_s=180)
    assert {"green": 10, "blue": 90} in serving.led
    serving.minutes(3)
    assert serving.switched == []
    assert cloud.everybody_goes_to() == "green"


def test_in_place_a_tick_leads_nobody_back_to_the_place_that_ends(cloud, serving):
    cloud.takes_s = 150.0
    cloud.release(GOOD, in_place=True)
    assert {"reception": 100} in serving.led
    serving.minutes(3)
    assert serving.switched == []
    assert cloud.everybody_goes_to() == "green"


def test_one_that_fails_leaves_the_old_one_to_the_start_function(cloud, serving):
    with pytest.raises(Undone, match="does not speak"):
        cloud.release(MUTE)
    serving.minutes(3)
    assert cloud.everybody_goes_to() == "blue"
    assert cloud.host.places["blue"].image == OLD
    assert serving.ask({"do": "status"})["holds"] == []
