"""What a page is told first: whose limits it has to keep."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from servers.proxy import machine
from servers.proxy.app import create_app
from tests.proxy.stood_in import DOOR, StoodIn, refusal

NONE = {"max_body_mb": 256.0, "max_text_chars": None, "max_audio_s": None}
SPEAKS = {"max_body_mb": 8.0, "max_text_chars": 700, "max_audio_s": 5.0}
LISTENS = {"max_body_mb": 9.0, "max_text_chars": 800, "max_audio_s": 60.0}


@pytest.fixture
def told(make_app: Callable[..., Flask], stood_in: StoodIn) -> Callable[..., dict[str, float]]:
    """The limits, as a page of that proxy is told."""

    def told(app: Flask | None = None, **variables: str) -> dict[str, float]:
        client = (app or make_app(**variables)).test_client()
        client.get("/api/status")  # as a page has asked, by its events
        limits = client.get("/api/visitor").json["limits"]
        return {name: limits[name] for name in NONE}

    return told


def answers(stood_in: StoodIn, **limits: dict[str, float]) -> None:
    for door in ("tts", "whisperx"):
        own = {"limits": limits[door]} if door in limits else {}
        stood_in.answers[f"/{door}/health"] = ("200 OK", DOOR | own)


def test_limits_are_those_of_the_servers_that_are_asked(told, stood_in):
    answers(stood_in, tts=SPEAKS, whisperx=LISTENS)
    assert told() == {"max_body_mb": 9.0, "max_text_chars": 700, "max_audio_s": 60.0}


@pytest.mark.parametrize("door", ["tts", "whisperx"])
def test_where_one_server_does_not_say_it_is_as_the_other_says(told, stood_in, door):
    answers(stood_in, **{door: LISTENS})
    assert told() == LISTENS


def test_what_is_not_known_is_not_invented(told, stood_in):
    answers(stood_in)
    assert told() == NONE


def test_no_body_is_larger_than_what_passes_here(told, stood_in):
    answers(stood_in, tts=SPEAKS, whisperx=LISTENS)
    assert told(SKYLARK_LIMITS__MAX_BODY_MB="2")["max_body_mb"] == 2.0


def test_a_page_does_not_wait_for_servers_that_have_not_been_asked_yet(make_app, toy):
    assert make_app().test_client().get("/api/visitor").json["limits"]["max_audio_s"] is None
    assert toy.asked == []


def test_a_machine_that_is_off_has_the_limits_that_it_had(told, stood_in, make_app):
    answers(stood_in, tts=SPEAKS, whisperx=LISTENS)
    app = make_app(SKYLARK_PROXY__STATUS_EVERY_S="0.1")
    before = told(app)
    stood_in.all("503 Service Unavailable", refusal("machine_off"))
    watch = app.extensions[machine.EXTENSION]
    listener = watch.listen(lambda: True)
    assert any(seen is not None and seen.snapshot.state == "off" for seen in listener)
    listener.close()
    assert told(app) == before


def test_beside_the_servers_they_are_those_of_the_same_settings(told, configure):
    configure(SKYLARK_LIMITS__MAX_TEXT_CHARS="123")
    assert told(create_app()) == NONE | {"max_text_chars": 123, "max_audio_s": 1_800.0}
