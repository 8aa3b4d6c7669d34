"""What a visitor and an address may have in a day."""

from __future__ import annotations

import io
import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest

from servers.errors import AllowanceUsed, SettingsError, StorageFailed
from servers.proxy import allowance
from servers.proxy.allowance import Allowances, Use
from servers.proxy.visitors import Visitor
from servers.settings import Proxy, settings
from tests.proxy.browsing import Browser

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN, BEN = Visitor("ann", "home", has_cookie=True), Visitor("ben", "home", has_cookie=True)
LIMITS = Proxy(characters_per_day=100, recording_mb_per_day=2.5, per_address=2)
PUBLIC = {"SKYLARK_PROXY__CHARACTERS_PER_DAY": "100", "SKYLARK_PROXY__RECORDING_MB_PER_DAY": "0.5"}


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path, clock) -> Allowances:
    return Allowances(tmp_path / "proxy.sqlite3", LIMITS, clock)


def left(kept, who=ANN):
    return kept.left(who)["characters"]


def test_what_is_used_is_gone(kept):
    kept.take(ANN, Use(characters=60))
    assert kept.left(ANN) == {"characters": 40, "recording_mb": 2.5, "starts": None}
    kept.take(ANN, Use(characters=40, recording_mb=2.5))
    assert kept.left(ANN) == {"characters": 0, "recording_mb": 0, "starts": None}


def test_what_is_more_than_is_left_is_refused_whole(kept):
    kept.take(ANN, Use(characters=60))
    with pytest.raises(AllowanceUsed, match="41 characters are more than the 40 that are left") as raised:
        kept.take(ANN, Use(characters=41, recording_mb=1))
    assert raised.value.retry_after_s == 12 * 3_600
    assert kept.left(ANN) == {"characters": 40, "recording_mb": 2.5, "starts": None}
    with pytest.raises(AllowanceUsed, match="3 MB of recordings"):
        kept.take(ANN, Use(characters=1, recording_mb=3))
    assert left(kept) == 40


def test_an_address_has_what_so_many_visitors_have(kept):
    kept.take(ANN, Use(characters=100))
    kept.take(BEN, Use(characters=90))
    new = Visitor("new", "home", has_cookie=True)
    assert left(kept, new) == 10
    with pytest.raises(AllowanceUsed):
        kept.take(new, Use(characters=11))
    kept.take(Visitor("new", "elsewhere", has_cookie=True), Use(characters=100))


def test_there_is_more_on_the_next_day(kept, clock):
    kept.take(ANN, Use(characters=100))
    clock.now = NOON + timedelta(hours=12)
    assert left(kept) == 100
    kept.take(ANN, Use(characters=100))


def test_days_that_are_over_are_forgotten(kept, clock, tmp_path):
    kept.settle(ANN, kept.take(ANN, Use(characters=1), "name"))
    clock.now = NOON + timedelta(days=1)
    kept.take(BEN, Use(characters=1))
    with sqlite3.connect(tmp_path / "proxy.sqlite3") as db:
        assert {row[0] for row in db.execute("select day from used union select day from named")} == {
            "2026-03-02"
        }
    db.close()


def test_it_is_kept_over_a_restart(kept, tmp_path, clock):
    kept.take(ANN, Use(characters=60))
    assert left(Allowances(tmp_path / "proxy.sqlite3", LIMITS, clock)) == 40


def test_a_request_that_is_sent_again_is_counted_once(kept):
    for _ in range(3):
        kept.settle(ANN, kept.take(ANN, Use(characters=60), "take/1"))
    assert left(kept) == 40
    kept.settle(ANN, kept.take(ANN, Use(characters=70), "take/1"))
    assert left(kept) == 30
    kept.take(BEN, Use(characters=60), "take/1")
    assert left(kept, BEN) == 40


def test_of_two_of_one_name_at_once_the_one_that_is_done_is_counted(kept):
    refused = kept.take(ANN, Use(characters=40), "take/1")
    done = kept.take(ANN, Use(characters=40), "take/1")
    kept.settle(ANN, done)
    kept.give_back(refused)
    assert left(kept) == 60


def test_what_was_not_done_is_given_back(kept):
    kept.give_back(kept.take(ANN, Use(characters=60), "take/1"))
    assert left(kept) == 100
    kept.take(ANN, Use(characters=60), "take/1")
    assert left(kept) == 40


def test_many_at_once_do_not_have_more_together(kept):
    refused = []

    def take():
        try:
            kept.take(ANN, Use(characters=10))
        except AllowanceUsed:
            refused.append(1)

    threads = [threading.Thread(target=take) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (left(kept), len(refused)) == (0, 15)


def test_without_limits_nothing_is_kept(tmp_path, clock):
    kept = Allowances(tmp_path / "none.sqlite3", Proxy(), clock)
    kept.give_back(kept.take(ANN, Use(characters=10**9)))
    assert kept.left(ANN) == {"characters": None, "recording_mb": None, "starts": None}
    assert not (tmp_path / "none.sqlite3").exists()


def test_a_file_that_cannot_be_made_is_named(tmp_path, clock):
    with pytest.raises(SettingsError, match="unable to open"):
        Allowances(tmp_path, LIMITS, clock)


def test_its_folder_is_made(tmp_path, clock):
    assert left(Allowances(tmp_path / "new" / "proxy.sqlite3", LIMITS, clock)) == 100


def test_a_file_that_was_spoilt_is_a_typed_error(kept, tmp_path):
    for file in tmp_path.iterdir():
        file.write_bytes(b"no database" * 1_000)
    with pytest.raises(StorageFailed, match="cannot be counted"):
        kept.take(ANN, Use(characters=1))


# over HTTP


@pytest.fixture
def app(make_app):
    return make_app(**PUBLIC)


@pytest.fixture
def browser(app, toy) -> Browser:
    toy.does = lambda talk: talk.whole(b'{"results": []}')
    return Browser(app)


def test_a_text_that_is_too_much_for_today_is_429_until_midnight(app, browser, toy, clock):
    allowance.install(app, settings(), clock)
    assert browser.post("/api/tts-generate", json={"texts": ["a" * 50, "b" * 30]}).status_code == 200
    reply = browser.post("/api/tts-generate", json={"texts": ["c" * 21]})
    assert (reply.status_code, reply.json["error"]["code"]) == (429, "allowance_used")
    assert reply.headers["Retry-After"] == "43200"
    assert "midnight UTC" in reply.json["error"]["message"]
    assert len(toy.asked) == 1
    assert browser.left()["characters_left"] == 20


@pytest.mark.parametrize(
    ("path", "sent", "characters"),
    [
        ("speech", {"json": {"input": "héllo"}}, 5),
        ("align", {"json": {"text": "hello", "audio": "AAAA"}}, 5),
        ("align", {"data": {"text": "hello", "file": (io.BytesIO(b"x"), "a.wav")}}, 5),
        ("tts-generate", {"json": {"texts": ["a", "bc", 7]}}, 3),
        ("speech", {"json": {"input": 7}}, 0),
    ],
)
def test_characters_are_counted_of_what_is_spoken_and_aligned(browser, toy, path, sent, characters):
    toy.does = lambda talk: talk.whole(b"\0\0", "audio/pcm" if path == "speech" else "application/json")
    assert browser.post(f"/api/{path}", **sent).status_code == 200
    assert browser.left()["characters_left"] == 100 - characters


def test_recordings_are_counted_by_their_size(browser):
    recording = (io.BytesIO(b"x" * 300_000), "a.wav")
    assert browser.post("/api/transcribe", data={"file": recording}).status_code == 200
    assert browser.left()["recording_mb_left"] == pytest.approx(0.2, abs=0.01)
    again = (io.BytesIO(b"x" * 300_000), "a.wav")
    assert browser.post("/api/transcribe", data={"file": again}).status_code == 429


def test_a_clip_to_clone_is_a_recording_too(browser):
    assert (
        browser.post("/api/tts-generate", json={"texts": ["a"], "reference_audio": "A" * 400_000}).status_code
        == 200
    )
    assert browser.left()["recording_mb_left"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("status", ["422 Unprocessable", "503 Unavailable", "401 Unauthorized"])
def test_what_the_server_refuses_costs_nothing(browser, toy, status):
    toy.does = lambda talk: talk.whole(b'{"error": {"code": "x", "message": "no"}}', status=status)
    browser.post("/api/tts-generate", json={"texts": ["a" * 90]})
    assert browser.left()["characters_left"] == 100


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("422 Unprocessable", "nothing_recognised"),
        ("409 Conflict", "job_cancelled"),
        ("500 Error", "backend_failed"),
    ],
)
def test_what_failed_after_its_work_is_counted(browser, toy, status, code):
    error = json.dumps({"error": {"code": code, "message": "no"}}).encode()
    toy.does = lambda talk: talk.whole(error, status=status)
    browser.post("/api/tts-generate", json={"texts": ["a" * 90]})
    assert browser.left()["characters_left"] == 10


def test_new_cookies_do_not_make_more_of_it(app, browser):
    body = {"texts": ["a" * 100]}
    statuses = [Browser(app).post("/api/tts-generate", json=body).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    elsewhere = Browser(app, address="203.0.113.7")
    assert elsewhere.post("/api/tts-generate", json=body).status_code == 200


def test_who_has_no_cookie_is_one_visitor_by_the_address(client, toy):
    toy.does = lambda talk: talk.whole(b'{"results": []}')
    statuses = [client.post("/api/tts-generate", json={"texts": ["a" * 60]}).status_code for _ in range(2)]
    assert statuses == [200, 429]
