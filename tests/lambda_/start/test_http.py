"""What whoever asks over the ALB does wrong, and what is answered."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import KEYS
from tests.lambda_.start.running import START, an_instance_that_is_off

aws = fixtures.aws


@pytest.fixture
def off(aws):
    return an_instance_that_is_off(aws)


@pytest.mark.parametrize("key", [None, "wrong", ""])
@pytest.mark.parametrize("path", ["/machine", "/machine/start", "/nothing"])
def test_without_a_key_nothing_is_told_and_nothing_done(off, key, path):
    answer = off.raw("POST", path, key=key)
    status, told = off.http("POST", path, key=key)
    assert (status, told["error"]["code"], told["error"]["type"]) == (
        401,
        "unauthorized",
        "authentication_error",
    )
    assert answer["headers"]["WWW-Authenticate"] == "Bearer"
    assert {call.partition(".")[0] for call in off.cloud.called} == {"ssm"}


@pytest.mark.parametrize(
    ("path", "body", "param", "says"),
    [
        ("start", {"hold_s": -1}, "hold_s", "0 to 43200"),
        ("start", {"hold_s": 43_201}, "hold_s", "0 to 43200"),
        ("start", {"hold_s": "900"}, "hold_s", "a number"),
        ("start", {"hold_s": True}, "hold_s", "a number"),
        ("start", '{"hold_s": NaN}', "hold_s", "a number"),
        ("start", '{"hold_s": 1e999}', "hold_s", "a number"),
        ("start", {"why": 7}, "why", "one line"),
        ("start", {"why": "a\nb"}, "why", "one line"),
        ("start", {"why": "x" * 301}, "why", "300"),
        ("start", {"until": 7}, "until", "hold_s, why"),
        ("start", {"by": "anna"}, "by", "hold_s, why"),
        ("stop", {"force": 1}, "force", "true or false"),
        ("stop", {"hold_s": 1}, "hold_s", "force, why"),
        ("hold", {}, "for_s", "needed"),
        ("hold", {"for_s": 604_801}, "for_s", "0 to 604800"),
        ("hold", {"for_s": None}, "for_s", "a number"),
    ],
)
def test_a_field_that_is_wrong_is_named(off, path, body, param, says):
    status, told = off.http("POST", f"/machine/{path}", body)
    assert (status, told["error"]["code"], told["error"]["param"]) == (400, "invalid_request", param)
    assert says in told["error"]["message"]
    assert START not in off.cloud.called
    assert off.events() == []


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', "\x00", "[" * 50_000])
def test_a_body_that_is_no_json_object_is_refused(off, body):
    status, told = off.http("POST", "/machine/start", body)
    assert (status, told["error"]["code"]) == (400, "malformed_body")
    assert START not in off.cloud.called


@pytest.mark.parametrize("days", ["0", "367", "a month", "1.5", "-1", "%3F"])
def test_a_number_of_days_that_is_none_is_refused(off, days):
    status, told = off.http("GET", "/machine/ledger", query=f"days={days}")
    assert (status, told["error"]["param"]) == (400, "days")
    assert "1 to 366" in told["error"]["message"]


def test_a_query_that_is_not_known_is_named(off):
    status, told = off.http("GET", "/machine", query="wait=true")
    assert (status, told["error"]["param"]) == (400, "wait")


@pytest.mark.parametrize("path", ["/machine/", "/machine/begin", "/machines"])
def test_a_path_that_is_none_is_not_found(off, path):
    status, told = off.http("GET", path)
    assert (status, told["error"]["code"]) == (404, "not_found")
    assert "/machine/start" in told["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/machine", "GET"),
        ("GET", "/machine/start", "POST"),
        ("DELETE", "/machine/hold", "POST"),
    ],
)
def test_a_method_that_is_none_is_told_which_there_is(off, method, path, allowed):
    answer = off.raw(method, path)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, allowed)


def test_keys_that_nobody_has_set_yet_are_told_as_that(off):
    off.cloud.write_parameter(KEYS, "set me", "SecureString")
    status, told = off.http("GET", "/machine")
    assert (status, told["error"]["code"]) == (503, "unavailable")
    assert "/skylark/speech/api_keys is not as id:sha256" in told["error"]["message"]


def test_a_hold_is_written_and_taken_away(off):
    status, told = off.http("POST", "/machine/hold", {"for_s": 7200, "why": "a talk"})
    assert status == 200
    assert told["holds"] == [{"by": "maria", "until": off.cloud.now + 7200, "why": "a talk"}]
    assert off.http("POST", "/machine/hold", {"for_s": 0})[1]["holds"] == []
    assert off.events() == ["hold", "hold"]


def test_a_hold_that_cannot_be_read_is_shown_with_its_fault(off):
    off.cloud.write_hold("anna", "until tomorrow")
    (hold,) = off.http("GET", "/machine")[1]["holds"]
    assert (hold["by"], hold["until"]) == ("anna", None)
    assert "holds/anna" in hold["why"]


@pytest.mark.parametrize("event", [{}, {"do": "dance"}, {"do": None}, {"do": ["start"]}])
def test_who_invokes_it_with_something_else_is_told_what_there_is(off, event):
    told = off.invoke(**event)
    assert (told["error"]["param"], told["status"]) == ("do", 400)
    assert "tick, status, start, stop, hold, ledger" in told["error"]["message"]


def test_who_invokes_a_start_says_who_asks(off):
    assert off.invoke(do="start")["error"]["param"] == "by"
    assert off.invoke(do="start", by="anna", hold=1)["error"]["param"] == "hold"
    assert off.invoke(do="status")["state"] == "off"
