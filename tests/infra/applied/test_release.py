"""A release finds what it needs in what Terraform made, by the start function's environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import boto3
import pytest

from release import names
from release.faults import Undone
from tests.infra.release.appliance import Appliance
from tests.infra.release.host import GOOD, MUTE, OLD

NOTHING = {"live": "blue", "blue": "", "green": ""}


@pytest.fixture
def speech(applied) -> Iterator[Appliance]:
    """The appliance, with a stand-in for its machine; at the end it is as Terraform made it."""

    clients = []

    @cache
    def make(service: str, _of: str) -> object:
        clients.append(
            boto3.client(
                service,
                endpoint_url=applied.endpoint,
                region_name=applied.env["AWS_REGION"],
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
        )
        return clients[-1]

    found = Appliance(names.read("speech", make("lambda", "somebody else")), make)
    found.anew(machine=False, before=NOTHING)
    yield found
    found.anew(machine=False, before=NOTHING)
    for client in clients:
        client.close()


def test_the_first_release_the_next_one_and_the_way_back(speech):
    speech.release(OLD)
    assert speech.parameter() == {"live": "green", "blue": "", "green": OLD}
    assert speech.everybody_goes_to() == "green"
    speech.release(GOOD, weights=(10, 100))
    assert speech.everybody_goes_to() == "blue"
    assert list(speech.host.places) == ["blue"]
    with pytest.raises(Undone, match="does not speak"):
        speech.release(MUTE)
    assert speech.everybody_goes_to() == "blue"
    speech.release(back=True)
    assert speech.parameter() == {"live": "green", "blue": GOOD, "green": OLD}
    assert speech.everybody_goes_to() == "green"


def test_a_place_is_asked_for_by_the_header_at_each_of_its_services(applied, speech):
    rules = applied.client("elbv2").describe_rules(ListenerArn=applied.speech["listener_arn"])["Rules"]
    led = {}
    for rule in rules:
        asked = [each["HttpHeaderConfig"] for each in rule["Conditions"] if each["Field"] == "http-header"]
        if asked:
            (place,) = asked[0]["Values"]
            led.setdefault(place, set()).add(rule["Actions"][0]["TargetGroupArn"])
    for place in ("blue", "green"):
        assert led[place] == {route.groups[place] for route in speech.names.routes}


def test_the_url_and_the_repository_are_terraforms(applied, speech):
    assert speech.names.url == applied.speech["url"]
    assert speech.names.repository == applied.speech["repository_url"]
    assert json.loads(applied.speech["routes"])[0]["rule"] == speech.names.routes[0].rule
