"""skylark models, against a hub on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import zipfile

import pytest

from servers.checkpoints import locate
from servers.checkpoints.folders import MANIFEST, State, state
from servers.checkpoints.verify import read_manifest
from servers.settings import ROOT, settings
from tests.checkpoints.stand_in_hub import COMMIT, Hub

WEIGHTS = bytes(range(256)) * 60_000
"""15 MB: huggingface_hub writes 10 MB at a time, and what it wrote is what it need not fetch again."""
FILES = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS, "codec/config.json": b"{}"}
CATALOGUE = """
voice: {repo: org/voice, licence: Apache-2.0, size_mb: 10}
pinned: {repo: org/voice, revision: v9, licence: MIT, size_mb: 10}
gated: {repo: org/gated, gated: true, licence: CC-BY-4.0, size_mb: 10}
absent: {repo: org/absent, licence: MIT, size_mb: 10}
ear: {repo: org/ear, ignore: [language_model/*], licence: MIT, size_mb: 10}
"""
MODELS = """
backends:
  espeak: {default: espeak-ng, models: {espeak-ng: {}}}
  speaker:
    default: alto
    models:
      alto: {checkpoint: voice, align: {en: ear}}
      own: {checkpoint: /nowhere/own}
"""


@pytest.fixture
def hub():
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    stand_in = Hub()
    stand_in.files["org/voice"] = dict(FILES)
    stand_in.files["org/gated"] = {"config.yaml": b"x: 1"}
    stand_in.files["org/ear"] = {
        "config.json": b"{}",
        "pytorch_model.bin": b"torch",
        "flax_model.msgpack": b"flax",
        "language_model/lm.binary": b"words",
        ".gitattributes": b"*",
    }
    yield stand_in
    stand_in.close()


@pytest.fixture(autouse=True)
def configured(hub, home, monkeypatch):
    (home / "checkpoints.yaml").write_text(CATALOGUE)
    (home / "models.yaml").write_text(MODELS)
    for name, value in {
        "SKYLARK_MODELS_DIR": home / "models",
        "SKYLARK_CHECKPOINTS_FILE": home / "checkpoints.yaml",
        "SKYLARK_MODELS_FILE": home / "models.yaml",
        "HF_ENDPOINT": hub.url,
    }.items():
        monkeypatch.setenv(name, str(value))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def folder(home):
    return home / "models" / "voice"


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_pull_fetches_every_file_and_writes_down_its_hash(run, folder):
    result = run("models", "pull", "voice")
    assert result.exit_code == 0, result.stderr
    assert contents(folder) == FILES
    manifest = read_manifest(folder)
    assert manifest.revision == COMMIT
    assert {name: file.sha256 for name, file in manifest.files.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()
    }
    assert "3 files" in result.stdout
    assert locate("voice") == folder


def test_a_pull_that_broke_off_goes_on_where_it_was(run, hub, folder):
    hub.break_after = 12_000_000
    broken = run("models", "pull", "voice")
    assert broken.exit_code == 1
    assert "pull again" in broken.stderr
    assert state(folder) is State.INCOMPLETE
    assert run("models", "pull", "voice").exit_code == 0
    (asked,) = hub.ranges
    assert 0 < int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) <= 12_000_000
    assert contents(folder) == FILES


def test_a_pull_that_has_everything_fetches_nothing(run, hub):
    run("models", "pull", "voice")
    hub.sent.clear()
    assert run("models", "pull", "voice").exit_code == 0
    assert hub.sent == []


def test_a_file_that_arrives_otherwise_than_listed_is_refused(run, hub, folder):
    for name in ("config.json", "model.safetensors"):
        hub.corrupt = {name}
        result = run("models", "pull", "voice")
        assert result.exit_code == 1
        assert f"{name} arrived otherwise" in result.stderr
        assert not (folder / name).exists()
        assert state(folder) is State.INCOMPLETE
    hub.corrupt = set()
    assert run("models", "pull", "voice").exit_code == 0


def test_verify_passes_what_was_pulled(run):
    run("models", "pull", "voice")
    result = run("models", "verify")
    assert result.exit_code == 0
    assert result.stdout.startswith("voice  ok: 3 files")


def test_verify_names_each_file_that_differs_and_pull_mends_them(run, hub, folder):
    run("models", "pull", "voice")
    (folder / "model.safetensors").write_bytes(b"\1" + WEIGHTS[1:])
    (folder / "config.json").unlink()
    (folder / "codec" / "more.txt").write_text("x")
    result = run("models", "verify", "voice")
    assert result.exit_code == 1
    assert set(result.stdout.splitlines()) == {
        "voice  changed: model.safetensors",
        "voice  missing: config.json",
        "voice  extra: codec/more.txt",
    }
    hub.sent.clear()
    assert run("models", "pull", "voice").exit_code == 0
    assert sorted(hub.sent) == ["config.json", "model.safetensors"]
    (folder / "codec" / "more.txt").unlink()
    assert run("models", "verify", "voice").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("voice",), "no checkpoint at"),
        ((), "nothing was pulled"),
        (("vioce",), "no checkpoint is called 'vioce'"),
    ],
)
def test_verify_says_when_there_is_nothing_to_verify(run, arguments, says):
    result = run("models", "verify", *arguments)
    assert result.exit_code != 0
    assert says in result.stdout + result.stderr


def test_verify_cannot_vouch_for_a_folder_without_a_manifest(run, folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    result = run("models", "verify", "voice")
    assert result.exit_code == 1
    assert "nothing says what it should hold" in result.stdout


def test_a_manifest_that_was_tampered_with_is_a_fault(run, folder):
    run("models", "pull", "voice")
    (folder / MANIFEST).write_text("{}")
    result = run("models", "verify")
    assert result.exit_code == 1
    assert f"changed: {MANIFEST}" in result.stdout


def test_a_model_is_pulled_with_everything_that_it_needs(run, home):
    result = run("models", "pull", "alto")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in (home / "models").glob("[!.]*")) == ["ear", "voice"]


def test_weights_of_other_frameworks_and_what_is_ignored_stay_at_the_hub(run, hub, home):
    run("models", "pull", "ear")
    assert set(contents(home / "models" / "ear")) == {"config.json", "pytorch_model.bin"}
    hub.files["org/ear"]["model.safetensors"] = b"safe"
    shutil.rmtree(home / "models")
    run("models", "pull", "ear")
    assert set(contents(home / "models" / "ear")) == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("name", "exit_code", "says"),
    [
        ("tenor", 2, "known are voice, pinned"),
        ("espeak-ng", 2, "needs no checkpoint"),
        ("own", 2, "/nowhere/own"),
        ("absent", 1, "HF_TOKEN"),
        ("pinned", 1, "no revision 'v9'"),
    ],
)
def test_what_cannot_be_pulled_says_why(run, name, exit_code, says):
    result = run("models", "pull", name)
    assert result.exit_code == exit_code
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository_says_how_to_get_in(run, hub, status):
    hub.refuse = (status, "GatedRepo")
    result = run("models", "pull", "gated")
    assert result.exit_code == 1
    assert "accept its conditions" in result.stderr
    assert "HF_TOKEN" in result.stderr


def test_a_hub_that_cannot_be_reached_leaves_a_checkpoint_as_it_is(run, hub, folder, monkeypatch):
    run("models", "pull", "voice")
    (folder / "config.json").write_bytes(b"[]")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    settings.cache_clear()
    result = run("models", "pull", "voice")
    assert result.exit_code == 3
    assert "cannot be reached" in result.stderr
    assert state(folder) is State.PRESENT


def test_a_file_outside_of_the_folder_is_refused(run, hub, home):
    hub.files["org/voice"]["../evil"] = b"x"
    result = run("models", "pull", "voice")
    assert result.exit_code == 1
    assert "outside" in result.stderr
    assert not (home / "models" / "evil").exists()


def test_too_little_space_is_said_before_anything_is_fetched(run, hub, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    result = run("models", "pull", "voice")
    assert result.exit_code == 1
    assert "are free" in result.stderr
    assert hub.sent == []


def test_an_archive_is_resumed_checked_and_unpacked(run, hub, home):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("punkt/english.txt", "Mr Mrs " * 50_000)
    hub.files["data"] = {"punkt.zip": packed.getvalue()}
    entry = {
        "url": f"{hub.url}/data/resolve/{COMMIT}/punkt.zip",
        "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        "unpack_to": "tokenizers",
        "licence": "MIT",
        "size_mb": 1,
    }
    (home / "checkpoints.yaml").write_text(json.dumps({"punkt": entry}))
    hub.break_after = 200_000
    assert run("models", "pull", "punkt").exit_code == 1
    result = run("models", "pull", "punkt")
    assert result.exit_code == 0, result.stderr
    (asked,) = hub.ranges
    assert 0 < int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) <= 200_000
    assert set(contents(home / "models" / "punkt")) == {"tokenizers/punkt/english.txt"}
    assert run("models", "verify", "punkt").exit_code == 0


def test_an_archive_with_another_hash_is_refused(run, hub, home):
    hub.files["data"] = {"x.zip": b"not it"}
    entry = {
        "url": f"{hub.url}/data/resolve/{COMMIT}/x.zip",
        "sha256": "0" * 64,
        "licence": "MIT",
        "size_mb": 1,
    }
    (home / "checkpoints.yaml").write_text(json.dumps({"x": entry}))
    result = run("models", "pull", "x")
    assert result.exit_code == 1
    assert "SHA-256 differs" in result.stderr


def test_a_first_pull_says_that_it_pins(run):
    assert run("models", "pull", "voice").stdout.endswith("pinned by this first pull\n")


def test_a_pull_from_a_mirror_asks_that_alone(run, hub, home, folder):
    run("models", "pull", "voice")
    (home / "models").rename(home / "elsewhere")
    hub.sent.clear()
    result = run("models", "pull", "voice", "--from", "./elsewhere")
    assert result.exit_code == 0, result.stderr
    assert contents(folder) == FILES
    assert hub.sent == []
    assert read_manifest(folder).source == (home / "elsewhere" / "voice").as_uri()


def test_a_pull_from_no_source_is_wrong_usage(run, folder):
    result = run("models", "pull", "voice", "--from", "packages")
    assert result.exit_code == 2
    assert "'packages' is no source: this checkpoint has hub" in result.stderr
    assert not folder.exists()


def test_remove_deletes_what_was_pulled(run, folder):
    run("models", "pull", "voice")
    result = run("models", "remove", "voice")
    assert (result.exit_code, result.stdout) == (0, "voice  removed, 15.4 MB\n")
    assert state(folder) is State.MISSING


@pytest.mark.parametrize(
    ("names", "exit_code", "says"),
    [
        (("voice", "../models/voice"), 2, "no checkpoint is called '../models/voice'; pulled are voice"),
        (("alto",), 2, "no checkpoint is called 'alto'"),
        (("ear",), 1, "no checkpoint at"),
    ],
)
def test_remove_deletes_nothing_else(run, folder, names, exit_code, says):
    run("models", "pull", "voice")
    result = run("models", "remove", *names)
    assert result.exit_code == exit_code
    assert says in result.stderr
    assert state(folder) is State.PRESENT


def test_list_shows_the_models_and_what_can_be_pulled(run):
    run("models", "pull", "voice")
    lines = [re.split(r"  +", line.strip()) for line in run("models", "list").stdout.splitlines()]
    assert ["espeak/espeak-ng", "none needed", "-", "-", "-", "-"] in lines
    assert ["speaker/alto", "voice", "present", "15.4 MB", "Apache-2.0", str(locate("voice"))] in lines
    assert ["gated", "missing", "about 10 MB", "CC-BY-4.0", "org/gated"] in lines
    own = next(line for line in lines if line[0] == "speaker/own")
    assert own[1:3] == ["/nowhere/own", "missing"]


def test_list_speaks_json(run, home):
    answer = json.loads(run("models", "list", "--json").stdout)
    assert answer["models_dir"] == str(home / "models")
    assert [one["name"] for one in answer["models"][1]["checkpoints"]] == ["voice", "ear"]


@pytest.mark.parametrize(
    ("catalogue", "says"),
    [
        ("a: {licence: MIT, size_mb: 1}", "a repo, or a url"),
        ("a: {repo: x/y, url: u, licence: MIT, size_mb: 1}", "not both"),
        ("a: {url: u, licence: MIT, size_mb: 1}", "sha256"),
        ("a: {repo: x/y, size_mb: 1}", "a.licence"),
        ("a: {repo: x/y, sources: [], licence: MIT, size_mb: 1}", "with sources, repo stands in one of them"),
        ("a: {sources: [], licence: MIT, size_mb: 1}", "a.sources"),
        ("a: {sources: [{packages: {p: '1'}, paths: {m: m}}], licence: MIT, size_mb: 1}", "the same files"),
        ("a: {sources: [{mirror: ./here}], licence: MIT, size_mb: 1}", "it is an address: file:/folder"),
        ("a: {sources: [{repo: x/y, path: z}], licence: MIT, size_mb: 1}", "path: Extra inputs"),
        ("a: {repo: x/y, files: {m: {bytes: 1, sha256: a}}, licence: MIT, size_mb: 1}", "a.files.m.sha256"),
        ("../a: {repo: x/y, licence: MIT, size_mb: 1}", "name of a folder"),
        (f"a: {{url: u, sha256: {'a' * 64}, unpack_to: ../b, licence: MIT, size_mb: 1}}", "inside"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_catalogue_is_one_line_that_names_the_key(run, home, catalogue, says):
    (home / "checkpoints.yaml").write_text(catalogue)
    result = run("models", "list")
    assert result.exit_code == 2
    assert says in result.stderr


def test_the_catalogue_in_the_repository_can_be_read(run, monkeypatch):
    monkeypatch.setenv("SKYLARK_CHECKPOINTS_FILE", str(ROOT / "config" / "checkpoints.yaml"))
    settings.cache_clear()
    names = {one["name"] for one in json.loads(run("models", "list", "--json").stdout)["checkpoints"]}
    assert {"qwen3-tts-1.7b-customvoice", "whisper-large-v3", "align-en", "diarization"} <= names
