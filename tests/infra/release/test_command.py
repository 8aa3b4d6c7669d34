"""The command: what it refuses before it does anything, and how it smokes."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer import Typer
from typer.testing import CliRunner

pytest.importorskip("moto", reason="moto is not installed")

from moto import mock_aws

from release.__main__ import release
from release.begin import weights
from release.faults import Refused
from release.names import of
from release.smoke import smoke

NEEDED = ("APPLIANCE", "START_FUNCTION", "TABLE_NAME", "RELEASE_PARAMETER", "HOLD_PARAMETER", "SERVICE_URL")
NEEDED += ("RECEPTION_TARGET_GROUP", "REPOSITORY_URL")
VARIABLES = dict.fromkeys(NEEDED, "speech") | {"ROUTES": "[]"}


@pytest.fixture
def run(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TTS_API_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    app = Typer()
    app.command()(release)
    with mock_aws():
        yield lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["skylark:next", "--back"], "give IMAGE, --back or --resume"),
        (["--back", "--resume"], "give IMAGE, --back or --resume"),
        (["skylark:next"], "there is no appliance speech here: no function skylark-speech-start"),
    ],
)
def test_what_cannot_be_done_is_refused_with_2(run, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_a_key_for_the_smoke_test_it_does_not_begin(run, monkeypatch):
    monkeypatch.delenv("TTS_API_KEY")
    result = run("skylark:next")
    assert result.exit_code == 2
    assert "TTS_API_KEY is not set" in result.stderr


@pytest.mark.parametrize("text", ["", "50", "100,50", "0,100", "10,10,100", "ten,100", "50,100,120"])
def test_steps_are_rising_percentages_up_to_100(text):
    with pytest.raises(Refused, match="rising percentages"):
        weights(text)
    assert weights("10,50,100") == (10, 50, 100)


@pytest.mark.parametrize("option", [[], ["--in-place"], ["--side-by-side"]])
@pytest.mark.parametrize("fits", ["true", "false"])
def test_it_is_in_place_where_the_gpu_has_no_memory_for_two_and_says_so(run, monkeypatch, fits, option):
    wishes = []
    monkeypatch.setattr("release.names.read", lambda *_: of(VARIABLES | {"GPU_FITS_TWO": fits}))
    monkeypatch.setattr("release.__main__.run", lambda wish, *_: wishes.append(wish))
    result = run("skylark:next", *option)
    assert result.exit_code == 0, result.output
    (wish,) = wishes
    assert wish.in_place == (option == ["--in-place"] or (not option and fits == "false"))
    assert result.stdout.startswith("in place: " if wish.in_place else "side by side: ")


def test_an_older_infra_is_told_by_what_it_lacks():
    with pytest.raises(Refused, match=r"APPLIANCE, START_FUNCTION, .*run terraform apply"):
        of({"TABLE_NAME": "skylark-speech"})


class Balancer:
    """Answers each request with 503, and keeps which place was asked for."""

    def __enter__(self) -> Balancer:
        self.places: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.places.append(self.headers.get("X-Skylark-Place"))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = json.dumps({"error": {"code": "unavailable", "message": "it loads"}}).encode()
                self.send_response(503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/balancer"
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def test_a_place_that_does_not_answer_fails_the_real_smoke_test_which_asks_for_it_by_the_header():
    with Balancer() as balancer:
        fault = smoke(balancer.url, "green")
    assert fault == "its smoke test has failed: skylark smoke ended with 1"
    assert {*balancer.places} == {"green"}
