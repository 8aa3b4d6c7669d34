"""POST /voice-clone/batch, with a stand-in for the engine, and a web server on loopback."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from servers.finetune.app import create_app
from tests.jobs.stand_in_engine import RATE_HZ, StandInEngine
from tests.web.fixtures import Configure

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import BUCKET

PATH = "/voice-clone/batch"
LOOPBACK = '["127.0.0.0/8"]'


def wav(seconds: float = 2.0, level: float = 0.2) -> bytes:
    at = np.arange(round(seconds * 8_000)) / 8_000
    file = io.BytesIO()
    soundfile.write(file, level * np.sin(2 * np.pi * 200 * at), 8_000, format="WAV")
    return file.getvalue()


def asked(reference: bytes | str | None = None, **more: Any) -> dict[str, Any]:
    named = reference if isinstance(reference, str) else base64.b64encode(reference or wav()).decode()
    items = [
        {"text": "First.", "filename": "clone_001.wav"},
        {"text": "Second.", "filename": "clone_002.wav"},
    ]
    return {"ref_audio_url": named, "ref_text": "This is the reference.", "items": items} | more


@pytest.fixture
def site() -> Iterator[dict[str, bytes | str]]:
    """What a web server on loopback has: bytes, or where it sends on to. Its address is at ""."""
    pages: dict[str, bytes | str] = {}
    ended = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path, b"")
            if self.path == "/drips":  # a header without an end, until its client has gone
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
                with suppress(OSError):
                    while not ended.wait(0.05):
                        self.wfile.write(b"x")
                return
            self.send_response(302 if isinstance(page, str) else 200 if page else 404)
            if isinstance(page, str):
                self.send_header("Location", page)
            self.end_headers()
            self.wfile.write(b"" if isinstance(page, str) else page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    pages[""] = f"http://127.0.0.1:{server.server_port}"
    yield pages
    ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_texts_are_spoken_in_order_into_the_bucket(
    stored: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    first, second = stored.post(PATH, json=asked()).get_json()
    assert (first["s3_key"], first["text"]) == ("audio/voice_clone/clone_001.wav", "First.")
    assert second["presigned_url"].startswith(f"{store.url}/{BUCKET}/audio/voice_clone/clone_002.wav?")
    assert set(store.objects()) == {first["s3_key"], second["s3_key"]}
    one, other = engine.submitted
    assert (one["model"], one["payload"]["reference_text"]) == ("parrot", "This is the reference.")
    assert one["payload"]["reference_audio_path"] == other["payload"]["reference_audio_path"]
    assert not Path(one["payload"]["reference_audio_path"]).exists(), "it is gone once nobody needs it"
    assert stored.get("/ops/averages").get_json()["inference_voice_clone"]["count"] == 2


def test_what_is_in_the_bucket_is_spoken_again_only_where_that_is_wanted(
    stored: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    key = "audio/voice_clone/clone_001.wav"
    store.client.put_object(Bucket=BUCKET, Key=key, Body=b"before")
    first, second = stored.post(PATH, json=asked()).get_json()
    assert (first["s3_key"], first["skipped"], "skipped" in second) == (key, True, False)
    assert set(second) - {"duration_s", "finish_reason"} == set(first) - {"skipped"}
    assert [each["text"] for each in engine.payloads] == ["Second."]
    assert store.objects()[key] == b"before"
    stored.post(PATH, json=asked(overwrite=True))
    assert [each["text"] for each in engine.payloads] == ["First.", "Second."]
    assert store.objects()[key][:4] == b"RIFF"


def test_without_the_bucket_the_audio_is_in_the_reply(client: FlaskClient, engine: StandInEngine) -> None:
    first, _ = client.post(PATH, json=asked(upload_to_s3=False)).get_json()
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(first["audio"])))
    assert (rate, len(samples), first["text"]) == (RATE_HZ, RATE_HZ, "First.")
    assert client.post(PATH, json=asked()).get_json()["error"]["code"] == "bucket_not_configured"


@pytest.mark.parametrize("reference", ["base64", "data", "url", "redirected"])
def test_a_reference_is_sent_or_fetched(
    models: None, configure: Configure, engine: StandInEngine, site: dict[str, Any], reference: str
) -> None:
    configure(SKYLARK_FINETUNE__FETCH_NETWORKS=LOOPBACK)
    sent = base64.b64encode(wav()).decode()
    site |= {"/me.wav": wav(), "/moved": "/me.wav"}
    named = {"base64": sent, "data": f"data:audio/wav;base64,{sent}"}
    named |= {"url": f"{site['']}/me.wav", "redirected": f"{site['']}/moved"}
    client = create_app(engine).test_client()
    assert len(client.post(PATH, json=asked(named[reference], upload_to_s3=False)).get_json()) == 2


def test_only_public_addresses_are_fetched_from(
    client: FlaskClient, engine: StandInEngine, site: dict[str, Any]
) -> None:
    site["/me.wav"] = wav()
    for url in (
        f"{site['']}/me.wav",
        "http://localhost/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
    ):
        reply = client.post(PATH, json=asked(url, upload_to_s3=False))
        assert (reply.status_code, reply.get_json()["error"]["param"]) == (422, "ref_audio_url")
        assert "not on the public internet" in reply.get_json()["error"]["message"]
    assert not engine.jobs


@pytest.mark.parametrize(
    ("page", "says"),
    [("/none", "answered 404"), ("/round", "more than 5 times"), ("/inside", "not on the public internet"),
     ("/file", "http or https"), ("/text", "audio"), ("/odd", "no URL"), ("/drips", "longer than 2 s")],
)  # fmt: skip
def test_what_a_url_leads_to_has_to_be_a_recording(
    models: None, configure: Configure, engine: StandInEngine, site: dict[str, Any], page: str, says: str
) -> None:
    configure(SKYLARK_FINETUNE__FETCH_NETWORKS=LOOPBACK, SKYLARK_FINETUNE__FETCH_S="2")
    site |= {
        "/round": "/round",
        "/inside": "http://10.0.0.1/",
        "/odd": "http://[bad/",
        "/file": "file:///etc/passwd",
        "/text": b"no audio",
    }
    reply = create_app(engine).test_client().post(PATH, json=asked(f"{site['']}{page}", upload_to_s3=False))
    assert reply.status_code in (400, 415, 422)
    assert reply.get_json()["error"]["param"] == "ref_audio_url"
    assert says in reply.get_json()["error"]["message"]
    assert not engine.jobs


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (asked(wav(0.01)), "ref_audio_url"),
        (asked(wav(100.0)), "ref_audio_url"),
        (asked(wav(level=0.0)), "ref_audio_url"),
        (asked(wav(3_600.0)), "ref_audio_url"),
        (asked("!not base64"), "ref_audio_url"),
        (asked("HTTP://"), "ref_audio_url"),
        (asked("http://例え.jp/a.wav"), "ref_audio_url"),
        (asked("data:audio/wav,abc"), "ref_audio_url"),
        (asked(ref_text=" "), "ref_text"),
        (asked(items=[]), "items"),
        (asked(items=[{"text": "a", "filename": "x"}, {"text": "b", "filename": "x"}]), "items.1.filename"),
        (asked(speed=2), "speed"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_spoken(
    client: FlaskClient, engine: StandInEngine, body: dict[str, Any], param: str
) -> None:
    reply = client.post(PATH, json=body | {"upload_to_s3": False})
    assert reply.status_code in (400, 413, 422)
    assert reply.get_json()["error"]["param"] == param
    assert not engine.jobs


def test_the_timbre_alone_needs_no_words(client: FlaskClient, engine: StandInEngine) -> None:
    client.post(PATH, json=asked(ref_text="", use_xvec=True, upload_to_s3=False))
    assert engine.payloads[0]["x_vector_only"] is True
    assert "reference_text" not in engine.payloads[0]
