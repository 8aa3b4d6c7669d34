from __future__ import annotations

import json
from pathlib import Path

import pytest

from servers.cli import config
from servers.cli.config import ClientConfig, ConfigError
from servers.settings import ROOT


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
        ('{"server_url": 5000}', "server_url: Input should be a valid string"),
        ('{"server_url": "gpu:5000"}', "server_url: Value error, must start with http:// or https://"),
        ('{"server_ulr": "http://x"}', "unknown key server_ulr; known are server_url, whisper_url, api_key"),
        ("[]", "Input should be a valid dictionary"),
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


def test_a_file_that_was_named_has_to_exist(home):
    with pytest.raises(ConfigError, match=r"missing\.json: No such file"):
        config.load(home / "missing.json")


def test_the_example_is_a_good_file():
    config.load(ROOT / "config" / "server_config.example.json")
