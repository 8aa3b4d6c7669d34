from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from servers.cli.client import Servers
from servers.cli.failures import MachineOff, Unreachable
from servers.cli.transport import ATTEMPTS, LONGEST_PAUSE_S
from servers.errors import DeadlineExceeded, EngineUnavailable, QueueFull, SkylarkError, UnknownVoice
from servers.server_config import ClientConfig

from .stand_in_servers import refusal

BUSY = refusal(429, "queue_full", "10 jobs are queued", Retry_After="7")


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def servers(server, pauses):
    config = ClientConfig(server_url=server.url, whisper_url=server.url, api_key="secret")
    with Servers(config, pause=pauses.append) as servers:
        yield servers


def test_the_key_is_sent(server, servers):
    servers.speak(["Hello."])
    assert server.requests[0][2]["X-API-Key"] == "secret"


def test_each_text_comes_with_its_place(server, servers):
    server.unspeakable.add("Two.")
    (first, one), (second, two) = servers.speak_each(["One.", "Two."], voice="anna", language=None)
    assert (first, one["text"], second, two["error"]["message"]) == (0, "One.", 1, "no breath")
    assert "index" not in one
    _path, body, headers = server.requests[0]
    assert json.loads(body) == {"texts": ["One.", "Two."], "voice": "anna"}
    assert headers["Accept"] == "application/x-ndjson, application/json"


def test_a_line_of_any_length_is_read_whole(server, servers):
    long = "x" * 300_000
    assert [result["text"] for _, result in servers.speak_each([long, "short", long])] == [
        long,
        "short",
        long,
    ]


def test_what_came_before_an_answer_broke_off_is_given(server, servers):
    server.broken_off = True
    results = servers.speak_each(["One."])
    assert next(results)[1]["text"] == "One."
    with pytest.raises(SkylarkError, match="broke off"):
        next(results)


def test_a_refusal_is_raised_where_lines_were_asked_for(server, servers):
    server.replies["/generate_batch"] = [refusal(422, "unknown_voice", "try anna", "voice")]
    with pytest.raises(UnknownVoice):
        next(servers.speak_each(["One."]))


def test_a_busy_server_is_asked_again_when_it_says(server, servers, pauses):
    server.replies["/generate_batch"] = [
        BUSY,
        refusal(503, "engine_unavailable", "starting", Retry_After="2"),
    ]
    assert servers.speak(["Hello."])["model"] == "m"
    assert pauses == [7.0, 2.0]


def test_a_server_that_stays_busy_is_given_up(server, servers, pauses):
    server.replies["/generate_batch"] = [BUSY] * ATTEMPTS
    with pytest.raises(QueueFull, match="10 jobs are queued"):
        servers.speak(["Hello."])
    assert len(server.requests) == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1


def test_no_pause_is_longer_than_the_limit(server, servers, pauses):
    server.replies["/generate_batch"] = [refusal(429, "queue_full", "full", Retry_After="86400")]
    servers.speak(["Hello."])
    assert pauses == [LONGEST_PAUSE_S]


def test_without_retry_after_there_is_one_attempt(server, servers, pauses):
    server.replies["/generate_batch"] = [refusal(503, "engine_unavailable", "down")]
    with pytest.raises(EngineUnavailable):
        servers.speak(["Hello."])
    assert pauses == []


def test_a_machine_that_is_off_is_not_waited_for_in_silence(server, servers, pauses):
    server.replies["/generate_batch"] = [
        refusal(503, "machine_off", "the machine is off, and starts: 140 s left", Retry_After="140")
    ]
    with pytest.raises(MachineOff, match=r"140 s left; the same command with --start-gpu waits"):
        servers.speak(["Hello."])
    assert pauses == []


def test_the_servers_error_arrives_as_it_was(server, servers):
    server.replies["/generate_batch"] = [refusal(422, "unknown_voice", "try anna", "voice")]
    with pytest.raises(UnknownVoice, match="try anna") as raised:
        servers.speak(["Hello."])
    assert raised.value.param == "voice"


@pytest.mark.parametrize("status", [200, 502])
def test_something_else_that_answers_is_said_to_be_something_else(server, servers, status):
    server.replies["/health"] = [(status, {}, "<html>a proxy</html>")]
    with pytest.raises(SkylarkError, match=f"answered {status} .* not as a Skylark server does"):
        servers.get(f"{server.url}/health")


def test_no_server_is_unreachable(server, servers):
    server.close()
    with pytest.raises(Unreachable, match=f"{server.url}/health cannot be reached: .*refused"):
        servers.get(f"{server.url}/health")
    server.__init__()  # for the fixture to close


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_never_answers_is_not_waited_for_any_longer(servers, silent):
    with pytest.raises(DeadlineExceeded, match=f"^{silent}/health did not answer in time$"):
        servers.get(f"{silent}/health", timeout_s=0.1)


@pytest.mark.parametrize(
    "url", ["http://", "http://localhost:99999", "http://[::1", "http://a b", "http://a..b"]
)
def test_what_is_not_a_url_is_said_in_one_line(servers, url):
    with pytest.raises(Unreachable) as raised:
        servers.get(f"{url}/health")
    assert str(raised.value).startswith(f"{url}/health is not a URL: ")
    assert len(str(raised.value).splitlines()) == 1


def test_the_key_is_not_taken_elsewhere_by_a_redirect(server, servers):
    server.replies["/health"] = [(302, {"Location": f"{server.url}/elsewhere"}, {})]
    with pytest.raises(SkylarkError, match="answered 302"):
        servers.get(f"{server.url}/health")
    assert [path for path, _, _ in server.requests] == ["/health"]


def test_a_password_in_netrc_is_not_sent(server, servers, home):
    (home / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    servers.get(f"{server.url}/health")
    assert "Authorization" not in server.requests[0][2]


def test_localhost_is_asked_without_the_proxy_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Servers(ClientConfig(server_url=server.url)) as servers:
        assert servers.speak(["Hello."])["model"] == "m"
