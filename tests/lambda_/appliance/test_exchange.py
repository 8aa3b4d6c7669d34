"""What the ALB hands over, and what it is given back."""

from __future__ import annotations

import base64
import json

import pytest

from appliance.exchange import (
    InvalidRequest,
    MalformedBody,
    Unauthorized,
    Unavailable,
    answer,
    is_request,
    json_object,
    read,
    refusal,
)

EVENT = {
    "requestContext": {"elb": {"targetGroupArn": "arn"}},
    "httpMethod": "POST",
    "path": "/machine/start",
    "queryStringParameters": {"days": "31", "why": "a%20demo"},
    "headers": {"X-Request-Id": "abc-1", "content-type": "application/json"},
    "body": '{"why": "é"}',
    "isBase64Encoded": False,
}


def test_an_event_of_the_alb_is_a_request():
    request = read(EVENT)
    assert (request.method, request.path, request.id) == ("POST", "/machine/start", "abc-1")
    assert request.query == {"days": "31", "why": "a demo"}
    assert request.target == "/machine/start?days=31&why=a%20demo"
    assert request.body == '{"why": "é"}'.encode()
    assert json_object(request) == {"why": "é"}


def test_a_body_may_come_in_base64():
    body = b"\x00\xff"
    request = read(EVENT | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True})
    assert request.body == body


def test_a_request_without_a_query_or_a_body_has_none():
    request = read(EVENT | {"queryStringParameters": {}, "body": ""})
    assert request.target == "/machine/start"
    assert json_object(request) == {}


@pytest.mark.parametrize("offered", ["", "a b", "x" * 129, "<script>"])
def test_an_id_that_is_not_sane_is_replaced(offered):
    assert len(read(EVENT | {"headers": {"x-request-id": offered}}).id) == 32


def test_what_somebody_invokes_it_with_is_no_request():
    assert is_request(EVENT)
    assert not is_request({"do": "tick"})
    assert not is_request(None)


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', "\x00", "[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body):
    with pytest.raises(MalformedBody, match="JSON"):
        json_object(read(EVENT | {"body": body}))


def test_an_answer_is_as_the_alb_takes_it():
    said = answer("abc-1", 202, {"state": "starting"}, {"Location": "/machine"})
    assert (said["statusCode"], said["statusDescription"]) == (202, "202 Accepted")
    assert said["headers"]["X-Request-ID"] == "abc-1"
    assert said["headers"]["Location"] == "/machine"
    assert said["headers"]["Content-Type"] == "application/json"
    assert json.loads(said["body"]) == {"state": "starting"}
    assert said["isBase64Encoded"] is False


def test_an_answer_may_have_no_body():
    said = answer("abc-1", 204, None)
    assert said["body"] == ""
    assert "Content-Type" not in said["headers"]


def test_an_error_is_in_the_servers_shape():
    said = refusal("abc-1", InvalidRequest("hold_s is at most 43200", param="hold_s"))
    assert said["statusCode"] == 400
    assert json.loads(said["body"])["error"] == {
        "code": "invalid_request",
        "message": "hold_s is at most 43200",
        "param": "hold_s",
        "type": "invalid_request_error",
        "request_id": "abc-1",
    }


def test_an_error_says_what_its_headers_say():
    later = refusal("a", Unavailable("it starts", retry_after_s=0.2, machine={"state": "off"}))
    assert later["headers"]["Retry-After"] == "1"
    error = json.loads(later["body"])["error"]
    assert (error["type"], error["machine"]) == ("server_error", {"state": "off"})
    assert refusal("a", Unauthorized("a key"))["headers"]["WWW-Authenticate"] == "Bearer"
