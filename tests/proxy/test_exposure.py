"""A proxy that strangers reach does not start without a limit for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from servers.proxy.exposure import check_limits, is_public
from servers.settings import ROOT, Proxy, Settings, SettingsError

LIMITS = {"characters_per_day": 1_000, "recording_mb_per_day": 10}


@pytest.mark.parametrize(
    ("told", "public"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"public_url": "http://localhost:8080"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "192.168.1.5"}, True),
        ({"public_url": "https://speech.example.org"}, True),
    ],
)
def test_it_is_public_where_others_reach_it(told, public):
    assert is_public(Proxy(**told)) is public


def test_who_is_alone_needs_no_limit():
    check_limits("127.0.0.1", Settings(proxy=Proxy()))


@pytest.mark.parametrize("missing", [("characters_per_day",), ("recording_mb_per_day",), tuple(LIMITS)])
@pytest.mark.parametrize("reached", [{"host": "0.0.0.0"}, {"public_url": "https://speech.example.org"}])
def test_strangers_have_both_limits(missing, reached):
    given = {name: limit for name, limit in LIMITS.items() if name not in missing}
    with pytest.raises(SettingsError) as raised:
        check_limits("", Settings(proxy=Proxy(**given, **reached)))
    assert all(f"proxy.{name}" in str(raised.value) for name in missing)
    check_limits("", Settings(proxy=Proxy(**LIMITS, **reached)))


def test_strangers_who_may_start_the_machine_have_a_limit_for_that_too():
    reached = Proxy(**LIMITS, host="0.0.0.0", allow_start=True)
    with pytest.raises(SettingsError, match=r"set proxy\.starts_per_day, or let"):
        check_limits("", Settings(proxy=reached))
    check_limits("", Settings(proxy=reached.model_copy(update={"starts_per_day": 2})))


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SKYLARK_PROXY__HOST": "0.0.0.0"}, "with no limit for a visitor: set proxy.characters_per_day and"),
        ({"SKYLARK_PROXY__SERVER_CONFIG": "nowhere.json"}, "nowhere.json: No such file"),
        ({"TTS_API_KEY": "sesame\r\nX-Mine: 1"}, "TTS_API_KEY: Value error, has a line break"),
        ({"SKYLARK_PROXY__SECRET": "short"}, "proxy.secret: it has to have 16 characters or more"),
        ({"SKYLARK_PROXY__PUBLIC_URL": "ftp://x"}, "proxy.public_url: Value error, has to be as https://"),
        ({"SKYLARK_PROXY__ORIGINS": '["https://a.example/page"]'}, "is an origin, without a path"),
    ],
)
def test_it_refuses_to_start_in_one_line(tmp_path, variables, sentence):
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "SKYLARK_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "servers.proxy"],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("skylark: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "sesame" not in ended.stderr
