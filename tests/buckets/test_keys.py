from __future__ import annotations

from datetime import date

import pytest

from servers.buckets.keys import LONGEST_BYTES, check_key, new_key, owners_prefix
from servers.errors import InvalidRequest

PREFIX = "audio/alice/"


@pytest.mark.parametrize(
    ("configured", "owner", "prefix"),
    [
        ("audio/{owner}", "alice", "audio/alice/"),
        ("audio/{owner}", None, "audio/"),
        ("audio", "alice", "audio/"),
        ("{owner}/speech/", "alice", "alice/speech/"),
        ("", "alice", ""),
        ("/a//b/", None, "a/b/"),
        ("audio/{owner}", "../bob", "audio/..%2Fbob/"),
    ],
)
def test_each_owner_has_a_prefix(configured, owner, prefix):
    assert owners_prefix(configured, owner) == prefix


def test_a_new_key_has_the_day_and_the_job_in_it():
    assert new_key(PREFIX, date(2026, 11, 30), "7c0e", "mp3") == "audio/alice/2026-11-30/7c0e.mp3"


@pytest.mark.parametrize(
    "key",
    [
        "a.wav",
        "book/1/0001.wav",
        "Müller & Söhne (1).wav",
        "日本.wav",
        "😀.wav",
        "a b",
        "x..y",
        "...",
        "a\\b",
    ],
)
def test_a_client_may_choose(key):
    check_key(PREFIX + key, PREFIX, "s3.key")
    check_key(key, "", "s3.key")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "has to begin with 'audio/alice/'"),
        ("audio/alice/", "and to go on"),
        ("audio/bob/a.wav", "has to begin with"),
        ("/audio/alice/a.wav", "has to begin with"),
        ("audio/alice", "has to begin with"),
        ("audio/alice/../bob/a.wav", "'..'"),
        ("audio/alice/./a.wav", "'.'"),
        ("audio/alice/a//b.wav", "an empty part"),
        ("audio/alice/a/", "an empty part"),
        ("audio/alice/a\n.wav", "control character"),
        ("audio/alice/a\0", "control character"),
        ("audio/alice/a\x7f", "control character"),
        ("audio/alice/a\u2028", "control character"),
        ("audio/alice/a\ufffe", "control character"),
        ("audio/alice/a\ud800", "control character"),
        ("audio/alice/" + "a" * LONGEST_BYTES, f"at most {LONGEST_BYTES}"),
        ("audio/alice/" + "ü" * (LONGEST_BYTES // 2), f"at most {LONGEST_BYTES}"),
    ],
)
def test_a_client_may_not_choose(key, reason):
    with pytest.raises(InvalidRequest) as raised:
        check_key(key, PREFIX, "s3.keys.2")
    assert reason in raised.value.message
    assert raised.value.param == "s3.keys.2"


def test_a_key_of_the_longest_length_is_one():
    check_key(PREFIX + "a" * (LONGEST_BYTES - len(PREFIX)), PREFIX, "s3.key")
