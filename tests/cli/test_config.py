from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers.cli import config
from servers.cli.failures import ConfigError, WrongUsage
from servers.server_config import ClientConfig
from servers.settings import ROOT
from tests.supervision.appliances import Appliances


def write(path: Path, **content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_without_a_file_the_servers_are_on_localhost():
    assert config.load() == ClientConfig(
        server_url="http://localhost:5000", whisper_url="http://localhost:5001", api_key=None
    )


def test_the_first_of_option_variable_working_folder_and_home_is_read(home, monkeypatch):
    write(home / ".config" / "skylark" / "server_config.json", server_url="http://home")
    assert config.load().server_url == "http://home"
    write(home / "server_config.json", server_url="http://here")
    assert config.load().server_url == "http://here"
    monkeypatch.setenv("SKYLARK_SERVER_CONFIG", str(write(home / "a.json", server_url="http://variable")))
    assert config.load().server_url == "http://variable"
    assert config.load(write(home / "b.json", server_url="http://option")).server_url == "http://option"


def test_the_key_in_the_environment_wins_over_the_file(home, monkeypatch):
    path = write(home / "a.json", api_key="of the file")
    assert config.load(path).api_key == "of the file"
    monkeypatch.setenv("TTS_API_KEY", "of the environment")
    assert config.load(path).api_key == "of the environment"
    assert config.load().api_key == "of the environment"


def test_an_empty_key_in_the_environment_is_none(home, monkeypatch):
    monkeypatch.setenv("TTS_API_KEY", "")
    assert config.load(write(home / "a.json", api_key="of the file")).api_key == "of the file"


def test_a_slash_at_the_end_of_a_url_does_not_count(home):
    assert config.load(write(home / "a.json", server_url="https://x/tts/")).server_url == "https://x/tts"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"server_url": 5000}', "server_url: has to be text"),
        ('{"server_url": "gpu:5000"}', "server_url: gpu:5000 has to start with http:// or https://"),
        (
            '{"server_ulr": "http://x"}',
            "unknown key server_ulr; known are server_url, whisper_url, api_key, machine_url, jobs_url",
        ),
        ('{"jobs_url": "gpu:5002"}', "jobs_url: gpu:5002 has to start with http:// or https://"),
        ('{"api_key": 5000}', "api_key: has to be text"),
        ('{"api_key": "sesame\\n"}', "api_key: has a line break"),
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_a_bad_file_is_named_with_its_key(home, content, complaint):
    path = home / "a.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"a\.json: ") as raised:
        config.load(path)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "sesame" not in str(raised.value), "a key is in the message"


def test_a_key_of_the_environment_that_no_header_can_carry_is_named_and_not_said(home, monkeypatch):
    monkeypatch.setenv("TTS_API_KEY", "sesame\nopen")
    for ask in (config.load, config.known_key):
        with pytest.raises(ConfigError, match="TTS_API_KEY: has a line break") as raised:
            ask()
        assert "sesame" not in str(raised.value)


def test_a_file_that_was_named_has_to_exist(home):
    with pytest.raises(ConfigError, match=r"missing\.json: No such file"):
        config.load(home / "missing.json")


def test_the_example_is_a_good_file():
    config.load(ROOT / "config" / "server_config.example.json")


# where a command looks


@pytest.mark.parametrize(
    ("server", "urls"),
    [
        ("http://gpu:7000", ("http://gpu:7000", "http://gpu:7001")),
        ("http://[::1]:7000/", ("http://[::1]:7000", "http://[::1]:7001")),
        (
            "https://speech.example.com",
            ("https://speech.example.com/tts", "https://speech.example.com/whisperx"),
        ),
        ("https://a.b:443/speech/", ("https://a.b:443/speech/tts", "https://a.b:443/speech/whisperx")),
    ],
)
def test_a_server_is_a_port_and_the_next_or_a_path_for_each(server, urls):
    found = config.load(server=server)
    assert (found.server_url, found.whisper_url) == urls


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("gpu:7000", "--server: gpu:7000 has to start with http://"),
        ("http://gpu:x", "--server: http://gpu:x is no URL: Port could not"),
    ],
)
def test_a_server_that_is_no_url_is_wrong_usage(server, says):
    with pytest.raises(WrongUsage, match=says):
        config.load(server=server)


def test_a_named_server_gets_no_key_of_a_file_that_is_another_servers(home):
    write(home / "server_config.json", api_key="of the file")
    assert config.load(server="http://gpu:7000").api_key is None
    with pytest.raises(WrongUsage, match="not both"):
        config.load(home / "server_config.json", "http://gpu:7000")


@pytest.fixture
def appliances(home):
    with Appliances(home) as appliances:
        yield appliances


def test_the_appliance_of_this_checkout_is_found_from_any_folder(appliances):
    appliances.start(7000)
    found = config.load()
    assert (found.server_url, found.whisper_url) == ("http://127.0.0.1:7000", "http://127.0.0.1:7001")


def test_a_file_wins_over_what_runs(appliances, home):
    appliances.start(7000)
    assert config.load(write(home / "a.json", server_url="http://named")).server_url == "http://named"
    write(home / "server_config.json", server_url="http://here")
    assert config.load().server_url == "http://here"


def test_one_of_another_checkout_is_not_taken_for_ours(appliances):
    appliances.start(7000, checkout="/another")
    assert config.load() == ClientConfig()


def test_of_two_of_this_checkout_none_is_guessed(appliances):
    appliances.start(7000)
    appliances.start(7100)
    with pytest.raises(
        WrongUsage, match=r"--server http://127.0.0.1:7000 .*--server http://127.0.0.1:7100 "
    ) as why:
        config.load()
    assert "\n" not in str(why.value)
    assert config.load(server="http://127.0.0.1:7100").server_url == "http://127.0.0.1:7100"


def test_the_data_dir_of_the_environment_says_which_is_meant(appliances, monkeypatch):
    appliances.start(7000)
    monkeypatch.setenv("SKYLARK_DATA_DIR", appliances.start(7100).data_dir)
    assert config.load().server_url == "http://127.0.0.1:7100"
