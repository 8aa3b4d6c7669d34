"""A server that is asked over TLS: only one whose certificate is trusted hears the key."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.errors import UpstreamFailed, UpstreamUnreachable
from servers.proxy.upstream import Upstreams
from servers.settings import settings
from tests.proxy.conftest import KEY
from tests.proxy.toy_upstream import Toy, toy_upstream

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate, and is not installed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of localhost, by itself, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    command = [str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


@pytest.fixture
def toy(certificate: Path) -> Iterator[Toy]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with toy_upstream(context) as toy:
        yield toy


@pytest.fixture
def config(toy: Toy, tmp_path: Path, configure) -> Path:
    file = tmp_path / "server_config.json"
    file.write_text(json.dumps({"server_url": toy.url, "whisper_url": toy.url, "api_key": KEY}))
    configure(SKYLARK_PROXY__SERVER_CONFIG=str(file))
    return file


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(config, toy):
    with pytest.raises(UpstreamUnreachable, match="certificate verify failed"):
        Upstreams.of(settings()).tts.request("GET", "/health")
    assert toy.asked == []


def test_a_trusted_one_is_asked_with_the_key(config, toy, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = Upstreams.of(settings()).tts.request("GET", "/health")
    assert (answer.json(), toy.last().headers["x-api-key"]) == ({}, KEY)


def test_over_tls_a_call_can_be_aborted_too(config, toy, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    toy.does = lambda talk: (talk.head("audio/pcm"), talk.chunk(b"first"), talk.wait_until_gone())
    tts = Upstreams.of(settings()).tts
    with tts.call() as call:
        tts.send(call, "GET", "/", headers={}, body=None, timeout_s=20)
        chunks = call.chunks()
        assert next(chunks) == b"first"
        threading.Thread(target=call.abort).start()
        with pytest.raises(UpstreamFailed, match="nobody waits"):
            next(chunks)
    assert toy.last().gone.wait(20)
