"""What the image is made from: its files agree with each other and with the settings."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
import yaml

from servers.backends.load import check_models
from servers.catalog import Catalog
from servers.checkpoints.catalogue import Catalogue
from servers.jobs.preferred import Preferred
from servers.proxy.exposure import check_limits
from servers.settings import ROOT, Proxy, Settings
from servers.supervision.processes import DOORS, FINETUNE, PROXY, RPC, STOP_WAIT_S, wanted
from servers.web.keys import check_exposure

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
BUILD = (ROOT / "scripts" / "build-image").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
VARIANTS = {
    name: {"models": models, "speaks": speaks, "listens": listens}
    for name, models, speaks, listens in re.findall(
        r'^ *(\w+)\) models="([^"]+)" speaks=(\S+) listens=(\S+) ;;$', BUILD, re.MULTILINE
    )
}


def environment() -> dict[str, str]:
    """What the image's processes find, but what depends on the variant."""
    (last,) = re.findall(r"^ENV (PATH=.*)$", DOCKERFILE, re.MULTILINE)
    return {name: value.strip("'") for name, value in re.findall(r"(\w+)=('[^']*'|\S+)", last)}


def test_the_variables_of_the_image_are_settings_and_its_ports_are_theirs(monkeypatch):
    for name, value in environment().items():
        if name.startswith("SKYLARK_"):
            monkeypatch.setenv(name, value)
    loaded = Settings()
    (exposed,) = re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    addresses = [door.address(loaded) for door in (*DOORS, RPC, FINETUNE)]
    assert [int(port) for port in exposed.split()] == [port for _, port in addresses]
    assert {host for host, _ in addresses} == {"0.0.0.0"}
    (state,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    written = [loaded.data_dir, loaded.engine_socket, loaded.generated_audio, *loaded.engine.roots()]
    assert all(path.is_relative_to(state) for path in written)
    assert environment()["TMPDIR"].startswith(state)
    assert loaded.web.stop_notice_s > 0
    assert PROXY not in wanted(loaded)


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_a_variants_models_are_those_that_are_pulled_for_it(variant, monkeypatch):
    file = ROOT / "config" / f"models.{variant}.yaml"
    catalog, known = Catalog.load(file), Catalogue.load(ROOT / "config" / "checkpoints.yaml")
    check_models(catalog, file, [])
    pulled = VARIANTS[variant]["models"].split()
    assert known.to_pull(pulled, file).keys() == set(pulled)
    assert {name for spec in catalog for name in known.needed_by(spec)} <= set(pulled)

    monkeypatch.setenv("SKYLARK_TTS__MODEL_TYPE", VARIANTS[variant]["speaks"])
    monkeypatch.setenv("SKYLARK_WHISPERX__MODEL_TYPE", VARIANTS[variant]["listens"])
    loaded = Settings()
    preloaded = {spec.backend for spec in catalog if spec.preload}
    assert preloaded == {loaded.tts.model_type[0], loaded.whisperx.model_type[0]}
    for door in (loaded.tts, loaded.whisperx):
        assert Preferred.of(door, catalog).candidates


@pytest.mark.parametrize("service", ["cpu", "gpu"])
def test_compose_gives_a_service_the_time_to_end_and_the_volume_that_the_image_has(service):
    found = COMPOSE["services"][service]
    assert found["profiles"] == [service]
    assert int(found["stop_grace_period"].removesuffix("s")) > sum(STOP_WAIT_S.values())
    (volume,) = found["volumes"]
    name, _, path = volume.partition(":")
    assert name in COMPOSE["volumes"]
    assert f"VOLUME {path}\n" in DOCKERFILE
    assert (found["read_only"], found["restart"]) == (True, "on-failure")
    assert "TTS_API_KEY" in found["environment"]
    published = [f"${{SKYLARK_BIND:-127.0.0.1}}:{port}:{port}" for port in (5000, 5001, 8000)]
    assert found["ports"] == published


def test_compose_serves_the_page_alone_with_a_limit_for_a_server_config_that_it_only_reads(monkeypatch):
    found = COMPOSE["services"]["proxy"]
    assert (found["profiles"], found["read_only"]) == (["proxy"], True)
    assert found["command"] == ["python", "-m", PROXY.module]
    for name, value in found["environment"].items():
        if value is not None:  # else it is whoever starts it who sets it
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:[-?](.*)\}", r"\1", str(value)))
        else:
            assert name.removeprefix("SKYLARK_PROXY__").lower() in Proxy.model_fields
    loaded = Settings()
    check_limits(loaded.proxy.host, loaded)
    assert found["ports"] == [f"${{SKYLARK_BIND:-127.0.0.1}}:{loaded.proxy.port}:{loaded.proxy.port}"]
    state, config = (volume.split(":") for volume in (found["volumes"][0], found["volumes"][1][::-1]))
    assert state[0] in COMPOSE["volumes"]
    assert f"VOLUME {state[1]}\n" in DOCKERFILE
    assert [each[::-1] for each in config[:2]] == ["ro", str(loaded.proxy.server_config)]


def test_compose_runs_a_worker_with_a_redis_to_be_registered_in(monkeypatch):
    found, redis = COMPOSE["services"]["tts-worker"], COMPOSE["services"]["redis"]
    assert found["profiles"] == redis["profiles"] == ["worker"]
    assert found["depends_on"] == ["redis"]
    assert (found["read_only"], redis["read_only"], found["init"]) == (True, True, False)
    assert int(found["stop_grace_period"].removesuffix("s")) > sum(STOP_WAIT_S.values())
    arguments = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in found["command"]]
    assert arguments == ["python", "-m", "servers.cli", "worker", "--adapter", "piper"]
    for name, value in found["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:[-?](.*)\}", r"\1", str(value)))
    loaded = Settings()
    check_exposure(loaded.rpc.host, loaded)
    assert loaded.rpc.redis_url.get_secret_value() == "redis://redis:6379"
    assert found["ports"] == [f"${{SKYLARK_BIND:-127.0.0.1}}:${{WORKER_PORT:-7002}}:{loaded.rpc.port}"]
    (volume,) = found["volumes"]
    name, _, path = volume.partition(":")
    assert name in COMPOSE["volumes"]
    assert f"VOLUME {path}\n" in DOCKERFILE
    assert find_spec(found["healthcheck"]["test"][-1])


def test_what_the_dockerfile_copies_is_in_the_builds_context():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert f"!{source}" in ignored
        assert (ROOT / source).exists()
