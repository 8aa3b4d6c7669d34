"""worker.yaml: every key of the seed arrives as a setting, and what cannot be is refused by its name."""

from __future__ import annotations

import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from servers.engine.inbox import TICK_S
from servers.settings import ROOT, Settings, SettingsError, settings
from servers.worker_config import LOOKS_EVERY_MS, WorkerConfig, read

SEED = """
worker:
  name: "tts-worker-0"
  grpc_host: "0.0.0.0"
  grpc_port: 7002
  capabilities:
    streaming: true
    zero_shot: true
    lora: false
    cpu_ok: false
    languages: ["en"]
    max_concurrent_sessions: 3
model_manager:
  default_model_id: "cosyvoice2-en-base"
  preload_model_ids: []
  ttl_ms: 600000
  min_residency_ms: 120000
  evict_check_interval_ms: 30000
  resident_cap: 3
  max_parallel_loads: 1
  warmup_enabled: true
  warmup_text: "This is a warmup test."
audio:
  output_sample_rate: 48000
  frame_duration_ms: 20
  loudness_target_lufs: -16.0
  normalization_enabled: true
redis:
  url: "redis://localhost:6379"
  registration_ttl_seconds: 30
  heartbeat_interval_seconds: 10
logging:
  level: "INFO"
  format: "json"
  include_session_id: true
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    yield
    settings.cache_clear()


def written(folder: Path, key: str | None = None, value: Any = None) -> Path:
    """The seed's file, with one value changed; `key` is as "model_manager.ttl_ms"."""
    content = yaml.safe_load(SEED)
    if key is not None:
        *above, name = key.split(".")
        section = content
        for part in above:
            section = section[part]
        section[name] = value
    path = folder / "worker.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def config(folder: Path, key: str | None = None, value: Any = None, **environment: str) -> WorkerConfig:
    return read(written(folder, key, value), environment)


def meant(monkeypatch: pytest.MonkeyPatch, found: WorkerConfig, *, needs_gpu: bool = False) -> Settings:
    """The settings of the worker's processes."""
    for name, value in found.variables(needs_gpu=needs_gpu).items():
        monkeypatch.setenv(name, value)
    return settings()


@pytest.mark.parametrize(
    ("key", "value", "setting", "is_"),
    [
        ("worker.name", "cellar", "rpc.name", "cellar"),
        ("worker.grpc_host", "::1", "rpc.host", "::1"),
        ("worker.grpc_port", 7100, "rpc.port", 7100),
        ("worker.capabilities.streaming", False, "rpc.streaming", False),
        ("worker.capabilities.zero_shot", False, "rpc.zero_shot", False),
        ("worker.capabilities.lora", True, "rpc.lora", True),
        ("worker.capabilities.languages", ["de", "en"], "rpc.languages", ("de", "en")),
        ("worker.capabilities.max_concurrent_sessions", 12, "rpc.max_concurrent_sessions", 12),
        ("model_manager.ttl_ms", 1500, "engine.keep_alive_s", 1.5),
        ("model_manager.ttl_ms", None, "engine.keep_alive_s", 0),
        ("model_manager.min_residency_ms", 2500, "engine.min_residency_s", 2.5),
        ("model_manager.resident_cap", 5, "engine.max_models", 5),
        ("model_manager.max_parallel_loads", 2, "engine.max_parallel_loads", 2),
        ("model_manager.warmup_text", "Hello.", "engine.warmup_text", "Hello."),
        ("model_manager.warmup_enabled", False, "engine.warmup_text", None),
        ("audio.loudness_target_lufs", -23.0, "rpc.loudness_lufs", -23.0),
        ("audio.normalization_enabled", False, "rpc.loudness", "none"),
        ("redis.registration_ttl_seconds", 60, "rpc.registration_ttl_s", 60),
        ("redis.heartbeat_interval_seconds", 5, "rpc.heartbeat_s", 5),
        ("logging.level", "DEBUG", "log_level", "DEBUG"),
        ("logging.include_session_id", False, "rpc.log_session_id", False),
    ],
)
def test_each_key_arrives_as_a_setting(monkeypatch, tmp_path, key, value, setting, is_):
    usual = attrgetter(setting)(meant(monkeypatch, config(tmp_path)))
    assert usual != is_
    settings.cache_clear()
    assert attrgetter(setting)(meant(monkeypatch, config(tmp_path, key, value))) == is_


def test_redis_arrives_with_its_password_and_none_is_none(monkeypatch, tmp_path):
    found = meant(monkeypatch, config(tmp_path, "redis.url", "redis://:secret@cache:6380/1"))
    assert found.rpc.redis_url.get_secret_value() == "redis://:secret@cache:6380/1"
    assert "SKYLARK_RPC__REDIS_URL" not in config(tmp_path, "redis.url", None).variables(needs_gpu=False)


@pytest.mark.parametrize(
    ("cpu_ok", "needs_gpu", "device"), [(False, True, "cuda:0"), (False, False, "auto"), (True, True, "auto")]
)
def test_without_cpu_ok_a_model_that_computes_on_gpus_is_not_left_to_a_cpu(
    monkeypatch, tmp_path, cpu_ok, needs_gpu, device
):
    found = config(tmp_path, "worker.capabilities.cpu_ok", cpu_ok)
    assert meant(monkeypatch, found, needs_gpu=needs_gpu).engine.device == device


def test_the_engine_looks_for_idle_models_at_least_as_often_as_any_interval_asks():
    assert TICK_S * 1000 <= LOOKS_EVERY_MS


def test_the_seeds_file_and_ours_have_the_same_keys():
    def keys(content: Any) -> Any:
        return {name: keys(value) for name, value in content.items()} if isinstance(content, dict) else None

    ours = (ROOT / "config" / "worker.yaml").read_text()
    assert keys(yaml.safe_load(ours)) == keys(yaml.safe_load(SEED))
    assert read(ROOT / "config" / "worker.yaml", {}).worker.name == "tts-worker-0"


def test_what_is_left_out_is_as_the_seed_has_it(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text("model_manager: {default_model_id: cosyvoice2-en-base}")
    assert read(path, {}) == config(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("worker.grpc_prot", 7002, "there is no such key"),
        ("nothing", {}, "there is no such key"),
        ("worker.name", "a b", "pattern"),
        ("worker.grpc_port", 70_000, "65535"),
        ("worker.grpc_port", "soon", "integer"),
        ("worker.capabilities.languages", [], "at least 1"),
        ("worker.capabilities.max_concurrent_sessions", 0, "greater than or equal to 1"),
        ("model_manager.default_model_id", None, "string"),
        ("model_manager.ttl_ms", 0, "greater than or equal to 1"),
        ("model_manager.min_residency_ms", -1, "greater than or equal to 0"),
        ("model_manager.evict_check_interval_ms", 10, "greater than or equal to 1000"),
        ("model_manager.resident_cap", 0, "greater than or equal to 1"),
        ("model_manager.max_parallel_loads", 0, "greater than or equal to 1"),
        ("model_manager.warmup_enabled", "often", "boolean"),
        ("model_manager.warmup_text", "", "at least 1"),
        ("audio.output_sample_rate", 44_100, "48000"),
        ("audio.frame_duration_ms", 10, "20"),
        ("audio.loudness_target_lufs", 3, "less than or equal to -5"),
        ("redis.url", "http://cache", "redis://localhost:6379"),
        ("redis.registration_ttl_seconds", 0, "greater than or equal to 1"),
        ("logging.level", "loud", "'DEBUG'"),
        ("logging.format", "text", "'json'"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path, key, value, said):
    with pytest.raises(SettingsError, match=rf"worker\.yaml: {re.escape(key)}: .*{re.escape(said)}"):
        config(tmp_path, key, value)


def test_a_heartbeat_that_comes_too_late_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"redis: .*heartbeat_interval_seconds has to be shorter"):
        config(tmp_path, "redis.heartbeat_interval_seconds", 30)


def test_the_default_model_has_to_be_named(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("model_manager: {ttl_ms: 1}")
    with pytest.raises(SettingsError, match=r"model_manager\.default_model_id: is missing"):
        read(path, {})


@pytest.mark.parametrize(
    ("own", "name", "port"),
    [
        ("tts-worker-0", "tts-worker-2", 7004),
        ("tts-worker-3", "tts-worker-3", 7002),
        ("tts-worker-3", "tts-worker-5", 7004),
        ("tts-worker-0", "cellar", 7002),
    ],
)
def test_several_are_started_from_one_file_by_their_names(tmp_path, own, name, port):
    found = config(tmp_path, "worker.name", own, WORKER_NAME=name).worker
    assert (found.name, found.grpc_port) == (name, port)


@pytest.mark.parametrize("name", ["tts worker", "../elsewhere", "tts-worker-99999"])
def test_a_name_that_cannot_be_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="WORKER_NAME"):
        config(tmp_path, WORKER_NAME=name)


def test_the_log_level_of_the_environment_wins(monkeypatch, tmp_path):
    assert meant(monkeypatch, config(tmp_path, LOG_LEVEL="debug")).log_level == "DEBUG"
    with pytest.raises(SettingsError, match="LOG_LEVEL"):
        config(tmp_path, LOG_LEVEL="loud")
