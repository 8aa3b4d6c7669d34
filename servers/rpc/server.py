"""The gRPC server: its services, health and reflection, TLS, and how it ends."""

from __future__ import annotations

import fcntl
import logging
import math
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servers.catalog import Catalog
from servers.cloned_voices import ClonedVoices
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.jobs.requests import Requests
from servers.rpc import skylark_pb2, skylark_pb2_grpc
from servers.rpc.publishing import registration
from servers.rpc.riva import riva_tts_pb2, riva_tts_pb2_grpc
from servers.rpc.riva.service import RivaService
from servers.rpc.service import Service
from servers.rpc.sessions import Sessions
from servers.rpc.threads import Server
from servers.rpc.voice_loudness import VoiceLoudness
from servers.settings import Rpc, Settings, SettingsError
from servers.trained_voices import TrainedVoices
from servers.web.keys import configured_keys
from servers.web.readiness import check_ready
from servers.web.serve import tcp_address

log = logging.getLogger(__name__)
TTS = skylark_pb2.DESCRIPTOR.services_by_name["TTS"].full_name
RIVA = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"].full_name
SERVICES = (TTS, RIVA)
LARGEST_MESSAGE = 4 * 1024 * 1024
LOOK_S = 1.0
"""How often it is looked whether the engine is ready, and whether a session is used still."""
HOLD_EVERY_S = 5.0
GRACE_S = 20.0
SPOKEN_WITHIN_S = 15.0
"""What is being said when the worker is told to end may go on for so long; the rest is the next worker's."""
OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.so_reuseport", 0),  # a second worker on the port is told so
    ("grpc.keepalive_time_ms", 20_000),  # a client that is gone without a word is found
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_concurrent_streams", 10_000),
)


class Worker:
    """Serves until it is told to stop. Raises SettingsError for what it cannot serve with."""

    def __init__(self, loaded: Settings) -> None:
        self._loaded, own = loaded, loaded.rpc
        self._engine = JobsClient(loaded.engine_socket, data_dir=loaded.data_dir)
        catalog = Catalog.load(loaded.models_file, TrainedVoices(loaded.data_dir))
        voices = ClonedVoices(loaded.data_dir, loaded.limits.max_cloned_voices)
        self.requests = Requests(self._engine, catalog, own, loaded.limits, voices, loaded.backends_path)
        loudness = VoiceLoudness(self.requests, loaded.data_dir, loaded.voicepacks_dir)
        self._folder = loaded.data_dir / "sessions" / quote(own.name, safe="")
        self.sessions = Sessions(
            self.requests, loudness, self._folder, own.max_concurrent_sessions, own.resume_s
        )
        keys = configured_keys(loaded)
        self.service = Service(self.requests, self.sessions, own, keys)
        self._health = health.aio.HealthServicer()
        self._server = Server(own.threads, OPTIONS)
        self._server.add(skylark_pb2_grpc.add_TTSServicer_to_server, self.service)
        self._server.add(
            riva_tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server,
            RivaService(self.requests, loudness, own, keys),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server.aio)
        reflection.enable_server_reflection(
            (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server.aio
        )
        self._registration = registration(own, self.service, self._is_ready)
        self._stopping = threading.Event()

    def bind(self) -> int:
        """The port. Raises SettingsError for one that is taken, and for certificates that are none."""
        own = self._loaded.rpc
        address = tcp_address(own.host, own.port)
        credentials = _credentials(own)
        try:
            if credentials is None:
                return int(self._server.aio.add_insecure_port(address))
            return int(self._server.aio.add_secure_port(address, credentials))
        except RuntimeError:
            raise SettingsError(f"rpc.port: {address} cannot be listened at: is it taken?") from None

    def serve(self) -> None:
        """Until `stop`. Raises SettingsError where another worker of that name has its sessions there."""
        with _alone(self._folder, self._loaded.rpc.name):
            self._serve()

    def _serve(self) -> None:
        self.sessions.recover()
        self._server.start()
        held_at = -math.inf
        log.info("serving", extra={"action": "start", "worker": self._loaded.rpc.name})
        if self._registration is not None:
            self._registration.start()
        while not self._stopping.wait(LOOK_S):
            is_ready = self._is_ready()
            self._tell_health(is_ready)
            self.sessions.end_unused()
            if is_ready and time.monotonic() - held_at > HOLD_EVERY_S:
                held_at = time.monotonic()
                self._hold_models()
        if self._registration is not None:
            self._registration.leave()
        self._server.do(self._health.enter_graceful_shutdown())
        self.requests.stop()
        self.sessions.leave_worker(SPOKEN_WITHIN_S)
        self._server.stop(GRACE_S)
        self.sessions.close()
        self._engine.close()

    def stop(self) -> None:
        """A signal may call it."""
        self._stopping.set()

    def _hold_models(self) -> None:
        try:
            self.sessions.hold_models()
        except SkylarkError as error:
            fields = {"action": "hold", "error": error.code}
            log.warning("the models of open sessions are not held: %s", error.message, extra=fields)

    def _is_ready(self) -> bool:
        try:
            check_ready(self.requests)
        except SkylarkError:
            return False
        return True

    def _tell_health(self, is_ready: bool) -> None:
        served = health_pb2.HealthCheckResponse
        status = served.SERVING if is_ready else served.NOT_SERVING
        for service in ("", *SERVICES):
            self._server.do(self._health.set(service, status))


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Or each of two would go on with the other's sessions, and end them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = (
                f"rpc.name: a worker called {name} runs already over this data_dir: call this one otherwise"
            )
            raise SettingsError(message) from None
        yield


def _credentials(own: Rpc) -> grpc.ServerCredentials | None:
    """None without TLS. Raises SettingsError."""
    if own.tls_certificate is None or own.tls_key is None:
        return None
    certificate, key = _read(own.tls_certificate, "tls_certificate"), _read(own.tls_key, "tls_key")
    authority = None if own.client_ca is None else _read(own.client_ca, "client_ca")
    _check_certificates(own)
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=authority, require_client_auth=authority is not None
    )


def _check_certificates(own: Rpc) -> None:
    """gRPC says of wrong ones only that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(_path(own.tls_certificate), _path(own.tls_key), password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        message = f"rpc.tls_certificate, rpc.tls_key: they are no certificate and its key, in PEM: {error}"
        raise SettingsError(message) from None
    if own.client_ca is not None:
        try:
            context.load_verify_locations(_path(own.client_ca))
        except ssl.SSLError as error:
            raise SettingsError(f"rpc.client_ca: no certificates, in PEM, are in it: {error}") from None


def _path(path: Path | None) -> Path:
    assert path is not None
    return path.expanduser()


def _read(path: Path, name: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise SettingsError(f"rpc.{name}: {path}: {error.strerror}") from None
