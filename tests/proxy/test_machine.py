"""How the machine is, over real HTTP: of upstreams that are well, off, away or mad."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest
from flask import Flask
from flask.testing import FlaskClient

from servers.proxy import machine as machine_module
from servers.proxy import questions
from servers.proxy import snapshot as module
from servers.proxy import watch as watch_module
from servers.web.app import terminate
from tests.acceptance.processes import free_port
from tests.proxy.conftest import AT_PUBLIC, KEY, PUBLIC
from tests.proxy.stood_in import DOOR, MACHINE, StoodIn, queue, refusal
from tests.proxy.stood_in import job as a_job
from tests.web.served import Served, eventually, serving

WITHIN_S = 20.0
OFF = MACHINE | {"state": "off"}
STARTS = PUBLIC | {"SKYLARK_PROXY__ALLOW_START": "true", "SKYLARK_PROXY__STARTS_PER_DAY": "2"}


@pytest.fixture
def made(make_app: Callable[..., Flask], stood_in: StoodIn) -> Callable[..., Flask]:
    """An app whose upstreams are asked often."""
    return lambda **variables: make_app(**{"SKYLARK_PROXY__STATUS_EVERY_S": "0.1"} | variables)


@pytest.fixture
def app(made: Callable[..., Flask]) -> Flask:
    return made()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def status(client: FlaskClient) -> tuple[str, str]:
    found = client.get("/api/status").json
    return found["state"], found["message"]


def test_the_status_has_the_machine_as_it_is_and_who_speaks_and_listens(client):
    found = client.get("/api/status").json
    assert isinstance(found.pop("since"), float)
    assert found == {
        "state": "ready",
        "message": "Ready.",
        "machine": MACHINE,
        "tts": {"ok": True, "backend": "piper", "model": "voices", "voice": "joe"},
        "whisperx": {"ok": True, "backend": "faster_whisper", "model": "base", "voice": None},
    }


def test_the_public_does_not_learn_who_uses_the_machine_and_for_what(made):
    found = made(**PUBLIC).test_client().get("/api/status", **AT_PUBLIC)
    assert found.json["machine"] == {name: MACHINE[name] for name in ("appliance", "state", "left_s",
                                                                      "price_per_hour", "cost")}  # fmt: skip
    assert "maria" not in found.text


@pytest.mark.parametrize(
    ("changed", "state", "message"),
    [
        ({"/machine": {"state": "off"}}, "off", module.IS_OFF),
        ({"/machine": {"state": "starting", "left_s": 78.6}}, "starting", "usually ready in 1 minute."),
        ({"/machine": {"state": "stopping"}}, "stopping", module.IS_STOPPING),
        ({"/machine": {"state": "failed", "fault": {"message": "no quota"}}}, "failed", "no quota"),
        ({"/queue": queue(a_job("1"))}, "busy", "Busy: 1 job runs."),
        ({"/tts/health": DOOR | {"status": "degraded"}}, "ready", "The server that speaks does not answer."),
        ({"/queue": {"running": 7}}, "ready", "Ready."),
        ({"/machine": {"state": 7}}, "ready", "Ready."),
    ],
    ids=["off", "starting", "stopping", "failed", "busy", "partly", "mad queue", "mad machine"],
)
def test_what_the_upstreams_say_is_a_state_and_a_sentence(client, stood_in, changed, state, message):
    stood_in.answers |= {path: ("200 OK", body) for path, body in changed.items()}
    found = status(client)
    assert found[0] == state
    assert message in found[1]


@pytest.mark.parametrize(
    ("answer", "state", "message"),
    [
        (("401 Unauthorized", refusal("unauthorized")), "refused", module.IS_REFUSED),
        (("403 Forbidden", refusal("forbidden")), "refused", module.IS_REFUSED),
        (("503 Service Unavailable", refusal("machine_off")), "off", module.IS_OFF),
        (("503 Service Unavailable", b"<html>no healthy target</html>"), "unreachable", module.IS_SILENT),
        (("200 OK", b"<html>Welcome to nginx</html>"), "unreachable", module.IS_GARBLED),
        (("200 OK", {"hello": "world"}), "unreachable", module.IS_GARBLED),
        (("200 OK", b"[" * 100_000), "unreachable", module.IS_GARBLED),
        (("404 Not Found", b"nothing here"), "unreachable", module.IS_GARBLED),
        (("302 Found", b""), "unreachable", module.IS_GARBLED),
        (("200 OK", None), "unreachable", module.IS_SILENT),
    ],
    ids=["401", "403", "off", "balancer", "html", "another", "deep", "404", "redirect", "silence"],
)
def test_upstreams_that_do_not_answer_as_they_should_are_a_state_and_a_sentence(
    client, stood_in, monkeypatch, answer, state, message
):
    monkeypatch.setattr(questions, "ASK_S", 0.3)
    stood_in.all(*answer)
    assert status(client) == (state, message)


def test_where_nobody_listens_it_is_unreachable(made, config):
    away = f"http://127.0.0.1:{free_port()}"
    config.write_text(json.dumps({"server_url": away, "whisper_url": away, "api_key": KEY}))
    assert status(made().test_client()) == ("unreachable", module.IS_SILENT)


def test_a_wrong_key_is_noticed_where_only_the_doors_are_there_to_ask(made, config, toy, stood_in):
    config.write_text(json.dumps({"server_url": toy.url, "whisper_url": toy.url, "api_key": KEY}))
    stood_in.answers["/health"] = ("200 OK", DOOR)
    stood_in.answers["/v1/models"] = ("401 Unauthorized", refusal("unauthorized"))
    assert status(made().test_client()) == ("refused", module.IS_REFUSED)
    stood_in.answers["/v1/models"] = ("200 OK", {})
    assert status(made().test_client()) == ("ready", "Ready.")


def test_the_key_is_in_no_reply(client, stood_in):
    for path in ("/api/status", "/api/queue"):
        reply = client.get(path)
        assert KEY not in reply.text + str(reply.headers)


# events


@contextmanager
def listening(served: Served) -> Iterator[HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)
    connection.request("GET", "/api/events")
    try:
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


def next_event(response: HTTPResponse) -> tuple[str, dict]:
    """The next one that is no comment."""
    name = ""
    while True:
        line = response.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
        assert line == "" or line.startswith((":", "event: ")), line


@pytest.fixture
def served(app: Flask) -> Iterator[Served]:
    with serving(app, threads=30) as served:
        yield served


def test_events_tell_the_status_and_the_queue_at_once_and_as_they_change(served, stood_in):
    with listening(served) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == (
            "no-store",
            "no",
        )
        assert next_event(response)[1]["state"] == "ready"
        assert next_event(response) == (
            "queue",
            {
                "jobs": [],
                "waiting": 0,
                "models": [{"name": "piper/voices", "state": "ready", "vram_mb": 100, "pinned": True}],
            },
        )
        stood_in.answers["/machine"] = ("200 OK", {"state": "off"})
        name, found = next_event(response)
        assert (name, found["state"]) == ("status", "off")
        stood_in.answers["/queue"] = ("200 OK", queue(a_job("1")))
        name, found = next_event(response)
        assert (name, [each["status"] for each in found["jobs"]]) == ("queue", ["running"])


def test_in_between_a_line_says_that_it_goes_on(served, stood_in, monkeypatch):
    monkeypatch.setattr(watch_module, "KEEP_ALIVE_S", 0.2)
    with listening(served) as response:
        next_event(response)
        next_event(response)
        assert response.readline() == b"\n"
        assert response.readline() == b": nothing new\n"


def test_where_the_queue_is_not_known_none_is_invented(served, stood_in):
    stood_in.answers["/queue"] = ("500 Internal Server Error", b"oh")
    with listening(served) as response:
        assert next_event(response)[0] == "status"
        stood_in.answers["/queue"] = ("200 OK", queue())
        assert next_event(response)[0] == "queue"


def test_many_listeners_cost_one_question(made, toy, stood_in):
    app = made(SKYLARK_PROXY__STATUS_EVERY_S="60", SKYLARK_PROXY__MAX_STREAMS="20")
    with serving(app, threads=30) as served:
        for _ in range(20):
            connection = HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)
            connection.request("GET", "/api/events")
            assert next_event(connection.getresponse())[0] == "status"
            connection.close()
        assert [asked.line for asked in toy.asked].count("GET /queue HTTP/1.1") == 1


def test_a_thousand_streams_of_one_visitor_are_eight_and_the_page_goes_on_for_others(served):
    with listening(served) as response, ExitStack() as opened:
        next_event(response)
        statuses: Counter[int] = Counter()
        for _ in range(999):
            other = HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)
            other.request("GET", "/api/events")
            answer = other.getresponse()
            statuses[answer.status] += 1
            if answer.status == 200:
                opened.callback(other.close)
            else:
                assert json.loads(answer.read())["error"]["code"] == "too_many_streams"
                other.close()
        assert statuses == {200: 7, 429: 992}
        other = opened.enter_context(closing(HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)))
        other.request("GET", "/api/status")
        assert other.getresponse().status == 200
    eventually(lambda: is_listened_to(served))


def is_listened_to(served: Served) -> bool:
    with listening(served) as response:
        return response.status == 200 and next_event(response)[0] == "status"


def test_who_goes_away_is_listened_for_no_longer(served, app):
    watch = app.extensions[machine_module.EXTENSION]
    with listening(served) as response:
        next_event(response)
        assert watch._listeners == 1
    eventually(lambda: watch._listeners == 0)


def test_when_the_server_is_told_to_end_the_streams_end(served, app):
    with listening(served) as response:
        next_event(response)
        terminate(app)
        found = threading.Event()

        def read() -> None:
            response.read()
            found.set()

        thread = threading.Thread(target=read)
        thread.start()
        thread.join(WITHIN_S)
        assert found.is_set(), "the stream goes on"


# the start


def test_a_start_is_the_machines_own(client, toy, stood_in):
    started = MACHINE | {"state": "starting", "left_s": 78.6}
    stood_in.answers["/machine/start"] = ("202 Accepted", started)
    reply = client.post("/api/start", json={})
    assert (reply.status_code, reply.json) == (202, started)
    asked = next(each for each in toy.asked if each.line.startswith("POST"))
    assert asked.line == "POST /machine/start HTTP/1.1"
    assert asked.headers["x-api-key"] == KEY
    assert json.loads(asked.body) == {"why": "the page", "hold_s": 900}


def test_what_keeps_the_machine_from_starting_is_said_in_its_words(client, stood_in):
    stood_in.answers["/machine/start"] = (
        "503 Service Unavailable",
        refusal("machine_off", "there is no quota for a g5.xlarge: ask AWS for one"),
    )
    reply = client.post("/api/start", json={})
    assert reply.json["error"]["message"] == "there is no quota for a g5.xlarge: ask AWS for one"
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "machine_off")
    stood_in.answers["/machine/start"] = ("200 OK", b"<html>")
    assert client.post("/api/start", json={}).json["error"]["code"] == "upstream_failed"


def test_where_there_is_no_machine_none_can_be_started(made, config, toy):
    config.write_text(json.dumps({"server_url": toy.url, "whisper_url": toy.url}))
    reply = made().test_client().post("/api/start", json={})
    assert (reply.status_code, reply.json["error"]["code"]) == (409, "no_machine")


@pytest.mark.parametrize(
    ("variables", "status"),
    [
        ({}, 403),
        ({"SKYLARK_PROXY__ALLOW_START": "true"}, 202),
        ({"SKYLARK_PROXY__ALLOW_START": "false"}, 403),
    ],
)
def test_the_public_may_start_the_machine_only_where_that_is_said(made, stood_in, variables, status):
    stood_in.answers |= {"/machine": ("200 OK", OFF), "/machine/start": ("202 Accepted", MACHINE)}
    reply = made(**PUBLIC, **variables).test_client().post("/api/start", json={}, **AT_PUBLIC)
    assert reply.status_code == status
    if status == 403:
        assert reply.json["error"]["code"] == "may_not_start"


def starts(toy) -> int:
    return sum(each.line.startswith("POST /machine/start") for each in toy.asked)


@pytest.mark.parametrize("state", ["starting", "ready"])
def test_the_public_does_not_hold_a_machine_for_longer_that_is_on(made, toy, stood_in, state):
    stood_in.answers["/machine"] = ("200 OK", MACHINE | {"state": state, "stage": "boot"})
    reply = made(**STARTS).test_client().post("/api/start", json={}, **AT_PUBLIC)
    assert (reply.status_code, reply.json["state"], reply.json["stage"]) == (202, state, "boot")
    assert "holds" not in reply.json
    assert starts(toy) == 0


def test_a_visitor_of_the_public_starts_the_machine_so_often_and_no_more(made, toy, stood_in):
    stood_in.answers |= {
        "/machine": ("200 OK", OFF),
        "/machine/start": ("503 Unavailable", refusal("machine_off")),
    }
    client = made(**STARTS).test_client()
    assert client.post("/api/start", json={}, **AT_PUBLIC).status_code == 503, "it does not count"
    stood_in.answers["/machine/start"] = ("202 Accepted", OFF)
    replies = [client.post("/api/start", json={}, **AT_PUBLIC) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [202, 202, 429]
    message = "1 start of the machine is more than the 0 that are left for you today"
    assert replies[-1].json["error"]["message"].startswith(message)
    assert starts(toy) == 3


def test_one_may_be_kept_from_starting_it_on_ones_own_machine_too(made, stood_in):
    assert made(SKYLARK_PROXY__ALLOW_START="false").test_client().post("/api/start").status_code == 403
