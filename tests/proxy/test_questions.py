"""A look at the upstreams: it ends, whatever they do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from servers.proxy import upstream
from servers.proxy.answers import Fault, Health
from servers.proxy.questions import Looks
from servers.proxy.upstream import Upstreams
from servers.settings import settings

WITHIN_S = 20.0


@dataclass
class Names:
    """Names that are looked up once `known` is set."""

    asked: list[str] = field(default_factory=list)
    known: threading.Event = field(default_factory=threading.Event)

    def look_up(self, host: str, *options: object, **more: object) -> list:
        self.asked.append(host)
        assert self.known.wait(WITHIN_S)
        return self.real("127.0.0.1", *options, **more)

    real = staticmethod(socket.getaddrinfo)


@pytest.fixture
def names(monkeypatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(upstream.socket, "getaddrinfo", names.look_up)
    yield names
    names.known.set()
    for thread in threading.enumerate():
        if thread.name == "look":
            thread.join(WITHIN_S)


def of(configure, file, **urls: str) -> Upstreams:
    file.write_text(json.dumps(urls), encoding="utf-8")
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(file))
    return Upstreams.of(settings())


def test_a_look_ends_while_a_name_is_still_looked_up_and_asks_nobody_twice(
    configure, names, toy, config, stood_in
):
    away = f"http://away.test:{toy.port}"
    urls = {"server_url": away, "whisper_url": away, "jobs_url": away, "machine_url": away}
    looks = Looks(of(configure, config, **urls), 0.2)
    for _ in range(3):
        answers = looks()
        found = (answers.tts, answers.whisperx, answers.queue, answers.machine)
        assert found == (Fault.SILENT,) * 4
    assert len(names.asked) <= 4, "a question that has not ended is asked again"


def test_who_answers_late_is_heard_at_the_next_look(configure, names, toy, config, stood_in):
    url = f"http://away.test:{toy.port}"
    looks = Looks(of(configure, config, server_url=f"{url}/tts", whisper_url=f"{url}/whisperx"), 0.1)
    assert looks().tts is Fault.SILENT
    names.known.set()
    assert any(isinstance(looks().tts, Health) for _ in range(200))


def test_a_defect_is_no_silence(configure, monkeypatch, config, toy):
    looks = Looks(of(configure, config, server_url=toy.url, whisper_url=toy.url), WITHIN_S)
    monkeypatch.setattr("servers.proxy.questions._health", lambda door: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        looks()
