"""skylark smoke, against stand-ins that answer as good servers do, or not."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from servers.cli.smoke_checks import SENTENCE

from .stand_in_servers import refusal

CHECKS = ["ready", "speaks", "hears", "aligns", "keys", "refuses"]
READY = (200, {}, {"status": "ready"})
UNAUTHORIZED = refusal(401, "unauthorized", "a valid API key is needed")
WORDS = [
    {"word": word, "start": n / 2, "end": n / 2 + 0.4, "score": 1} for n, word in enumerate(SENTENCE.split())
]


def spoken(level: float = 0.5) -> tuple:
    file = io.BytesIO()
    soundfile.write(file, np.full(32_000, level), 16_000, format="WAV")
    result = {"text": SENTENCE, "audio": base64.b64encode(file.getvalue()).decode()}
    return 200, {}, {"results": [result], "job_ids": ["j"]}


@pytest.fixture
def good(configured):
    """Answers each of the requests, in their order."""
    configured.replies["/ready"] = [READY, READY]
    configured.replies["/generate_batch"] = [
        spoken(), UNAUTHORIZED, UNAUTHORIZED, refusal(422, "invalid_request", "no texts", "texts"),
    ]  # fmt: skip
    configured.replies["/transcribe"] = [(200, {}, {"text": SENTENCE.lower(), "words": []})]
    configured.replies["/align"] = [(200, {}, {"words": WORDS})]
    return configured


def outcome(result) -> dict[str, str]:
    return {line.split()[3]: line.split()[0] for line in result.stdout.splitlines()}


def test_servers_that_do_what_they_are_for_pass(run, good):
    result = run("smoke")
    assert result.exit_code == 0, result.stdout
    assert outcome(result) == dict.fromkeys(CHECKS, "ok")


def test_the_keys_are_tried_without_one_and_with_a_wrong_one(run, good):
    run("smoke")
    sent = [headers.get("X-API-Key") for path, _, headers in good.requests if path == "/generate_batch"]
    assert sent == ["key of the file", None, "skylark-smoke-has-no-key", "key of the file"]


def test_a_header_goes_with_each_request_also_with_those_that_have_a_wrong_key(run, good):
    result = run("smoke", "--header", "X-Skylark-Place: green")
    assert result.exit_code == 0, result.stdout
    assert {headers.get("X-Skylark-Place") for _, _, headers in good.requests} == {"green"}


@pytest.mark.parametrize("header", ["green", ": green", "X-Skylark-Place:", "X-Place: a\r\nX-Other: b"])
def test_what_is_no_header_is_refused_before_anything_is_asked(run, good, header):
    result = run("smoke", "--header", header)
    assert result.exit_code == 2
    assert good.requests == []


@pytest.mark.parametrize(
    ("path", "place", "reply", "failed"),
    [
        ("/generate_batch", 0, spoken(level=0.0), "speaks"),
        ("/generate_batch", 1, spoken(), "keys"),
        ("/generate_batch", 2, spoken(), "keys"),
        ("/generate_batch", 3, spoken(), "refuses"),
        ("/generate_batch", 3, refusal(422, "invalid_request", "no voice", "voice"), "refuses"),
        ("/transcribe", 0, (200, {}, {"text": "something else"}), "hears"),
        ("/align", 0, (200, {}, {"words": WORDS[1:]}), "aligns"),
        ("/align", 0, (200, {}, {"words": [WORDS[0] | {"start": 9.0}, *WORDS[1:]]}), "aligns"),
        ("/ready", 1, refusal(503, "engine_unavailable", "not yet"), "ready"),
    ],
)
def test_each_check_can_fail_and_the_others_are_made_all_the_same(run, good, path, place, reply, failed):
    good.replies[path][place] = reply
    result = run("smoke")
    assert result.exit_code == 1
    assert outcome(result) == dict.fromkeys(CHECKS, "ok") | {failed: "FAILED"}
    assert result.stderr == f"skylark: failed: {failed}\n"


def test_what_was_not_spoken_is_neither_heard_nor_aligned(run, good):
    good.replies["/generate_batch"][0] = refusal(500, "backend_failed", "no voice left")
    result = run("smoke")
    assert outcome(result) == dict.fromkeys(CHECKS, "ok") | dict.fromkeys(
        ["speaks", "hears", "aligns"], "FAILED"
    )
    assert "no voice left" in result.stdout


def test_servers_without_keys_are_said_to_be_so(run, good, home):
    (home / "server_config.json").write_text(f'{{"server_url": "{good.url}", "whisper_url": "{good.url}"}}')
    good.replies["/generate_batch"][1:3] = [spoken(), spoken()]
    result = run("smoke")
    assert result.exit_code == 0, result.stdout
    assert "none is needed here" in result.stdout


def test_it_waits_for_servers_that_are_not_ready_yet(run, good):
    good.replies["/ready"].insert(0, refusal(503, "engine_unavailable", "not yet"))
    assert run("smoke", "--wait", "30").exit_code == 0


def test_a_word_error_rate_can_be_allowed(run, good):
    good.replies["/transcribe"] = [(200, {}, {"text": SENTENCE.replace("Oxford", "Ox ford")})]
    assert run("smoke", "--most-wrong", "0.3").exit_code == 0
