from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SessionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNKNOWN: _ClassVar[SessionState]
    IDLE: _ClassVar[SessionState]
    SPEAKING: _ClassVar[SessionState]
    PAUSED: _ClassVar[SessionState]
    ENDED: _ClassVar[SessionState]
UNKNOWN: SessionState
IDLE: SessionState
SPEAKING: SessionState
PAUSED: SessionState
ENDED: SessionState

class StartSessionRequest(_message.Message):
    __slots__ = ("session_id", "voice", "model", "language", "loudness", "application_id", "priority", "speed")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LOUDNESS_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    voice: str
    model: str
    language: str
    loudness: Loudness
    application_id: str
    priority: int
    speed: float
    def __init__(self, session_id: _Optional[str] = ..., voice: _Optional[str] = ..., model: _Optional[str] = ..., language: _Optional[str] = ..., loudness: _Optional[_Union[Loudness, _Mapping]] = ..., application_id: _Optional[str] = ..., priority: _Optional[int] = ..., speed: _Optional[float] = ...) -> None: ...

class Loudness(_message.Message):
    __slots__ = ("method", "target")
    class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DEFAULT: _ClassVar[Loudness.Method]
        VOICE: _ClassVar[Loudness.Method]
        INTEGRATED: _ClassVar[Loudness.Method]
        RMS: _ClassVar[Loudness.Method]
        NONE: _ClassVar[Loudness.Method]
    DEFAULT: Loudness.Method
    VOICE: Loudness.Method
    INTEGRATED: Loudness.Method
    RMS: Loudness.Method
    NONE: Loudness.Method
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    method: Loudness.Method
    target: float
    def __init__(self, method: _Optional[_Union[Loudness.Method, str]] = ..., target: _Optional[float] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("session_id", "voice", "model", "sample_rate", "samples_per_frame", "resume_within_ms")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PER_FRAME_FIELD_NUMBER: _ClassVar[int]
    RESUME_WITHIN_MS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    voice: str
    model: str
    sample_rate: int
    samples_per_frame: int
    resume_within_ms: int
    def __init__(self, session_id: _Optional[str] = ..., voice: _Optional[str] = ..., model: _Optional[str] = ..., sample_rate: _Optional[int] = ..., samples_per_frame: _Optional[int] = ..., resume_within_ms: _Optional[int] = ...) -> None: ...

class SynthesizeRequest(_message.Message):
    __slots__ = ("opening", "text")
    OPENING_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    opening: Opening
    text: Text
    def __init__(self, opening: _Optional[_Union[Opening, _Mapping]] = ..., text: _Optional[_Union[Text, _Mapping]] = ...) -> None: ...

class Opening(_message.Message):
    __slots__ = ("session_id", "from_frame", "ahead_ms")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FRAME_FIELD_NUMBER: _ClassVar[int]
    AHEAD_MS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    from_frame: int
    ahead_ms: int
    def __init__(self, session_id: _Optional[str] = ..., from_frame: _Optional[int] = ..., ahead_ms: _Optional[int] = ...) -> None: ...

class Text(_message.Message):
    __slots__ = ("text", "flush")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    text: str
    flush: bool
    def __init__(self, text: _Optional[str] = ..., flush: _Optional[bool] = ...) -> None: ...

class SynthesizeResponse(_message.Message):
    __slots__ = ("opened", "frame", "stopped")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    opened: Opened
    frame: Frame
    stopped: Stopped
    def __init__(self, opened: _Optional[_Union[Opened, _Mapping]] = ..., frame: _Optional[_Union[Frame, _Mapping]] = ..., stopped: _Optional[_Union[Stopped, _Mapping]] = ...) -> None: ...

class Opened(_message.Message):
    __slots__ = ("from_frame", "texts")
    FROM_FRAME_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    from_frame: int
    texts: int
    def __init__(self, from_frame: _Optional[int] = ..., texts: _Optional[int] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("number", "audio", "words", "utterance", "last", "padding")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    number: int
    audio: bytes
    words: _containers.RepeatedCompositeFieldContainer[Word]
    utterance: int
    last: bool
    padding: int
    def __init__(self, number: _Optional[int] = ..., audio: _Optional[bytes] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., utterance: _Optional[int] = ..., last: _Optional[bool] = ..., padding: _Optional[int] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("word", "start_ms", "end_ms")
    WORD_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    word: str
    start_ms: int
    end_ms: int
    def __init__(self, word: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class Stopped(_message.Message):
    __slots__ = ("next_frame",)
    NEXT_FRAME_FIELD_NUMBER: _ClassVar[int]
    next_frame: int
    def __init__(self, next_frame: _Optional[int] = ...) -> None: ...

class ControlRequest(_message.Message):
    __slots__ = ("session_id", "action")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[ControlRequest.Action]
        PAUSE: _ClassVar[ControlRequest.Action]
        RESUME: _ClassVar[ControlRequest.Action]
        STOP: _ClassVar[ControlRequest.Action]
    UNSPECIFIED: ControlRequest.Action
    PAUSE: ControlRequest.Action
    RESUME: ControlRequest.Action
    STOP: ControlRequest.Action
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    action: ControlRequest.Action
    def __init__(self, session_id: _Optional[str] = ..., action: _Optional[_Union[ControlRequest.Action, str]] = ...) -> None: ...

class ControlResponse(_message.Message):
    __slots__ = ("state", "next_frame")
    STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_FRAME_FIELD_NUMBER: _ClassVar[int]
    state: SessionState
    next_frame: int
    def __init__(self, state: _Optional[_Union[SessionState, str]] = ..., next_frame: _Optional[int] = ...) -> None: ...

class EndSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class EndSessionResponse(_message.Message):
    __slots__ = ("frames", "audio_s")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    frames: int
    audio_s: float
    def __init__(self, frames: _Optional[int] = ..., audio_s: _Optional[float] = ...) -> None: ...

class WatchSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class SessionEvent(_message.Message):
    __slots__ = ("kind", "state", "next_frame", "utterance", "message")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NOTHING: _ClassVar[SessionEvent.Kind]
        STATE: _ClassVar[SessionEvent.Kind]
        CONNECTED: _ClassVar[SessionEvent.Kind]
        DISCONNECTED: _ClassVar[SessionEvent.Kind]
        UTTERANCE_STARTED: _ClassVar[SessionEvent.Kind]
        UTTERANCE_ENDED: _ClassVar[SessionEvent.Kind]
        STOPPED: _ClassVar[SessionEvent.Kind]
        FAILED: _ClassVar[SessionEvent.Kind]
    NOTHING: SessionEvent.Kind
    STATE: SessionEvent.Kind
    CONNECTED: SessionEvent.Kind
    DISCONNECTED: SessionEvent.Kind
    UTTERANCE_STARTED: SessionEvent.Kind
    UTTERANCE_ENDED: SessionEvent.Kind
    STOPPED: SessionEvent.Kind
    FAILED: SessionEvent.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_FRAME_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: SessionEvent.Kind
    state: SessionState
    next_frame: int
    utterance: int
    message: str
    def __init__(self, kind: _Optional[_Union[SessionEvent.Kind, str]] = ..., state: _Optional[_Union[SessionState, str]] = ..., next_frame: _Optional[int] = ..., utterance: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("model", "state", "is_default", "languages", "voices", "sample_rate", "vram_mb", "pinned", "sessions", "error")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    VOICES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    VRAM_MB_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    model: str
    state: str
    is_default: bool
    languages: _containers.RepeatedScalarFieldContainer[str]
    voices: _containers.RepeatedScalarFieldContainer[str]
    sample_rate: int
    vram_mb: int
    pinned: bool
    sessions: int
    error: str
    def __init__(self, model: _Optional[str] = ..., state: _Optional[str] = ..., is_default: _Optional[bool] = ..., languages: _Optional[_Iterable[str]] = ..., voices: _Optional[_Iterable[str]] = ..., sample_rate: _Optional[int] = ..., vram_mb: _Optional[int] = ..., pinned: _Optional[bool] = ..., sessions: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("worker", "version", "streaming", "zero_shot", "lora", "cpu_ok", "languages", "max_concurrent_sessions", "sessions", "models", "sample_rate", "frame_ms", "device")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    ZERO_SHOT_FIELD_NUMBER: _ClassVar[int]
    LORA_FIELD_NUMBER: _ClassVar[int]
    CPU_OK_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    FRAME_MS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    worker: str
    version: str
    streaming: bool
    zero_shot: bool
    lora: bool
    cpu_ok: bool
    languages: _containers.RepeatedScalarFieldContainer[str]
    max_concurrent_sessions: int
    sessions: int
    models: _containers.RepeatedScalarFieldContainer[str]
    sample_rate: int
    frame_ms: int
    device: str
    def __init__(self, worker: _Optional[str] = ..., version: _Optional[str] = ..., streaming: _Optional[bool] = ..., zero_shot: _Optional[bool] = ..., lora: _Optional[bool] = ..., cpu_ok: _Optional[bool] = ..., languages: _Optional[_Iterable[str]] = ..., max_concurrent_sessions: _Optional[int] = ..., sessions: _Optional[int] = ..., models: _Optional[_Iterable[str]] = ..., sample_rate: _Optional[int] = ..., frame_ms: _Optional[int] = ..., device: _Optional[str] = ...) -> None: ...
