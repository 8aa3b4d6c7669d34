from __future__ import annotations

import os
import re
import sys
from hashlib import sha256
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from servers.settings import ROOT, Settings, SettingsError, settings
from servers.settings.variables import GPU_VARIABLES, SEED_VARIABLES

FILE = ROOT / "config" / "skylark.yaml"
DIGEST = sha256(b"key").hexdigest()


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Each test reads the settings anew, with nothing of the caller's environment."""
    for name in list(os.environ):
        if name.startswith(("SKYLARK_", "TTS_", "E2E_")) or name in ("AWS_REGION", *GPU_VARIABLES):
            monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def defaults(model: type[BaseModel]) -> dict[str, object]:
    """Every setting with its default, as YAML would have it."""
    values = {
        name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()
    }
    return {
        name: value.model_dump(mode="json")
        if isinstance(value, BaseModel)
        else str(value)
        if name in PATHS
        else value
        for name, value in values.items()
    }


PATHS = ("data_dir", "models_file", "voicepacks_dir", "checkpoints_file")


def test_the_file_has_every_setting_with_its_default():
    assert yaml.safe_load(FILE.read_text()) == defaults(Settings)


def test_every_setting_or_the_section_that_it_is_in_has_a_comment():
    commented, uncommented = False, []
    for previous, line in zip(
        ["", *FILE.read_text().splitlines()], FILE.read_text().splitlines(), strict=False
    ):
        key = re.match(r"( *)([a-z_]+):", line)
        if not key:
            continue
        has_comment = previous.lstrip().startswith("#")
        if not key[1]:
            commented = has_comment
            section = key[2]
        if not has_comment and not commented and line != f"{section}:":
            uncommented.append(f"{section}.{key[2]}")
    assert uncommented == []


def test_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("SKYLARK_TTS__PORT", "7000")
    monkeypatch.setenv("SKYLARK_DATA_DIR", str(tmp_path))
    loaded = settings()
    assert (loaded.tts.port, loaded.whisperx.port) == (7000, 5001)
    assert loaded.tts.model_type == ("piper", "espeak")
    assert loaded.data_dir == tmp_path


@pytest.mark.parametrize(
    ("text", "names"), [("espeak", ("espeak",)), ("qwen3_tts, espeak", ("qwen3_tts", "espeak"))]
)
def test_a_server_may_have_one_model_or_several(monkeypatch, text, names):
    monkeypatch.setenv("SKYLARK_TTS__MODEL_TYPE", text)
    assert settings().tts.model_type == names


def test_a_model_is_of_a_single_backend(monkeypatch):
    monkeypatch.setenv("SKYLARK_TTS__MODEL", "voices")
    with pytest.raises(SettingsError, match="model_type has piper, espeak"):
        settings()


def test_seed_002s_variables_are_settings_and_every_one_of_ours_wins_over_them(monkeypatch):
    values = {
        "DEVICE": "cuda:1",
        "GPU_IDLE_TIMEOUT": "600",
        "GPU_MAX_MODELS": "1",
        "GPU_MAX_CONCURRENCY": "16",
    }
    assert values.keys() == GPU_VARIABLES.keys()
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    engine = Settings().engine
    assert (engine.device, engine.keep_alive_s, engine.max_models) == ("cuda:1", 600.0, 1)
    assert engine.max_concurrency_per_model == 16
    monkeypatch.setenv("TTS_DEVICE", "cpu")
    monkeypatch.setenv("SKYLARK_ENGINE__MAX_MODELS", "2")
    assert (Settings().engine.device, Settings().engine.max_models) == ("cpu", 2)


@pytest.mark.parametrize("variable", ["LOG_LEVEL", "API_KEY", "HUB_URL"])
def test_a_variable_without_our_prefix_is_somebody_elses(monkeypatch, tmp_path, variable):
    file = tmp_path / "skylark.yaml"
    file.write_text("{log_level: ERROR, api_key: a key, hub_url: http://here}")
    monkeypatch.setenv("SKYLARK_CONFIG", str(file))
    monkeypatch.setenv(variable, "of another program")
    assert (settings().log_level, settings().api_key, settings().hub_url) == ("ERROR", "a key", "http://here")


@pytest.mark.parametrize(
    ("variable", "name"),
    [("SKYLARK_LOG_LEVEL", "log_level"), ("TTS_API_KEY", "api_key"), ("HF_ENDPOINT", "hub_url")],
)
def test_a_variable_of_ours_wins_over_a_file_that_has_the_same(monkeypatch, tmp_path, variable, name):
    file = tmp_path / "skylark.yaml"
    file.write_text("{log_level: ERROR, api_key: a key, hub_url: http://here}")
    monkeypatch.setenv("SKYLARK_CONFIG", str(file))
    monkeypatch.setenv(variable, "WARNING")
    assert getattr(settings(), name) == "WARNING"


def test_relative_paths_start_at_the_root(monkeypatch):
    monkeypatch.setenv("SKYLARK_DATA_DIR", "elsewhere")
    assert settings().data_dir == ROOT / "elsewhere"
    assert settings().engine_socket == ROOT / "elsewhere" / "engine.sock"


@pytest.mark.parametrize(
    ("platform", "cache", "folder"),
    [
        ("linux", None, "home/.cache/skylark/models"),
        ("linux", "xdg", "xdg/skylark/models"),
        ("darwin", "xdg", "home/Library/Caches/skylark/models"),
    ],
)
def test_checkouts_share_checkpoints_where_the_platform_has_its_caches(
    monkeypatch, tmp_path, platform, cache, folder
):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(
        "XDG_CACHE_HOME", str(tmp_path / cache) if cache else "relative"
    )  # which is to be ignored
    assert settings().models_folder == tmp_path / folder


def test_models_dir_wins_over_the_shared_folder(monkeypatch):
    monkeypatch.setenv("SKYLARK_MODELS_DIR", "var/models")
    assert settings().models_folder == ROOT / "var" / "models"


def test_who_has_no_home_keeps_checkpoints_in_the_checkout(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    assert settings().models_folder == ROOT / "var" / "models"


def test_the_engines_socket_can_be_elsewhere(monkeypatch):
    monkeypatch.setenv("SKYLARK_ENGINE__SOCKET", "/tmp/my.sock")
    assert settings().engine_socket == Path("/tmp/my.sock")


def test_keys_come_as_pairs_of_id_and_hash(monkeypatch):
    monkeypatch.setenv("SKYLARK_API_KEYS", f"alice:{DIGEST}, bob:{DIGEST.upper()}")
    assert settings().api_keys == {"alice": DIGEST, "bob": DIGEST}


def test_a_single_plain_key_has_the_name_that_users_know(monkeypatch):
    monkeypatch.setenv("TTS_API_KEY", "key")
    assert settings().api_key == "key"


def test_the_keys_of_e2es_store_alone_mean_its_bucket_and_its_address(monkeypatch):
    assert (settings().s3.bucket, settings().s3.endpoint_url) == (None, None)
    settings.cache_clear()
    monkeypatch.setenv("E2E_ACCESS_KEY", "your_key")
    monkeypatch.setenv("E2E_SECRET_KEY", "your_secret")
    s3 = settings().s3
    assert s3.access_key.get_secret_value() == "your_key"
    assert s3.secret_key.get_secret_value() == "your_secret"
    assert (s3.bucket, s3.endpoint_url) == ("qwen3-tts", "https://objectstore.e2enetworks.net")
    assert "your_" not in repr(settings())


def test_the_store_can_be_named_in_each_way_and_the_nearest_wins(monkeypatch, tmp_path):
    file = tmp_path / "skylark.yaml"
    file.write_text("s3: {bucket: of-the-file, endpoint_url: http://file, region: of-the-file}")
    monkeypatch.setenv("SKYLARK_CONFIG", str(file))
    monkeypatch.setenv("E2E_ACCESS_KEY", "key")
    monkeypatch.setenv("E2E_SECRET_KEY", "secret")
    monkeypatch.setenv("E2E_ENDPOINT_URL", "http://e2e")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    s3 = settings().s3
    assert (s3.bucket, s3.endpoint_url, s3.region) == ("of-the-file", "http://e2e", "eu-central-1")
    settings.cache_clear()
    monkeypatch.setenv("E2E_BUCKET", "e2e")
    monkeypatch.setenv("SKYLARK_S3__ENDPOINT_URL", "http://ours")
    assert (settings().s3.bucket, settings().s3.endpoint_url) == ("e2e", "http://ours")


@pytest.mark.parametrize(
    ("variable", "value", "read", "meant"),
    [
        ("TTS_DEVICE", "cuda", "engine.device", "cuda"),
        ("TTS_DTYPE", "float16", "engine.dtype", "float16"),
        ("TTS_PRELOAD_MODELS", "true", "engine.preload_models", True),
        ("TTS_MAX_CONCURRENCY_PER_MODEL", "2", "engine.max_concurrency_per_model", 2),
        ("TTS_SCALABLE_MODE", "false", "tts.scalable_mode", False),
        ("TTS_MAX_QUEUE_SIZE", "3", "tts.max_queue_size", 3),
        ("TTS_OUTPUT_MODE", "file", "tts.output_mode", "file"),
        ("TTS_OUTPUT_DIR", "elsewhere", "generated_audio", ROOT / "elsewhere"),
        ("TTS_ENABLE_CACHE", "1", "tts.enable_cache", True),
        ("TTS_CACHE_SIZE", "7", "tts.cache_size", 7),
        ("TTS_MAX_TEXT_LENGTH", "50", "tts.max_text_length", 50),
        ("TTS_DEFAULT_SAMPLE_RATE", "16000", "tts.default_sample_rate", 16_000),
        ("TTS_LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
        ("SKYLARK_LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
    ],
)
def test_seed_003s_variables_are_settings(monkeypatch, variable, value, read, meant):
    monkeypatch.setenv(variable, value)
    assert attrgetter(read)(settings()) == meant


def test_seed_003s_defaults_are_the_settings_defaults():
    """Its table has `auto` for the device and the dtype; as many as the model takes work at once here."""
    tts, engine = settings().tts, settings().engine
    assert (engine.device, engine.dtype, engine.preload_models) == ("auto", "auto", False)
    assert (tts.scalable_mode, tts.max_queue_size, engine.max_concurrency_per_model) == (True, 32, None)
    assert (tts.output_mode, tts.enable_cache, tts.cache_size) == ("base64", False, 32)
    assert (tts.max_text_length, tts.default_sample_rate, settings().log_level) == (600, 24_000, "INFO")
    assert settings().generated_audio == ROOT / "var" / "generated_audio"


def test_the_short_variable_wins_over_the_long_one_and_leaves_the_rest_of_its_section(monkeypatch):
    monkeypatch.setenv("TTS_CACHE_SIZE", "7")
    monkeypatch.setenv("SKYLARK_TTS__CACHE_SIZE", "8")
    monkeypatch.setenv("SKYLARK_TTS__PORT", "7000")
    assert (settings().tts.cache_size, settings().tts.port) == (7, 7000)


def test_a_short_variable_that_is_empty_is_not_set(monkeypatch):
    for variable in SEED_VARIABLES:
        monkeypatch.setenv(variable, "")
    assert settings() == Settings()
    assert settings().tts.output_dir is None


def test_every_short_variable_is_in_the_documentation():
    table = (ROOT / "docs" / "configuration.md").read_text()
    others = ("TTS_LOG_LEVEL", "TTS_HF_MIRROR", "HF_TOKEN", "HF_HOME", "TTS_API_KEY")
    assert [name for name in (*SEED_VARIABLES, *others) if f"| `{name}`" not in table] == []


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("TTS_MAX_QUEUE_SIZE", "many", "tts.max_queue_size"),
        ("TTS_OUTPUT_MODE", "tape", "tts.output_mode.*'base64' or 'file'"),
        ("TTS_DTYPE", "int8", "engine.dtype"),
        ("SKYLARK_TTS__PORT", "many", "tts.port"),
        ("SKYLARK_TTS__PROT", "7000", "tts.PROT|tts.prot"),
        ("SKYLARK_ENGINE__MAX_MODELS", "1.5", "engine.max_models"),
        ("SKYLARK_WEB__ALLOW_ANONYMOUS", "perhaps", "web.allow_anonymous"),
        ("SKYLARK_API_KEYS", "alice:abc", "api_keys: .*'alice'.* 64 hexadecimal digits"),
        ("SKYLARK_DATA_DIR", "/" + "d" * 100, "data_dir: .* too long for a Unix socket"),
        ("SKYLARK_ENGINE__SOCKET", "/" + "d" * 100, "engine.socket: .* too long for a Unix socket"),
        ("E2E_ACCESS_KEY", "alone", "s3: .*belong together"),
        ("SKYLARK_CLOUD__PLACE", "blue", "cloud: .*release_parameter and place belong together"),
        ("SKYLARK_S3__PRESIGNED_S", "604801", "s3.presigned_s"),
        ("TTS_API_KEY", "sesame\nopen", "TTS_API_KEY: .*a line break or another control character"),
        ("TTS_API_KEY", "sesame ", "TTS_API_KEY: .*begins or ends with a blank"),
        ("TTS_API_KEY", "sesame\udcff", "TTS_API_KEY: .*bytes that are no UTF-8"),
        ("SKYLARK_MONITOR__API_KEY", "sesame\nopen", "monitor.api_key: .*a line break or another control"),
        ("SKYLARK_CONFIG", "missing.yaml", r"missing\.yaml: no such file \(SKYLARK_CONFIG\)"),
    ],
)
def test_a_bad_value_is_one_line_naming_the_key(monkeypatch, variable, value, key):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=key) as raised:
        settings()
    assert "\n" not in str(raised.value)
    assert "sesame" not in str(raised.value), "a key is in the message"


@pytest.mark.parametrize(
    ("content", "key"),
    [("tts: {prot: 1}", "tts.prot"), ("ports: 1", "ports"), ("limits: {max_texts: a}", "limits")],
)
def test_a_bad_file_is_named_with_its_key(monkeypatch, tmp_path, content, key):
    file = tmp_path / "skylark.yaml"
    file.write_text(content)
    monkeypatch.setenv("SKYLARK_CONFIG", str(file))
    with pytest.raises(SettingsError, match=f"{file} or the environment: {key}"):
        settings()
