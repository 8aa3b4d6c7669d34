"""When the machine holds itself, and what it writes then."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from servers.cloud.changes import Changes
from servers.monitor.own_hold import Holds, OwnHold, hold_when_work_comes
from servers.monitor.readings import Door, Engine, Readings

NOW = 1_800_000_000.0
IDLE = Readings(Engine(), {"tts": Door()})


def asked(at: float) -> Readings:
    return Readings(Engine(), {"tts": Door(last_request_at=at), "whisperx": None})


def dues(*seen: tuple[float, Readings]) -> list[float | None]:
    """What is due at each look, all that is due being written."""
    own = OwnHold()
    found = []
    for at, readings in seen:
        found.append(own.see(readings, at))
        own.was_written()
    return found


def test_an_idle_machine_writes_none():
    assert dues((NOW, IDLE), (NOW + 600, IDLE)) == [None, None]


def test_the_first_work_is_held_for_five_minutes_from_its_coming():
    assert dues((NOW, IDLE), (NOW + 2, asked(NOW + 1))) == [None, NOW + 301]


@pytest.mark.parametrize(
    "readings",
    [
        Readings(Engine(queued=1), {}),
        Readings(Engine(running=1), {}),
        Readings(Engine(loading=1), {}),
        Readings(Engine(training=1), {}),
        Readings(None, {"tts": Door(uploads=1)}),
    ],
)
def test_whatever_there_is_to_do_is_work_at_this_moment(readings):
    assert dues((NOW, readings)) == [NOW + 300]


def test_work_that_goes_on_is_held_once():
    busy = Readings(Engine(running=1), {})
    assert dues(*[(NOW + 2 * n, busy) for n in range(600)])[1:] == [None] * 599


def test_work_after_less_than_five_minutes_of_silence_writes_none():
    assert dues((NOW, asked(NOW)), (NOW + 299, asked(NOW + 299))) == [NOW + 300, None]


def test_work_after_five_minutes_of_silence_writes_the_next():
    assert dues((NOW, asked(NOW)), (NOW + 301, asked(NOW + 300))) == [NOW + 300, NOW + 600]


def test_a_clock_that_is_ahead_holds_no_longer_than_from_now():
    assert dues((NOW, asked(NOW + 10_000))) == [NOW + 300]


def test_a_server_that_does_not_answer_is_no_work():
    assert dues((NOW, Readings(None, {"tts": None}))) == [None]


class Refusing:
    """SSM that refuses so often, and then takes it."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.written = refusals, []

    def put_parameter(self, **asked: object) -> None:
        from botocore.exceptions import ClientError

        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutParameter")
        self.written.append(asked)


class Over(Exception):
    """The looks of a test have come to their end."""


def watched(client: Refusing, looks: Sequence[Readings]) -> list[dict]:
    left, at = iter(looks), iter(range(len(looks)))

    def look() -> Readings:
        try:
            return next(left)
        except StopIteration:
            raise Over from None

    pytest.importorskip("boto3", reason="needs the extra [cloud]")
    holds = Holds(client, "/skylark/speech/holds", Changes())
    with pytest.raises(Over):
        hold_when_work_comes(look, holds, lambda: NOW + 2 * next(at), lambda _: None)
    return client.written


def test_it_is_a_hold_as_whoever_stops_the_machine_reads_it(caplog):
    (written,) = watched(Refusing(0), [IDLE, asked(NOW + 1), asked(NOW + 1)])
    assert (written["Name"], written["Overwrite"]) == ("/skylark/speech/holds/machine", True)
    assert json.loads(written["Value"])["until"] == NOW + 301


def test_what_was_refused_is_written_at_the_next_look_and_said_once(caplog):
    client = Refusing(3)
    assert len(watched(client, [asked(NOW)] * 6)) == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["no hold can be written: ThrottlingException"]


def test_what_could_not_be_written_until_it_was_over_is_not_written_any_more():
    client = Refusing(200)
    assert watched(client, [asked(NOW)] * 300) == []
    assert client.refusals == 50  # NOW + 298 s was the last look within it
