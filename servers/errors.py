"""The error tree: every failure that a client can see, with its code and its HTTP and gRPC status.

SkylarkError
├── InvalidRequest            the caller can mend it
│   ├── MalformedRequest      not HTTP/1.1
│   ├── MalformedBody         not JSON, not base64, not multipart
│   ├── RequestTimeout        did not come whole in time
│   ├── HeadersTooLarge
│   ├── UpgradeRequired       the path speaks WebSocket
│   ├── WrongHost             the proxy is asked by a name that is not its own
│   ├── UnsupportedAudio      not an audio file that can be read
│   ├── AudioTooLong
│   ├── InvalidDataset        no line of it can be trained with
│   ├── TooLarge              a body or a text over its limit
│   ├── RangeNotSatisfiable   bytes of a file that are beyond its end
│   ├── NoSuchFrame           of a session: it was not made yet
│   ├── UnknownModel          lists the known ones
│   ├── UnknownCheckpoint     lists the known ones
│   ├── UnknownSource         says which there are
│   └── UnknownVoice          lists some that exist
├── Unauthorized
├── Forbidden
│   ├── ForeignOrigin         a page of another origin asks the proxy
│   ├── ForgedRequest         without the token that the proxy gave its page
│   └── MayNotStart           the machine, which costs money
├── NotFound
│   ├── JobNotFound
│   └── SessionNotFound       of the streaming worker: it has ended, or another key has started it
├── MethodNotAllowed
├── Conflict
│   ├── NoMachine             that could be started
│   └── StreamReplaced        another stream has gone on with its session
├── QueueFull                 with retry_after_s
├── TooManySessions           of the streaming worker, open at the same time; with retry_after_s
├── AllowanceUsed             what a visitor of the page may have in a day; with retry_after_s
├── TooManyStreams            at the same time, of the page's or the worker's; with retry_after_s
├── EngineUnavailable         with retry_after_s
├── RegistryUnavailable       Redis does not say which workers there are; with retry_after_s
├── UpstreamFailed            what the proxy asks answered as no Skylark server does
│   ├── UpstreamUnreachable   with retry_after_s
│   └── UpstreamRefused       it does not take the proxy's key
├── PullFailed                a checkpoint did not arrive whole; says what to do
│   └── SourceUnreachable
├── UploadFailed              speech did not get into a bucket; says what to do, and whose audio is kept
│   ├── BucketNotConfigured   no bucket, or no credentials
│   └── BucketUnreachable     it does not answer, or is too busy
├── MissingExtra              names the extra, and the command that installs it
├── DeadlineExceeded
├── JobCancelled
├── JobExpired
└── BackendFailed             the model failed on good input
    ├── ModelLoadFailed
    ├── NothingRecognised     though the recording is loud
    ├── OutOfMemory           the device has not enough memory, even with everything else evicted
    ├── StorageFailed         the disk is full, or a file or folder of Skylark's own is not where it was
    ├── TimeLimitExceeded     it computed for longer than its length allows
    └── RunnerCrashed         the runner died, max_attempts times
"""

from __future__ import annotations

from typing import Any, ClassVar


class SkylarkError(Exception):
    """An error that travels unchanged from where it happened to the client.

    `message` is for people and names what is possible; `param` is the field at fault, if one is.
    """

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    def to_dict(self) -> dict[str, Any]:
        """The wire form: {"code", "message", "param"} and "retry_after_s" where there is one."""
        wire: dict[str, Any] = {"code": self.code, "message": self.message, "param": self.param}
        if self.retry_after_s is not None:
            wire["retry_after_s"] = self.retry_after_s
        return wire

    @staticmethod
    def from_dict(wire: dict[str, Any]) -> SkylarkError:
        """The error that `to_dict` described; an unknown code becomes a plain SkylarkError."""
        kind = BY_CODE.get(wire.get("code", ""), SkylarkError)
        return kind(wire["message"], param=wire.get("param"), retry_after_s=wire.get("retry_after_s"))


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


class InvalidRequest(SkylarkError):
    code = "invalid_request"
    http_status = 422
    grpc_status = "INVALID_ARGUMENT"


class MalformedRequest(InvalidRequest):
    code = "malformed_request"
    http_status = 400


class MalformedBody(InvalidRequest):
    code = "malformed_body"
    http_status = 400


class RequestTimeout(InvalidRequest):
    code = "request_timeout"
    http_status = 408


class HeadersTooLarge(InvalidRequest):
    code = "headers_too_large"
    http_status = 431


class UpgradeRequired(InvalidRequest):
    code = "upgrade_required"
    http_status = 426


class WrongHost(InvalidRequest):
    code = "wrong_host"
    http_status = 421


class UnsupportedAudio(InvalidRequest):
    code = "unsupported_audio"


class AudioTooLong(InvalidRequest):
    code = "audio_too_long"
    http_status = 413


class InvalidDataset(InvalidRequest):
    code = "invalid_dataset"
    http_status = 400


class TooLarge(InvalidRequest):
    code = "too_large"
    http_status = 413


class RangeNotSatisfiable(InvalidRequest):
    code = "range_not_satisfiable"
    http_status = 416


class NoSuchFrame(InvalidRequest):
    code = "no_such_frame"
    http_status = 416
    grpc_status = "OUT_OF_RANGE"


class UnknownModel(InvalidRequest):
    code = "unknown_model"
    grpc_status = "NOT_FOUND"


class UnknownCheckpoint(InvalidRequest):
    code = "unknown_checkpoint"


class UnknownSource(InvalidRequest):
    code = "unknown_source"


class UnknownVoice(InvalidRequest):
    code = "unknown_voice"
    grpc_status = "NOT_FOUND"


class Unauthorized(SkylarkError):
    code = "unauthorized"
    http_status = 401
    grpc_status = "UNAUTHENTICATED"


class Forbidden(SkylarkError):
    code = "forbidden"
    http_status = 403
    grpc_status = "FAILED_PRECONDITION"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"


class ForgedRequest(Forbidden):
    code = "forged_request"


class MayNotStart(Forbidden):
    code = "may_not_start"


class NotFound(SkylarkError):
    code = "not_found"
    http_status = 404
    grpc_status = "NOT_FOUND"


class JobNotFound(NotFound):
    code = "job_not_found"


class SessionNotFound(NotFound):
    code = "session_not_found"


class MethodNotAllowed(SkylarkError):
    code = "method_not_allowed"
    http_status = 405
    grpc_status = "UNIMPLEMENTED"


class Conflict(SkylarkError):
    code = "conflict"
    http_status = 409
    grpc_status = "FAILED_PRECONDITION"


class NoMachine(Conflict):
    code = "no_machine"


class StreamReplaced(Conflict):
    code = "stream_replaced"
    grpc_status = "ABORTED"


class QueueFull(SkylarkError):
    code = "queue_full"
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"


class TooManySessions(SkylarkError):
    code = "too_many_sessions"
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"


class AllowanceUsed(SkylarkError):
    code = "allowance_used"
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"


class TooManyStreams(SkylarkError):
    code = "too_many_streams"
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"


class EngineUnavailable(SkylarkError):
    code = "engine_unavailable"
    http_status = 503
    grpc_status = "UNAVAILABLE"


class RegistryUnavailable(SkylarkError):
    code = "registry_unavailable"
    http_status = 503
    grpc_status = "UNAVAILABLE"


class UpstreamFailed(SkylarkError):
    code = "upstream_failed"
    http_status = 502
    grpc_status = "UNAVAILABLE"


class UpstreamUnreachable(UpstreamFailed):
    code = "upstream_unreachable"
    http_status = 503


class UpstreamRefused(UpstreamFailed):
    code = "upstream_refused"


class PullFailed(SkylarkError):
    code = "pull_failed"
    http_status = 502
    grpc_status = "UNAVAILABLE"


class SourceUnreachable(PullFailed):
    code = "source_unreachable"
    http_status = 503


class UploadFailed(SkylarkError):
    code = "upload_failed"
    http_status = 502
    grpc_status = "UNAVAILABLE"


class BucketNotConfigured(UploadFailed):
    code = "bucket_not_configured"
    http_status = 503
    grpc_status = "FAILED_PRECONDITION"


class BucketUnreachable(UploadFailed):
    code = "bucket_unreachable"
    http_status = 503


class MissingExtra(SkylarkError):
    code = "missing_extra"
    http_status = 503
    grpc_status = "FAILED_PRECONDITION"


class DeadlineExceeded(SkylarkError):
    code = "deadline_exceeded"
    http_status = 504
    grpc_status = "DEADLINE_EXCEEDED"


class JobCancelled(SkylarkError):
    code = "job_cancelled"
    http_status = 409
    grpc_status = "CANCELLED"


class JobExpired(SkylarkError):
    code = "job_expired"
    http_status = 410
    grpc_status = "ABORTED"


class BackendFailed(SkylarkError):
    code = "backend_failed"


class ModelLoadFailed(BackendFailed):
    code = "model_load_failed"
    http_status = 503
    grpc_status = "UNAVAILABLE"


class NothingRecognised(BackendFailed):
    code = "nothing_recognised"
    http_status = 422
    grpc_status = "FAILED_PRECONDITION"


class OutOfMemory(BackendFailed):
    code = "out_of_memory"
    http_status = 503
    grpc_status = "RESOURCE_EXHAUSTED"


class StorageFailed(BackendFailed):
    code = "storage_failed"
    http_status = 507


class TimeLimitExceeded(BackendFailed):
    code = "time_limit_exceeded"
    http_status = 504
    grpc_status = "DEADLINE_EXCEEDED"


class RunnerCrashed(BackendFailed):
    code = "runner_crashed"


def _tree(kind: type[SkylarkError]) -> list[type[SkylarkError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in _tree(child))]


BY_CODE: dict[str, type[SkylarkError]] = {kind.code: kind for kind in _tree(SkylarkError)}
