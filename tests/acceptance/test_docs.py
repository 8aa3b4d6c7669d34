"""Every block of README.md and docs/ does what it says, when it is run as a reader runs it.

A page is read from its top in one terminal, against an appliance that all pages share; what serves until
Ctrl-C is started beside it, on ports of its own, and ended so. Of a block, only the servers' ports are
changed. Nothing is on the PATH that the page did not put there. What is not run is listed below, with the
reason.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from servers.settings import ROOT
from servers.supervision.processes import DOORS, FINETUNE, PROXY, RPC
from tests.acceptance.processes import START_S, Appliance, eventually, free_port, running_appliance
from tests.cli.terminal import Terminal
from tests.datasets.made import dataset, zipped
from tests.docs.pages import PAGES, Block, blocks, differences, sample, text_of

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None,
    reason="curl is not on this machine, and the pages' requests are made with it",
)
BLOCK_S = 120
PYTHON = [sys.executable, "-c"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
READ_METADATA = """
import sys
from pathlib import Path
from servers.voicepacks import read_metadata
read_metadata(Path(sys.argv[1]))
"""
READ_WORKER = """
import sys
from pathlib import Path
from servers.worker_config import read
read(Path(sys.argv[1]), {})
"""
LOAD_SETTINGS = "from servers.settings import settings; settings()"
LOAD_MODELS = """
from pathlib import Path
from servers.backends.load import check_models
from servers.catalog import Catalog
from servers.settings import settings
file = settings().models_file
check_models(Catalog.load(file), file, [Path("my_backends")])
"""
BESIDE = 'set -aeu -o pipefail; if [ -f .state ]; then . ./.state; fi; . "$0"; '
"""In another terminal, in which the same was set before."""
IN_THE_TERMINAL = BESIDE + r"export -p | grep -Ev '^declare -[a-z]*r' > .state"
ACTIVATE, ACTIVATED = ". .venv/bin/activate", "README.md#a-first-request"
OURS = {f"{sys.prefix}/bin", str(Path(sys.executable).parent)}
"""What is on the PATH of whoever runs this in the activated environment, and not on a newcomer's."""
UV = """#!/bin/sh
if [ "$1" != --version ]; then echo "nothing is to be installed" >&2; exit 1; fi
"""
HTTP_ERROR = 22  # curl's exit code, where it is told that an answer may be one

CONTAINER = "needs a container engine; tests/acceptance/test_container.py"
ACCEPTED = "needs an appliance in a cloud that is off; tests/acceptance/test_accepted.py"
AGENTS = "needs the agents' packages, which are not installed here; run by hand"
REDIS = "needs a Redis with workers in it; tests/rpc, tests/cli/test_worker.py"
BALANCER = "needs a load balancer in AWS; tests/lambda_/start"
CLOUD = "needs an appliance in a cloud; tests/cli/test_gpu.py"
TRAINED = "needs a Base checkpoint of gigabytes; tests/acceptance/test_finetune.py"
NOT_RUN = {
    block.strip(): reason
    for block, reason in {
        "lock=requirements-cuda.lock scripts/up": "installs 7.5 GB, and needs an NVIDIA GPU",
        "lock=requirements-cpu.lock scripts/up": "installs 2 GB: scripts/test has done it, who runs this",
        ".venv/bin/uv pip install -e '.[nemo]'": "installs 1.1 GB into what this runs in",
        """
curl -sS --unix-socket $S http://engine/jobs -d '{
  "model_type": "qwen3_tts", "model": "1.7b-base", "payload": {"text": "Good morning.",
  "reference_audio_path": "/tmp/me.wav", "reference_text": "These are my own words."}}'
""": "needs a GPU's checkpoint of gigabytes; tests/acceptance/test_qwen3_tts.py",
        """
curl -sS http://127.0.0.1:5000/v1/voices -F name=Anna -F file=@anna.wav -F language=en \\
  -F reference_text='These are the words of the recording.' -F consent='It is my own voice.'
""": "needs a Base checkpoint of gigabytes; tests/acceptance/test_cloned_voices.py",
        """
curl -sS http://127.0.0.1:5000/generate_batch -H 'Content-Type: application/json' -d '{
  "texts": ["Chapter one."], "output": "s3", "s3": {"key": "audio/book/0001.wav"}}'
""": "needs a bucket; tests/acceptance/test_buckets.py",
        """
curl -sS http://127.0.0.1:8000/voice-design -H 'Content-Type: application/json' -d '{
  "text": "Welcome to this audiobook.",
  "instruct": "A warm male voice, middle-aged, calm and authoritative"}' --output voice_design.wav
""": "needs a VoiceDesign checkpoint of gigabytes; tests/acceptance/test_qwen3_tts.py",
        """
curl -sS http://127.0.0.1:8000/voice-clone/batch -H 'Content-Type: application/json' -d '{
  "ref_audio_url": "https://example.com/audio/sample.wav",
  "ref_text": "This is the reference spoken text.",
  "items": [{"text": "First sentence to generate in this voice.", "filename": "clone_001.wav"}]}'
""": "needs a Base checkpoint of gigabytes, and the internet; tests/finetune/test_clone.py",
        "scripts/setup-finetune\nscripts/start-api": "pulls gigabytes from the hub",
        """
curl -sS http://127.0.0.1:8000/finetune -F dataset=@voice.zip -F speaker_name=hero_voice -F num_epochs=10
""": TRAINED,
        """
curl -sS http://127.0.0.1:8000/infer/a1b2c3d4e5f6 -H 'Content-Type: application/json' \\
  -d '{"text": "Hello, welcome to our audiobook.", "upload_to_s3": false}' --output hello.wav
curl -sS http://127.0.0.1:8000/infer/a1b2c3d4e5f6/batch -H 'Content-Type: application/json' -d '{
  "items": [{"text": "Chapter one. The adventure begins.", "filename": "ch1_001.wav"},
            {"text": "Our hero stood at the crossroads.", "filename": "ch1_002.wav"}]}'
""": TRAINED,
        "skylark models pull qwen3-tts-1.7b-customvoice whisper-large-v3 align-en": (
            "pulls gigabytes from the hub; tests/cli/test_models.py pulls from a stand-in"
        ),
        "skylark models pull whisper-base piper-en-us-joe": (
            "needs the registry, and 400 MB of disk; tests/acceptance/test_pulls.py"
        ),
        "scripts/build-image cpu skylark:cpu": CONTAINER,
        "scripts/smoke skylark:cpu\nscripts/smoke http://127.0.0.1:5000": CONTAINER,
        'TTS_API_KEY="a long secret" docker compose --profile cpu up --detach': "needs docker, and an image",
        'TTS_API_KEY="a long secret" docker compose --profile proxy up --detach': CONTAINER,
        """
from livekit.plugins import nvidia

tts = nvidia.TTS(server="127.0.0.1:7002", use_ssl=False, voice="en-US", language_code="en-US")
""": AGENTS,
        """
from pipecat.services.nvidia.tts import NvidiaTTSService

tts = NvidiaTTSService(
    server="127.0.0.1:7002", use_ssl=False, settings=NvidiaTTSService.Settings(voice="en-US")
)
""": AGENTS,
        """
import riva.client

service = riva.client.SpeechSynthesisService(riva.client.Auth(uri="127.0.0.1:7002"))
for part in service.synthesize_online("Good morning!", sample_rate_hz=16000):
    print(len(part.audio))
""": "needs nvidia-riva-client; tests/rpc/riva/test_service.py",
        """
just run-tts-mock
just run-tts-piper DEFAULT="piper-en-us-lessac-medium"
just run-tts-cosy
just run-tts-xtts
just run-tts-sesame
""": "needs just, and go on until Ctrl-C; tests/cli/test_recipes.py",
        """
CUDA_VISIBLE_DEVICES=0 WORKER_NAME=tts-worker-0 just run-tts-cosy
CUDA_VISIBLE_DEVICES=1 WORKER_NAME=tts-worker-1 just run-tts-xtts
CUDA_VISIBLE_DEVICES=2 WORKER_NAME=tts-worker-2 just run-tts-sesame
""": "needs just, and three GPUs; tests/acceptance/test_worker.py",
        "skylark workers": REDIS,
        """
from servers.rpc.workers import listed, pick

print(pick(listed("redis://localhost:6379"), "piper/en-us-joe").address)
""": REDIS,
        'TTS_API_KEY="a long secret" docker compose up tts-worker': CONTAINER,
        """
docker exec -it redis redis-cli ping
docker logs tts-worker | grep -i redis
docker exec -it redis redis-cli KEYS 'worker:*'
docker exec -it redis redis-cli GET worker:tts-worker-0
""": "needs the containers; tests/acceptance/test_worker.py asks a Redis the same",
        "skylark page": "opens a browser; tests/cli/test_page.py",
        "scripts/switch-image --back": CONTAINER,
        "scripts/sbom skylark:cpu > sbom.json\nscripts/scan requirements-image.lock": (
            "needs an image, and a registry for the programs that look"
        ),
        """
TTS_API_KEY="a long secret" podman run --detach --name speech --read-only --stop-timeout 105 \\
  --publish 127.0.0.1:5000:5000 --publish 127.0.0.1:5001:5001 --publish 127.0.0.1:8000:8000 \\
  --volume state:/var/lib/skylark/ \\
  --env TTS_API_KEY skylark:cpu
""": CONTAINER,
        """
MODELS="piper-en-us-joe whisper-small" scripts/build-image cpu skylark:next
scripts/switch-image skylark:next
""": CONTAINER,
        'curl -sS https://gpu.example.com/machine -H "X-API-Key: $TTS_API_KEY"': BALANCER,
        """
curl -sS https://gpu.example.com/machine/start -H "X-API-Key: $TTS_API_KEY" \\
  -d '{"why": "chapter 3", "hold_s": 3600}'
curl -sS https://gpu.example.com/machine/hold -H "X-API-Key: $TTS_API_KEY" \\
  -d '{"for_s": 7200, "why": "a talk"}'
curl -sS https://gpu.example.com/machine/stop -H "X-API-Key: $TTS_API_KEY" \\
  -d '{"why": "it is evening"}'
""": BALANCER,
        'skylark start-gpu --why "chapter 3" --hold 1h': CLOUD,
        "skylark say book.txt --out-dir chapters/ --start-gpu": CLOUD,
        """
skylark gpu status
skylark gpu hold 2h --why "a demonstration"
skylark stop-gpu
skylark stop-gpu --force
""": CLOUD,
        "skylark gpu ledger --days 31": CLOUD,
        """
curl -sS "$SPEECH/v1/audio/speech" -H "X-API-Key: $KEY" \\
  -H 'Prefer: respond-async' -H 'Idempotency-Key: chapter-1' -H 'Content-Type: application/json' \\
  -d '{"model": "tts-1", "voice": "alloy", "input": "Chapter one."}'
""": ACCEPTED,
        """
curl -sS "$SPEECH/accepted" -H "X-API-Key: $KEY" -H 'Content-Type: application/json' -d '{
  "path": "/transcribe", "headers": {"Content-Type": "multipart/form-data; boundary=b"},
  "bytes": 7340211, "priority": 5}'
""": ACCEPTED,
        'curl -sS "$SPEECH/accepted/$ID" -H "X-API-Key: $KEY"': ACCEPTED,
        "skylark models verify": "nothing was pulled; tests/cli/test_models.py",
        "skylark models remove whisper-base piper-en-us-joe": "nothing was pulled; tests/cli/test_models.py",
    }.items()
}
WATCH = "skylark srv queue --watch"
SERVES = {
    "scripts/up": "serving until Ctrl-C",
    'TTS_API_KEY="a long secret" scripts/up': "serving until Ctrl-C",
    "skylark worker --adapter mock": "worker tts-worker-0  127.0.0.1:",
    "skylark srv start --socket my.sock --config config/models.yaml": '"action": "start"',
    WATCH: "running, ",
}
"""What goes on until Ctrl-C, and what it says once it is as it should be. It is given a terminal."""
NORMALIZE = """
curl -sS --unix-socket $S http://engine/cpu/normalize -d '{"text": "It was $45.50."}'
""".strip()
ENDS_WITH = {
    "curl -sS http://127.0.0.1:8000/storage/list/a1b2c3d4e5f6": HTTP_ERROR,  # there is no bucket
    "skylark srv cancel $ID": 1,
    NORMALIZE: 0 if find_spec("nemo_text_processing") else HTTP_ERROR,
}
"""The exit code of a block that is to fail, or may."""


class Reader:
    """Somebody at the top of a page: a folder laid out as the repository is, and one terminal.

    What a block sets is there in the next one.
    """

    def __init__(self, folder: Path, appliance: Appliance, models: Path, page: str) -> None:
        self.folder = folder
        self._ports = {
            "5000": appliance.ports["tts"],
            "5001": appliance.ports["whisperx"],
            "7002": appliance.settings[RPC.port_variable],
            "8000": appliance.settings[FINETUNE.port_variable],
            "5010": appliance.settings[PROXY.port_variable],
        }
        self._answer = ""
        (folder / "var").symlink_to(appliance.folder)
        (folder / "config").mkdir()
        shutil.copyfile(models, folder / "config" / "models.yaml")
        set_up(folder)
        dataset(folder / "voice")
        zipped(folder / "voice", folder / "voice.zip")
        (folder / ".curlrc").write_text("fail-with-body\n")
        (folder / ".config" / "skylark").mkdir(parents=True)
        (folder / ".config" / "skylark" / "server_config.json").write_text(
            json.dumps({"server_url": appliance.url("tts", ""), "whisper_url": appliance.url("whisperx", "")})
        )
        self._environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join(
                path for path in os.environ["PATH"].split(os.pathsep) if path not in OURS
            ),
            "PYTHONPATH": str(ROOT),
            "SKYLARK_DATA_DIR": str(appliance.folder),
            RPC.port_variable: appliance.settings[RPC.port_variable],
            "SKYLARK_MODELS_FILE": str(models),
            "HF_ENDPOINT": "http://127.0.0.1:9",  # nothing is pulled, whatever stands on a page
        }
        self._own = {
            "SKYLARK_DATA_DIR": str(folder / "own"),
            "SKYLARK_BACKENDS_PATH": json.dumps([str(models.parent / "my_backends")]),
            **{door.port_variable: str(free_port()) for door in (*DOORS, RPC, FINETUNE, PROXY)},
        }
        """What keeps a server apart that is started beside the appliance."""
        if ACTIVATED in text_of(page):  # that page sends its reader there first
            assert self._terminal(ACTIVATE).returncode == 0

    def read(self, block: Block) -> list[str]:
        """Does what the block is for. What is wrong with it, as lines; none if nothing is."""
        if block.text.strip() in NOT_RUN:
            self._answer = ""
            return []
        if (says := SERVES.get(block.text.strip())) is not None:
            return self._served(block, says)
        match block.language, block.title:
            case "text", None:
                return []
            case "sh", None:
                return self._shell(block)
            case "json", None:
                return self._compare(block)
            case "python", None:
                return self._ended(0, self._run([*PYTHON, block.text]))
            case _, str(title):
                return self._file(block, self.folder / title)
        return [f"a {block.language} block cannot be run"]

    def _shell(self, block: Block) -> list[str]:
        return self._ended(self._expected(block), self._terminal(self._here(block.text)))

    def _terminal(self, text: str) -> subprocess.CompletedProcess[str]:
        script = self.folder / ".block"
        script.write_text(text)
        return self._run(["bash", "-c", IN_THE_TERMINAL, str(script)])

    def _served(self, block: Block, says: str) -> list[str]:
        """Starts it at a terminal, and ends it with Ctrl-C once it says that."""
        script = self.folder / ".served"
        own = self._own if block.text.strip() != WATCH else {}
        set_before = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in own.items())
        script.write_text(set_before + self._here(block.text))
        terminal = Terminal(["bash", "-c", BESIDE, str(script)], self.folder, self._environment)
        try:
            terminal.until(says, BLOCK_S)
            code = terminal.interrupt(BLOCK_S)
        finally:
            terminal.close()
        installs = ["it installs something"] if "installing" in terminal.seen else []
        return installs + ([] if code == 0 else [f"ended with {code}: {terminal.seen[-2000:]}"])

    def _expected(self, block: Block) -> int:
        after = blocks(block.page)
        answer = next(iter(after[after.index(block) + 1 :]), None)
        refused = answer is not None and answer.language == "json" and answer.text.startswith('{"error"')
        return ENDS_WITH.get(block.text.strip(), HTTP_ERROR if refused else 0)

    def _compare(self, block: Block) -> list[str]:
        """With the last line that the block before it printed."""
        if not self._answer:
            return ["nothing was answered before it"]
        return differences(sample(block.text), json.loads(self._answer.splitlines()[-1]))

    def _file(self, block: Block, file: Path) -> list[str]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._here(block.text))
        match file.name:
            case "skylark.yaml":
                return self._ended(0, self._run([*PYTHON, LOAD_SETTINGS], SKYLARK_CONFIG=str(file)))
            case "models.yaml":
                return self._ended(0, self._run([*PYTHON, LOAD_MODELS], SKYLARK_MODELS_FILE=str(file)))
            case "metadata.yaml":
                return self._ended(0, self._run([*PYTHON, READ_METADATA, str(file.parent)]))
            case "worker.yaml":
                return self._ended(0, self._run([*PYTHON, READ_WORKER, str(file)]))
            case "server_config.json":
                pass  # the block after it names it
            case name if name.startswith("test_"):
                return self._ended(0, self._run([*PYTEST, name]))
            case name if name.endswith(".py"):
                pass  # the appliance has it
            case name:
                return [f"nothing is known of a file {name}"]
        return []

    def _here(self, text: str) -> str:
        for port, ours in self._ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ours}")
        return text

    def _run(self, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=BLOCK_S,
            check=False,
        )

    def _ended(self, expected: int, ran: subprocess.CompletedProcess[str]) -> list[str]:
        self._answer = ran.stdout
        if ran.returncode == expected:
            return []
        return [f"ended with {ran.returncode}, and not {expected}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}"]


def set_up(folder: Path) -> None:
    """What `scripts/up` finds once it was run: all is installed. Its uv refuses, for nothing is to be."""
    for name in ("examples", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("pyproject.toml", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program in (Path(sys.prefix) / "bin").iterdir():
        if not program.name.startswith("uv"):
            (programs / program.name).symlink_to(program)
    uv = programs / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    for name in ("lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    checksum = subprocess.run(
        ["bash", "-c", "cat requirements.lock pyproject.toml | cksum"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    wanted = f"requirements.lock {checksum.stdout.strip()} {folder}"
    (folder / ".venv" / "installed").write_text(f"{wanted}\n")


def titled(page: str, title: str) -> str:
    (text,) = [block.text for block in blocks(page) if block.title == title]
    return text


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has who followed docs/backends.md: the example's models, and the tones."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "my_backends").mkdir()
    (folder / "my_backends" / "tones.py").write_text(titled("docs/backends.md", "my_backends/tones.py"))
    example = yaml.safe_load((ROOT / "config" / "models.example.yaml").read_text())
    tones = yaml.safe_load(titled("docs/backends.md", "config/models.yaml"))
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump({"backends": example["backends"] | tones["backends"]}))
    return file


@pytest.fixture(scope="module")
def appliance(models: Path) -> Iterator[Appliance]:
    beside = {process.port_variable: free_port() for process in (PROXY, RPC, FINETUNE)}
    with running_appliance(
        SKYLARK_MODELS_FILE=str(models),
        SKYLARK_BACKENDS_PATH=json.dumps([str(models.parent / "my_backends")]),
        SKYLARK_ENGINE__DEVICE="cpu",
        SKYLARK_ENGINE__MAX_MODELS="4",
        SKYLARK_PROXY__BESIDE="true",
        SKYLARK_RPC__BESIDE="true",
        SKYLARK_FINETUNE__BESIDE="true",
        **{variable: str(port) for variable, port in beside.items()},
    ) as appliance:
        eventually(
            lambda: all(map(_serves, beside.values())), "the page, gRPC and voices are served", START_S
        )
        yield appliance


def _serves(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a Unix socket's has to fit 100 bytes."""
    made = Path(tempfile.mkdtemp(prefix="sky"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_it_says(page, appliance, models, folder):
    reader = Reader(folder, appliance, models, page)
    wrong = {str(block): lines for block in blocks(page) if (lines := reader.read(block))}
    assert wrong == {}


def test_what_is_listed_as_not_run_or_as_failing_stands_on_a_page():
    shown = {block.text.strip() for page in PAGES for block in blocks(page)}
    assert NOT_RUN.keys() - shown == set()
    assert ENDS_WITH.keys() - shown == set()
    assert SERVES.keys() - shown == set()
