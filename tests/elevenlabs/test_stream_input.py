from __future__ import annotations

import base64
import threading
from typing import Any

import pytest

from servers.elevenlabs.conversation import MOST_CONTEXTS
from servers.errors import BackendFailed, InvalidRequest
from tests.elevenlabs.conftest import PatientEngine, asked
from tests.jobs.stand_in_engine import RATE_HZ, speech
from tests.web.fixtures import Configure
from tests.web.served import Served, error_of, eventually
from tests.web.talking import Talker, ask

ONE = f"/v1/text-to-speech/default/stream-input?output_format=pcm_{RATE_HZ}"
MANY = f"/v1/text-to-speech/default/multi-stream-input?output_format=pcm_{RATE_HZ}"


def heard(talker: Talker) -> list[dict[str, Any]]:
    """The messages up to the last one of a context."""
    messages = [talker.json()]
    while not messages[-1].get("isFinal"):
        messages.append(talker.json())
    return messages


def audio(messages: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(each["audio"]) for each in messages if each.get("audio"))


def chars(messages: list[dict[str, Any]]) -> str:
    return "".join("".join(each["alignment"]["chars"]) for each in messages if each.get("alignment"))


def threads() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name == "context"}


def test_sentences_are_spoken_as_they_are_complete_until_the_empty_text(
    served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), ONE)
    talker.send({"text": " ", "voice_settings": {"speed": 1.1, "stability": 0.5}, "xi_api_key": "x"})
    for token in ("so", " it", " is.", " Hel"):
        talker.send({"text": token, "try_trigger_generation": False})
    asked(engine, 1)
    talker.send({"text": "lo"})
    talker.send({"text": ""})
    messages = heard(talker)
    assert engine.texts == ["so it is.", "Hello"]
    assert engine.spoken[0]["speed"] == 1.1
    assert audio(messages) == 2 * engine.samples.tobytes()
    assert messages[0].keys() == {"audio", "isFinal", "normalizedAlignment", "alignment", "startSample"}
    assert messages[-1] == {"audio": None, "isFinal": True}
    assert talker.close_code() == 1000


@pytest.mark.parametrize(("query", "second"), [("", 0), ("&sync_alignment=true", 1_000)])
def test_characters_have_their_times(served: Served, query: str, second: int) -> None:
    talker = Talker(served.client(), ONE + query)
    talker.send({"text": "so be it. ", "flush": True})
    talker.send({"text": "so it was. "})
    talker.send({"text": ""})
    messages = heard(talker)
    assert chars(messages) == "so be it. so it was. "
    first, other = [each["alignment"] for each in messages if each.get("alignment")]
    assert first["charStartTimesMs"][:2] == [0, 50]
    assert first["charStartTimesMs"][-1] + first["charDurationsMs"][-1] == 1_000
    assert other["charStartTimesMs"][0] == second


def said(talker: Talker) -> list[dict[str, Any]]:
    """What is heard of two sentences."""
    talker.send({"text": "so be it. ", "flush": True})
    talker.send({"text": "so "})
    talker.send({"text": "it was."})
    talker.send({"text": ""})
    return heard(talker)


def test_every_message_says_at_which_sample_of_all_it_begins(served: Served, engine: PatientEngine) -> None:
    *messages, _ = said(Talker(served.client(), ONE))
    sizes = [len(base64.b64decode(each["audio"])) // 2 for each in messages]
    assert [each["startSample"] for each in messages] == [sum(sizes[:place]) for place in range(len(sizes))]
    assert sum(sizes) == 2 * len(engine.samples)
    *coded, _ = said(Talker(served.client(), "/v1/text-to-speech/default/stream-input"))
    assert not [each for each in coded if "startSample" in each], "a frame of mp3 is no sample"


@pytest.mark.parametrize("start", [0, 1, 20_000, RATE_HZ, RATE_HZ + 10_001, 2 * RATE_HZ, 99_999])
def test_who_comes_back_says_the_same_and_hears_on_from_a_sample(
    served: Served, engine: PatientEngine, start: int
) -> None:
    said(Talker(served.client(), ONE, "Idempotency-Key: k"))
    *messages, final = said(Talker(served.client(), f"{ONE}&idempotency_key=k&from={start}"))
    assert len(engine.jobs) == 2, "nothing is spoken twice"
    assert audio(messages) == (2 * engine.samples.tobytes())[2 * start :]
    if messages:
        assert messages[0]["startSample"] == start
    assert final["isFinal"]


def test_characters_that_were_told_before_it_are_not_told_again_and_keep_their_times(served: Served) -> None:
    said(Talker(served.client(), ONE, "Idempotency-Key: k"))
    start = RATE_HZ + RATE_HZ // 2
    messages = said(Talker(served.client(), f"{ONE}&idempotency_key=k&from={start}&sync_alignment=true"))
    assert chars(messages) == "so it was. "
    (told,) = [each["alignment"] for each in messages if each.get("alignment")]
    assert told["charStartTimesMs"][0] == 1_000


def test_with_a_key_other_words_are_a_conflict(served: Served) -> None:
    said(Talker(served.client(), ONE, "Idempotency-Key: k"))
    talker = Talker(served.client(), ONE, "Idempotency-Key: k")
    talker.send({"text": "so it never was. "})
    assert talker.json()["error"] == "conflict"
    assert talker.close_code() == 1008


def test_what_is_spoken_to_a_client_with_a_key_goes_on_while_it_is_away(
    served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), ONE, "Idempotency-Key: k")
    talker.send({"text": "for ever. "})
    asked(engine, 1)
    talker.vanish()
    eventually(lambda: not served.listener._reserved and not threads())
    assert engine.cancelled == []


def test_a_flush_speaks_what_is_there(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), ONE)
    talker.send({"text": "so it ", "flush": True})
    asked(engine, 1)
    talker.send({"text": "is"})
    talker.send({"text": ""})
    heard(talker)
    assert engine.texts == ["so it", "is"]


def test_in_auto_mode_each_message_is_spoken(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), ONE + "&auto_mode=true")
    talker.send({"text": "so it "})
    talker.send({"text": "is "})
    asked(engine, 2)
    assert engine.texts == ["so it", "is"]
    talker.send({"text": ""})
    heard(talker)


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("/v1/text-to-speech/nobody/stream-input", 422, "voice_id"),
        ("/v1/text-to-speech/default/stream-input?output_format=flac", 422, "output_format"),
        ("/v1/text-to-speech/default/stream-input?model_id=unheard-of", 422, "model"),
        ("/v1/text-to-speech/default/stream-input?inactivity_timeout=181", 422, "inactivity_timeout"),
        (
            "/v1/text-to-speech/default/multi-stream-input?enable_ssml_parsing=true",
            422,
            "enable_ssml_parsing",
        ),
        ("/v1/text-to-speech/default/stream-output", 404, None),
        ("/v1/text-to-speech/default/stream-input?from=10&output_format=pcm_24000", 422, "Idempotency-Key"),
        ("/v1/text-to-speech/default/stream-input?from=10&idempotency_key=k", 422, "output_format"),
        ("/v1/text-to-speech/default/stream-input?from=ten&idempotency_key=k", 422, "from"),
        ("/v1/text-to-speech/default/stream-input?idempotency_key=", 422, "Idempotency-Key"),
        ("/v1/text-to-speech/default/multi-stream-input?idempotency_key=k", 422, "Idempotency-Key"),
    ],
)
def test_what_is_wrong_is_refused_before_the_handshake(
    served: Served, path: str, status: int, param: str | None
) -> None:
    error = error_of(ask(served.client(), path))
    assert (error["status"], error["param"]) == (status, param)


def test_asked_without_an_upgrade_it_says_what_it_speaks(served: Served) -> None:
    assert error_of(served.client().ask(ONE))["status"] == 426


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("so", "malformed_body"),
        ("[]", "invalid_request"),
        ("[" * 100_000, "malformed_body"),
        ('{"text": 5}', "invalid_request"),
        ('{"flush": false}', "invalid_request"),
        ('{"text": "\\ud800"}', "malformed_body"),
        ('{"text": "a\\u0000"}', "invalid_request"),
        ('{"text": "so", "voice_settings": {"speed": 100}}', "invalid_request"),
        ('{"text": "' + "x" * 20_001 + '"}', "too_large"),
    ],
)
def test_a_message_that_means_nothing_ends_it_with_1008(served: Served, message: str, error: str) -> None:
    talker = Talker(served.client(), ONE)
    talker.send(message)
    told = talker.json()
    assert (told["error"], told["code"]) == (error, 1008)
    assert talker.close_code() == 1008


def test_more_text_than_a_request_may_have_is_not_kept(
    configure: Configure, served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), MANY)
    talker.send({"text": "for ever. ", "context_id": "a"})
    asked(engine, 1)
    for _ in range(26):
        talker.send({"text": "word. " * 3_300, "context_id": "a"})
    assert talker.json()["error"] == "too_large"
    assert talker.close_code() == 1008
    eventually(lambda: not threads())


def test_silence_ends_it_with_1008_but_not_while_it_speaks(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), ONE + "&inactivity_timeout=1")
    talker.send({"text": "for ever. "})
    asked(engine, 1)
    assert not engine.cancelled
    quiet = Talker(served.client(), ONE + "&inactivity_timeout=1")
    assert quiet.json()["error"] == "input_timeout_exceeded"
    assert quiet.close_code() == 1008
    assert not engine.cancelled, "who is spoken to may be silent"
    talker.vanish()
    eventually(lambda: engine.cancelled)


def test_a_client_that_vanishes_has_its_job_cancelled_and_leaves_no_thread(
    served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), MANY)
    for name in "ab":
        talker.send({"text": f"{name} for ever. ", "context_id": name})
    asked(engine, 2)
    talker.vanish()
    eventually(lambda: set(engine.cancelled) == set(engine.jobs))
    eventually(lambda: not served.listener._reserved and not threads())


def test_at_the_end_of_the_server_jobs_are_cancelled_and_the_close_is_1001(
    served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), ONE)
    talker.send({"text": "for ever. "})
    asked(engine, 1)
    stopping = threading.Thread(target=served.stop)
    stopping.start()
    assert talker.json()["error"] == "going_away"
    assert talker.close_code() == 1001
    assert set(engine.cancelled) == set(engine.jobs)
    talker.vanish()
    stopping.join()


@pytest.mark.parametrize(
    ("error", "code"), [(BackendFailed("no breath"), 1011), (InvalidRequest("nothing to say"), 1008)]
)
def test_a_failure_is_told_and_ends_the_only_context(
    served: Served, engine: PatientEngine, error: Exception, code: int
) -> None:
    engine.outcome = lambda _payload: error  # type: ignore[return-value]
    talker = Talker(served.client(), ONE)
    talker.send({"text": "so it is. "})
    told = talker.json()
    assert (told["message"], told["code"]) == (str(error), code)
    assert talker.close_code() == code


def test_one_of_several_contexts_may_fail(served: Served, engine: PatientEngine) -> None:
    engine.outcome = lambda payload: BackendFailed("no") if "fail" in payload["text"] else speech(payload)
    talker = Talker(served.client(), MANY)
    talker.send({"text": "fail. ", "context_id": "a"})
    failed, last = heard(talker)
    assert (failed["error"], failed["contextId"]) == ("backend_failed", "a")
    assert last == {"audio": None, "isFinal": True, "contextId": "a"}
    talker.send({"text": "nobody hears this. ", "context_id": "a"})
    talker.send({"text": "so it is. ", "context_id": "b", "flush": True})
    talker.send({"context_id": "b", "close_context": True})
    messages = heard(talker)
    assert {each["contextId"] for each in messages} == {"b"}
    assert audio(messages) == engine.samples.tobytes()


def test_what_was_flushed_is_spoken_though_its_context_be_closed(
    served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), MANY)
    talker.send({"text": " ", "context_id": "a", "voice_settings": {}})
    talker.send({"text": "so it is", "context_id": "a"})
    talker.send({"context_id": "a", "flush": True})
    talker.send({"context_id": "a", "close_context": True})
    messages = heard(talker)
    assert audio(messages) == engine.samples.tobytes()
    assert {each["contextId"] for each in messages} == {"a"}


@pytest.mark.parametrize("flushed", [False, True])
def test_what_was_not_flushed_is_cancelled_when_its_context_is_closed_and_all_the_second_time(
    served: Served, engine: PatientEngine, flushed: bool
) -> None:
    talker = Talker(served.client(), MANY)
    talker.send({"text": "for ever. and for ever. ", "context_id": "a", "flush": flushed})
    asked(engine, 1)
    for _ in range(1 + flushed):
        talker.send({"context_id": "a", "close_context": True})
    assert heard(talker) == [{"audio": None, "isFinal": True, "contextId": "a"}]
    assert len(engine.jobs) == 1
    assert set(engine.cancelled) == set(engine.jobs)


def test_contexts_are_spoken_side_by_side_and_a_name_can_be_used_again(
    served: Served, engine: PatientEngine
) -> None:
    talker = Talker(served.client(), MANY)
    talker.send({"text": "for ever. ", "context_id": "a", "flush": True})
    asked(engine, 1)
    talker.send({"text": "so it is. ", "context_id": "b", "flush": True})
    talker.send({"context_id": "b", "close_context": True})
    assert {each["contextId"] for each in heard(talker)} == {"b"}
    for _ in range(2):
        talker.send({"context_id": "a", "close_context": True})
    heard(talker)
    talker.send({"text": "so it is. ", "context_id": "a", "flush": True})
    talker.send({"context_id": "a", "close_context": True})
    assert audio(heard(talker)) == engine.samples.tobytes()


def test_an_empty_text_keeps_several_contexts_alive(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), MANY)
    talker.send({"text": ""})
    talker.send({"text": "so it ", "context_id": "a"})
    talker.send({"text": "", "context_id": "a"})
    talker.send({"context_id": "nobody", "close_context": True})
    talker.send({"text": "is", "context_id": "a", "flush": True})
    asked(engine, 1)
    assert engine.texts == ["so it is"]


def test_the_socket_is_closed_when_what_was_flushed_is_spoken(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), MANY)
    talker.send({"text": "so it is. ", "context_id": "a", "flush": True})
    talker.send({"text": "not spoken", "context_id": "b"})
    talker.send({"close_socket": True})
    talker.send({"text": "too late. ", "context_id": "c"})
    finals = [*heard(talker), *heard(talker)]
    assert audio(finals) == engine.samples.tobytes()
    assert talker.close_code() == 1000
    eventually(lambda: not threads())


def test_one_context_too_many_ends_it(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), MANY)
    for name in range(MOST_CONTEXTS + 1):
        talker.send({"text": " ", "context_id": str(name)})
    assert talker.json()["error"] == "queue_full"
    assert talker.close_code() == 1008


def test_a_text_of_thousands_of_tiny_pieces_is_one_text(served: Served, engine: PatientEngine) -> None:
    talker = Talker(served.client(), ONE)
    for _ in range(2_000):
        for piece in ("a", " "):
            talker.send({"text": piece})
    talker.send({"text": ""})
    messages = heard(talker)
    assert "".join(engine.texts).replace(" ", "") == "a" * 2_000
    assert audio(messages) == len(engine.texts) * engine.samples.tobytes()
    assert talker.close_code() == 1000
