"""What a worker says of itself: what its settings and its models both allow."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from servers.backends.base import About
from servers.rpc.publishing import address, described, offered, registration
from servers.settings import Rpc, SettingsError


def own(**settings: Any) -> Rpc:
    return Rpc.model_validate(settings)


@pytest.mark.parametrize(
    ("wanted", "spoken", "said"),
    [
        (None, ["en-US", "de"], ["de", "en-US"]),
        (("en", "fr"), ["en-US", "de"], ["en"]),
        (("EN-gb",), ["en-US"], ["EN-gb"]),
        (("fr",), ["en-US"], []),
        (("fr",), [], ["fr"]),
        (None, [], []),
    ],
)
def test_of_the_languages_that_are_wanted_those_are_offered_that_a_model_speaks(wanted, spoken, said):
    assert offered(wanted, [About(languages=(language,)) for language in spoken]) == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "127.0.0.1", "port": 7005}, "127.0.0.1:7005"),
        ({"host": "::1"}, "[::1]:7002"),
        ({"host": "0.0.0.0"}, f"{socket.gethostname()}:7002"),
        ({"host": "0.0.0.0", "advertise": "gpu.example.org:443"}, "gpu.example.org:443"),
    ],
)
def test_its_address_is_one_at_which_clients_reach_it(settings, said):
    assert address(own(**settings)) == said


def test_its_load_is_the_share_of_its_sessions_that_are_open():
    capabilities = {
        "streaming": True,
        "zero_shot": False,
        "lora": False,
        "cpu_ok": True,
        "languages": ["en"],
        "max_concurrent_sessions": 3,
        "sessions": 2,
        "device": "cpu",
    }
    said = described(capabilities, [], is_ready=False)
    assert (said["status"], said["sessions"], said["load"]) == ("not_ready", 2, 0.6667)
    assert "device" not in said["capabilities"]


def test_without_a_redis_there_is_no_registration():
    assert registration(own(), None, lambda: True) is None


def test_a_redis_that_cannot_be_is_refused_by_the_name_of_its_setting():
    with pytest.raises(SettingsError, match=r"rpc\.redis_url"):
        registration(own(redis_url="redis://here:no-port"), None, lambda: True)
