"""What the README prints is what works."""

from __future__ import annotations

import re
import shlex

import pytest

from servers.backends.base import default_task, parse_payload
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.cli import app, main_job, srv
from servers.cli.config import ClientConfig
from servers.errors import UnknownVoice
from servers.settings import ROOT
from servers.speech import Chunk, Speech

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def tones(home):
    (home / "tones.py").write_text(block("python"))
    (home / "models.yaml").write_text("backends:\n" + block("yaml"))
    backend = backend_class("tones", [home])
    loaded = backend()
    about = loaded.load(Catalog.load(home / "models.yaml").resolve("tones", "high"), "cpu")
    assert about.default_voice == "sine"
    return loaded


def test_the_tutorials_backend_speaks(tones):
    assert default_task(type(tones)) == "synthesize"
    request = parse_payload(type(tones), {"text": "one three"})
    *chunks, (_, speech) = tones.synthesize([request])
    assert [chunk.duration_s for _, chunk in chunks] == [0.25, 0.25]
    assert all(isinstance(chunk, Chunk) for _, chunk in chunks)
    assert isinstance(speech, Speech)
    assert [word.word for word in speech.words] == ["one", "three"]


def test_the_tutorials_backend_refuses_an_unknown_voice(tones):
    request = parse_payload(type(tones), {"text": "one", "voice": "x"})
    ((_, error),) = tones.synthesize([request])
    assert isinstance(error, UnknownVoice)


def test_the_curl_line_is_the_one_that_up_prints():
    printed = main_job.curl_line(ClientConfig(server_url="http://127.0.0.1:5000"))
    first = README[README.index("curl -sS") :].split("\n\n")[0].replace("\\\n", "")
    assert shlex.split(first) == shlex.split(printed)


def test_every_command_is_shown_and_no_other():
    shown = set(re.findall(r"^    skylark (\w+)", README, flags=re.MULTILINE))
    commands = {command.callback.__name__ for command in app.registered_commands}
    assert shown == commands - {"up"} | {group.name for group in app.registered_groups}


def test_every_srv_command_is_shown_and_no_other():
    shown = set(re.findall(r"^    skylark srv (\w+)", README, flags=re.MULTILINE))
    assert shown == {command.callback.__name__ for command in srv.app.registered_commands}


def test_every_script_that_is_named_is_there():
    for script in set(re.findall(r"scripts/([a-z]+)", README)):
        assert (ROOT / "scripts" / script).is_file()
