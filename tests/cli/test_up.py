"""What `up` refuses before it starts anything, and what it says; tests/acceptance runs it for real."""

from __future__ import annotations

import os
import shlex
import socket
from hashlib import sha256

import pytest

from servers.cli import main_job
from servers.cli.appliance import sole_user
from servers.cli.output import CommandFailed
from servers.server_config import ClientConfig
from servers.settings import settings


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """`up` writes ports into the environment, for all that it starts: undone after each test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ["SKYLARK_DATA_DIR"] = str(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_is_said_in_one_line_with_the_option(run, taken):
    result = run("up", "--port-base", taken)
    assert result.exit_code == 1
    assert result.stderr == (
        f"skylark: port {taken} (tts): Address already in use: "
        "end what uses it, or choose other ports with --port-base N\n"
    )


def test_the_second_port_is_looked_at_too(run, taken):
    assert f"port {taken} (whisperx): Address already in use" in run("up", "--port-base", taken - 1).stderr


def test_the_pages_port_is_looked_at_too(run, taken):
    assert f"port {taken} (proxy): Address already in use" in run("up", "--port-base", taken - 10).stderr


@pytest.mark.parametrize("base", ["0", "65535", "many"])
def test_a_port_that_cannot_be_is_wrong_usage(run, base):
    assert run("up", "--port-base", base).exit_code == 2


def test_a_second_up_on_the_same_data_names_the_first(run, tmp_path, taken):
    with sole_user(tmp_path):
        result = run("up", "--port-base", taken)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"skylark: another `skylark up` (process {os.getpid()}) uses {tmp_path}: "
    )


def test_the_lock_is_free_again_afterwards(tmp_path):
    with sole_user(tmp_path), pytest.raises(CommandFailed), sole_user(tmp_path):
        pass
    with sole_user(tmp_path):
        pass


def test_a_bad_setting_is_one_line_naming_it(run):
    os.environ["SKYLARK_ENGINE__MAX_QUEUED"] = "many"
    result = run("up")
    assert result.exit_code == 2
    assert "engine.max_queued" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_models_file_is_one_line_naming_it(run):
    os.environ["SKYLARK_MODELS_FILE"] = "/nonexistent/models.yaml"
    result = run("up")
    assert result.exit_code == 2
    assert result.stderr == "skylark: /nonexistent/models.yaml: No such file or directory (models_file)\n"


def test_with_hashed_keys_alone_it_asks_for_a_key(run):
    os.environ["SKYLARK_API_KEYS"] = f"alice:{sha256(b'x').hexdigest()}"
    result = run("up")
    assert result.exit_code == 1
    assert "set TTS_API_KEY" in result.stderr


def test_other_ports_have_a_data_dir_of_their_own_unless_one_is_named(run, tmp_path, taken):
    own = tmp_path / "own"
    os.environ["SKYLARK_DATA_DIR"] = str(own)
    run("up", "--port-base", taken)
    assert own.is_dir()
    assert settings().data_dir == own
    assert (settings().tts.port, settings().whisperx.port) == (taken, taken + 1)
    assert settings().proxy.port == taken + 10


def test_the_curl_line_has_a_key_only_if_one_is_needed_and_never_shows_it():
    line = main_job.curl_line(ClientConfig(server_url="http://127.0.0.1:7100"))
    assert shlex.split(line)[:3] == ["curl", "-sS", "http://127.0.0.1:7100/generate_batch"]
    assert "X-API-Key" not in line
    line = main_job.curl_line(ClientConfig(api_key="secret"))
    assert '-H "X-API-Key: $TTS_API_KEY"' in line
    assert "secret" not in line


def test_the_page_is_invited_to_where_there_is_one(capsys):
    client, urls = ClientConfig(), {"tts": "http://127.0.0.1:5000"}
    main_job.invite(client, urls, "http://127.0.0.1:5010")
    assert capsys.readouterr().out.splitlines()[-1] == "page  http://127.0.0.1:5010"
    main_job.invite(client, urls, None)
    assert "page" not in capsys.readouterr().out


def test_the_example_is_a_paragraph_of_60_to_120_words_with_a_number_and_a_name():
    text = main_job.EXAMPLE.read_text()
    assert 60 <= len(text.split()) <= 120
    assert "96" in text
    assert "Martha" in text
