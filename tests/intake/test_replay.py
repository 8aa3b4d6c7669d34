"""What a door is asked for a client that sent it work, over real HTTP, and what becomes of its reply."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, request

from servers.errors import Conflict, EngineUnavailable, InvalidRequest, QueueFull, SkylarkError
from servers.intake.outcomes import Back, Done, Failed
from servers.intake.replay import READ_BYTES, Replay, door_of, is_unfinished
from servers.settings.variables import INTAKE_SECRET
from servers.web.app import create_app
from servers.web.auth import current_owner
from tests.intake.accepted import Accepted
from tests.web.served import Served, serving

SECRET = "the secret of this start"
ALICE = f"alice:{sha256(b'wonderland').hexdigest()}"
LARGE = bytes(range(256)) * 20_000


@dataclass
class Door:
    """A server with the doors' own web part, and views of the test's."""

    served: Served
    ready: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    reply: Callable[[], Any] = lambda: {"well": True}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.served.port}"


@pytest.fixture
def door(configure) -> Iterator[Door]:
    configure(SKYLARK_API_KEYS=ALICE, **{INTAKE_SECRET: SECRET})
    bp, made = Blueprint("door", __name__), []

    @bp.get("/ready")
    def ready() -> tuple[dict[str, Any], int]:
        return {}, 200 if made[0].ready else 503

    @bp.post("/v1/tts")
    def speak() -> Any:
        told = {"owner": current_owner(), "body": request.get_data(), "query": request.query_string.decode()}
        made[0].asked.append(told | {name.lower(): value for name, value in request.headers.items()})
        return made[0].reply()

    app: Flask = create_app("tts", [bp], prefix="tts")
    with serving(app) as served:
        made.append(Door(served))
        yield made[0]


@pytest.fixture
def replay(door, accepted) -> Iterator[Replay]:
    made = Replay({"tts": door.url, "whisperx": door.url}, SECRET, accepted.objects, patience_s=10)
    yield made
    made.close()


def raising(error: SkylarkError) -> Callable[[], Any]:
    def reply() -> Any:
        raise error

    return reply


def done(replay: Replay, accepted: Accepted, **work: Any) -> Any:
    return replay.do(accepted.taken(accepted.accept(**work)))


def test_a_door_is_asked_as_its_client_asked_it_and_for_it(door, replay, accepted):
    headers = {"content-type": "audio/x-odd", "accept": "application/x-ndjson", "prefer": "wait=5"}
    work = accepted.taken(accepted.accept(path="/tts/v1/tts?a=1&b=%20", body=LARGE, headers=headers))
    assert replay.do(work) == Done(200, "application/json", len(accepted.result(work.id)))
    (asked,) = door.asked
    assert (asked["owner"], asked["body"], asked["query"]) == ("alice", LARGE, "a=1&b=%20")
    assert (asked["content-type"], asked["accept"]) == ("audio/x-odd", "application/x-ndjson")
    assert asked["idempotency-key"] == f"accepted-{work.id}"
    assert "prefer" not in asked


def test_the_clients_own_key_and_an_owner_of_any_letters_are_told(door, replay, accepted):
    done(replay, accepted, owner="zoë", headers={"idempotency-key": "chapter-1"})
    done(replay, accepted, owner="")
    assert [(each["owner"], each["idempotency-key"][:8]) for each in door.asked] == [
        ("zoë", "chapter-"),
        (None, "accepted"),
    ]


def test_a_reply_becomes_the_result_as_it_came(door, replay, accepted):
    door.reply = lambda: Response(iter([LARGE, b"the end"]), content_type="audio/mpeg")
    work = accepted.taken(accepted.accept())
    assert replay.do(work) == Done(200, "audio/mpeg", len(LARGE) + 7)
    assert accepted.result(work.id) == LARGE + b"the end"


def test_a_reply_that_breaks_off_is_no_result(door, replay, accepted):
    def half() -> Iterator[bytes]:
        yield LARGE
        raise RuntimeError("the door died")

    door.reply = lambda: Response(half(), content_type="audio/mpeg")
    back = done(replay, accepted)
    assert isinstance(back, Back)
    assert back.failed
    assert accepted.keys("results/") == []


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson; charset=utf-8"])
def test_a_reply_of_which_a_part_was_not_done_is_asked_for_again(door, replay, accepted, content_type):
    parts = b'{"results": [{"audio": "UklG"}, {"error": {"code": "engine_unavailable", "message": ""}}]}'
    door.reply = lambda: Response(parts, content_type=content_type)
    assert done(replay, accepted).failed
    assert accepted.keys("results/") == []


def test_and_is_taken_for_what_it_is_in_the_end(door, replay, accepted):
    door.reply = lambda: {"results": [{"error": {"code": "engine_unavailable"}}]}
    assert isinstance(done(replay, accepted, failures=9), Done)


@pytest.mark.parametrize("before", [0, 1, READ_BYTES - 20, READ_BYTES - 1, 2 * READ_BYTES])
def test_a_part_that_was_not_done_is_found_wherever_it_is(tmp_path, before):
    path = tmp_path / "reply"
    path.write_bytes(b" " * before + b'{"error": {"code":"deadline_exceeded"}}' + b" " * 50)
    with path.open("rb") as file:
        assert is_unfinished(file, "text/event-stream")
        assert not is_unfinished(file, "audio/wav")
    path.write_bytes(b'{"text": "\\"code\\": \\"engine_unavailable\\"", "error": {"code": "unknown_voice"}}')
    with path.open("rb") as file:
        assert not is_unfinished(file, "application/json")


@pytest.mark.parametrize(
    ("error", "status"), [(InvalidRequest("no such field", param="x"), 422), (Conflict("another text"), 409)]
)
def test_what_the_door_refuses_for_good_ends_with_its_words(door, replay, accepted, error, status):
    door.reply = raising(error)
    failed = done(replay, accepted)
    assert isinstance(failed, Failed)
    assert (failed.status, failed.error["code"], failed.error["message"]) == (
        status,
        error.code,
        error.message,
    )


def test_what_passes_is_waited_for_as_long_as_the_door_says(door, replay, accepted):
    door.reply = raising(QueueFull("too many", retry_after_s=70))
    assert done(replay, accepted) == Back(70, "the queue is full")
    door.reply = raising(EngineUnavailable("away", retry_after_s=33))
    assert done(replay, accepted) == Back(33, "it was answered with 503", failed=True)
    door.reply = raising(SkylarkError("a defect"))
    assert done(replay, accepted) == Back(2, "it was answered with 500", failed=True, anew=True)


def test_a_door_with_another_starts_secret_is_no_fault_of_the_work(door, accepted):
    other = Replay({"tts": door.url}, "of an older start", accepted.objects, patience_s=10)
    back = done(other, accepted, failures=9)
    assert (back.why, back.failed) == ("the door does not let the intake in", False)
    assert door.asked == []
    other.close()


def test_a_door_that_is_not_there_is_no_fault_of_the_work(accepted):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    replay = Replay({"tts": url}, SECRET, accepted.objects, patience_s=10)
    work = accepted.taken(accepted.accept(failures=9))
    assert replay.do(work) == Back(5, "the door is not there")
    assert not replay.is_ready(work)
    replay.close()


def test_it_is_ready_when_the_door_is(door, replay, accepted):
    work = accepted.taken(accepted.accept())
    assert replay.is_ready(work)
    door.ready = False
    assert not replay.is_ready(work)


def test_work_whose_body_is_gone_ends_and_says_so(door, replay, accepted):
    work = accepted.taken(accepted.accept())
    accepted.objects.discard_body(work)
    failed = replay.do(work)
    assert (failed.status, failed.error["code"]) == (410, "not_found")
    assert door.asked == []


@pytest.mark.parametrize("path", ["@127.0.0.1:9/v1/tts", "http://127.0.0.1:9/v1/tts", "//127.0.0.1:9/x"])
def test_whatever_a_path_is_only_the_door_is_asked(door, replay, accepted, path):
    assert isinstance(done(replay, accepted, path=path), Failed | Back)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/tts/v1/audio/transcriptions", "tts"),
        ("/whisperx/transcribe", "whisperx"),
        ("/transcribe_batch", "whisperx"),
        ("/align?x=1", "whisperx"),
        ("/v1/audio/transcriptions", "whisperx"),
        ("/v1/audio/translations", "whisperx"),
        ("/v1/audio/speech", "tts"),
        ("/generate_batch", "tts"),
        ("/v1/text-to-speech/joe", "tts"),
    ],
)
def test_a_path_is_of_one_door(path, name):
    assert door_of(path) == name
