"""The queue as a visitor sees it, and which jobs they may cancel."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from flask import request
from flask.testing import FlaskClient

from servers.proxy.visitors import of_app
from tests.proxy.conftest import AT_PUBLIC, PUBLIC
from tests.proxy.stood_in import ONE, OTHER, job, queue, refusal

COOKIE, SECURE_COOKIE = "skylark_visitor", "__Host-skylark_visitor"


class Visitor:
    """A browser with its cookie and its token."""

    def __init__(self, client: FlaskClient, cookie: str = COOKIE, **where: str) -> None:
        self._client, self._where = client, where
        self.csrf = client.get("/api/visitor", **where).json["csrf"]
        signed = client.get_cookie(cookie, domain=where.get("base_url", "//localhost").partition("//")[2])
        self.application_id = f"page-{sha256(signed.value.rsplit('.', 2)[0].encode()).hexdigest()[:12]}"

    def queue(self):
        return self._client.get("/api/queue", **self._where)

    def cancel(self, job_id: str):
        headers = {"X-CSRF-Token": self.csrf}
        return self._client.delete(f"/api/queue/{job_id}", headers=headers, **self._where)


@pytest.fixture
def visitor(make_app, stood_in) -> Visitor:
    return Visitor(make_app().test_client())


@pytest.fixture
def stranger(make_app, stood_in) -> Visitor:
    """One of the public."""
    return Visitor(make_app(**PUBLIC).test_client(), SECURE_COOKIE, **AT_PUBLIC)


def has(stood_in, *jobs: dict) -> None:
    """These are in the queue, and can be cancelled."""
    stood_in.answers["/queue"] = ("200 OK", queue(*jobs))
    for each in jobs:
        stood_in.answers[f"/jobs/{each['id']}"] = ("200 OK", each)
        cancelled = each | {"status": "cancelled", "finished_at": 9.5}
        stood_in.answers[f"/jobs/{each['id']}/cancel"] = ("200 OK", cancelled)


def posted(toy) -> list[str]:
    return [asked.line for asked in toy.asked if asked.line.startswith("POST")]


def test_everybodys_jobs_are_shown_with_which_are_ones_own_and_no_word_of_them(visitor, stood_in):
    has(stood_in, job(ONE, application_id=visitor.application_id), job(OTHER))
    reply = visitor.queue()
    assert [(each["id"], each["own"]) for each in reply.json["jobs"]] == [(ONE, True), (OTHER, False)]
    assert "nobody else" not in reply.text
    assert "page-" not in reply.text


def test_ones_own_job_can_be_cancelled(visitor, stood_in, toy):
    has(stood_in, job(ONE, application_id=visitor.application_id))
    reply = visitor.cancel(ONE)
    assert (reply.status_code, reply.json["status"], reply.json["own"]) == (200, "cancelled", True)
    assert posted(toy) == [f"POST /jobs/{ONE}/cancel HTTP/1.1"]


def test_on_ones_own_machine_every_job_can_be_cancelled(visitor, stood_in):
    has(stood_in, job(OTHER))
    assert visitor.cancel(OTHER).status_code == 200


def test_of_the_public_each_cancels_their_own_jobs_alone(stranger, stood_in, toy):
    has(stood_in, job(ONE, application_id=stranger.application_id), job(OTHER))
    refused = stranger.cancel(OTHER)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "forbidden")
    assert posted(toy) == []
    assert stranger.cancel(ONE).status_code == 200


def test_of_the_public_who_has_no_cookie_cancels_nothing(make_app, stood_in, toy):
    app = make_app(**PUBLIC)
    with app.test_request_context(**AT_PUBLIC):
        shared = of_app(app).of(request).application_id
    has(stood_in, job(ONE, application_id=shared))
    reply = app.test_client().delete(f"/api/queue/{ONE}", **AT_PUBLIC)
    assert (reply.status_code, reply.json["error"]["code"]) == (403, "forbidden")
    assert posted(toy) == []


def test_without_its_token_a_browser_cancels_nothing(visitor, stood_in, toy):
    has(stood_in, job(ONE, application_id=visitor.application_id))
    visitor.csrf = "forged"
    assert visitor.cancel(ONE).json["error"]["code"] == "forged_request"
    assert posted(toy) == []


def test_a_job_that_is_not_there_is_said_so_in_the_engines_words(visitor, stood_in):
    missing = refusal("job_not_found", f"there is no job '{ONE}'")
    stood_in.answers[f"/jobs/{ONE}/cancel"] = ("404 Not Found", missing)
    reply = visitor.cancel(ONE)
    assert (reply.status_code, reply.json["error"]["code"]) == (404, "job_not_found")
    assert visitor.cancel("no-id").json["error"]["code"] == "not_found"


@pytest.mark.parametrize("body", [b"<html>", {"id": 7}])
def test_what_is_no_job_is_an_error(visitor, stood_in, body):
    stood_in.answers[f"/jobs/{ONE}/cancel"] = ("200 OK", body)
    assert visitor.cancel(ONE).json["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize("answer", [("500 Internal Server Error", b""), ("200 OK", {"running": 7})])
def test_a_queue_that_does_not_answer_is_an_error_and_no_empty_queue(visitor, stood_in, answer):
    stood_in.answers["/queue"] = answer
    reply = visitor.queue()
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "engine_unavailable")


def test_where_the_engines_api_is_not_at_hand_it_says_what_to_write_where(make_app, config, toy):
    config.write_text(json.dumps({"server_url": toy.url, "whisper_url": toy.url}))
    reply = Visitor(make_app().test_client()).queue()
    assert reply.status_code == 404
    assert "jobs_url" in reply.json["error"]["message"]
