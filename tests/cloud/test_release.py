"""Which of the two places serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from servers.cloud.changes import Changes
from servers.cloud.release import KNOWN_FOR_S, LivePlace
from tests.cloud.fixtures import client

PARAMETER = "/skylark/speech-of-two-places/release"


@dataclass
class Machine:
    ssm: Any
    now: float = 0.0
    changes: Changes = field(default_factory=lambda: Changes("intake"))

    def place(self, name: str) -> LivePlace:
        return LivePlace(self.ssm, PARAMETER, name, self.changes, clock=lambda: self.now)

    def release(self, value: object) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.ssm.put_parameter(Name=PARAMETER, Value=text, Type="String", Overwrite=True)


@pytest.fixture
def machine(moto_port, credentials) -> Iterator[Machine]:
    ssm = client(moto_port, "ssm")
    yield Machine(ssm)
    ssm.delete_parameters(Names=[PARAMETER])
    ssm.close()


def test_it_is_the_one_that_the_parameter_names(machine):
    machine.release({"live": "blue", "blue": "image@sha256:1", "green": ""})
    assert [machine.place(name).is_here() for name in ("blue", "green")] == [True, False]


def test_a_release_is_seen_a_few_seconds_later_and_not_asked_for_each_time(machine):
    machine.release({"live": "blue"})
    green = machine.place("green")
    assert not green.is_here()
    machine.release({"live": "green"})
    machine.now = KNOWN_FOR_S - 1
    assert not green.is_here()
    machine.now = KNOWN_FOR_S
    assert green.is_here()


@pytest.mark.parametrize("value", ["{", "[]", "{}", '"blue"'])
def test_where_nobody_can_say_it_is_neither_and_that_is_logged_once(machine, caplog, value):
    caplog.set_level("INFO")
    machine.release(value)
    blue = machine.place("blue")
    for _ in range(3):
        assert not blue.is_here()
        machine.now += KNOWN_FOR_S
    machine.release({"live": "blue"})
    assert blue.is_here()
    assert [record.message for record in caplog.records] == [
        f"{PARAMETER} does not say which place serves: it is not as scripts/release writes it",
        f"{PARAMETER} can be read again",
    ]


def test_a_parameter_that_cannot_be_read_is_said_by_its_fault(machine, caplog):
    assert not machine.place("blue").is_here()
    assert [record.message for record in caplog.records] == [
        f"{PARAMETER} does not say which place serves: ParameterNotFound"
    ]
