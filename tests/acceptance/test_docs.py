"""Every block of README.md and docs/ does what it says, when it is run as a reader runs it.

A page is read from its top in one terminal, against an appliance that all pages share. Of a block, only the
servers' ports are changed. What is not run is listed below, with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from servers.settings import ROOT
from tests.acceptance.processes import Appliance, running_appliance
from tests.docs.pages import PAGES, Block, blocks, differences, sample

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None,
    reason="curl is not on this machine, and the pages' requests are made with it",
)
BLOCK_S = 120
PYTHON = [sys.executable, "-c"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
LOAD_SETTINGS = "from servers.settings import settings; settings()"
LOAD_MODELS = """
from pathlib import Path
from servers.backends.load import check_models
from servers.catalog import Catalog
from servers.settings import settings
file = settings().models_file
check_models(Catalog.load(file), file, [Path("my_backends")])
"""
HTTP_ERROR = 22  # curl's exit code, where it is told that an answer may be one

INSTALLS = "installs packages; tests/acceptance and tests/cli run what it starts"
NOT_RUN = {
    block.strip(): reason
    for block, reason in {
        """
scripts/up      # sets up, starts everything, speaks an example, aligns it, serves until Ctrl-C
scripts/test    # adds the large models' packages (2 GB), and passes the tests
""": INSTALLS,
        "scripts/up": INSTALLS,
        'TTS_API_KEY="a long secret" scripts/up': INSTALLS,
        """
lock=requirements-cuda.lock scripts/up    # Linux x86-64 with an NVIDIA GPU: CUDA 12.8, 7.5 GB
lock=requirements-cpu.lock scripts/up     # without one, as scripts/test does: 2 GB
""": INSTALLS,
        """
.venv/bin/uv pip install -e '.[spacy]'   # segment
.venv/bin/uv pip install -e '.[nemo]'    # normalize
""": INSTALLS,
        """
curl -sS --unix-socket $S http://engine/cpu/normalize -d '{"text": "It was $45.50."}'
""": "needs the extra nemo, which scripts/test does not install; tests/engine/test_cpu.py",
        """
curl -sS --unix-socket $S http://engine/jobs -d '{
  "model_type": "qwen3_tts", "model": "1.7b-base", "payload": {"text": "Good morning.",
  "reference_audio_path": "/tmp/me.wav", "reference_text": "These are my own words."}}'
""": "needs a checkpoint of gigabytes; tests/acceptance/test_qwen3_tts.py",
        "skylark models pull qwen3-tts-1.7b-customvoice whisper-large-v3 align-en": "pulls gigabytes",
        "skylark models verify    # hashes every file again": "nothing was pulled; tests/cli/test_models.py",
        "skylark srv start --socket /tmp/my.sock --config models.yaml": (
            "runs until Ctrl-C, on a queue of its own; tests/cli/test_srv.py"
        ),
        "skylark srv queue --watch": "needs a terminal; tests/cli/test_srv.py",
    }.items()
}
ENDS_WITH = {"skylark srv cancel $ID": 1}
"""The exit code of a block that is to fail."""


class Reader:
    """Somebody at the top of a page: a folder laid out as the repository is, and one terminal.

    What a block sets is there in the next one.
    """

    def __init__(self, folder: Path, appliance: Appliance, models: Path) -> None:
        self.folder = folder
        self._ports = {"5000": appliance.ports["tts"], "5001": appliance.ports["whisperx"]}
        self._answer = ""
        (folder / "var").symlink_to(appliance.folder)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / ".curlrc").write_text("fail-with-body\n")
        (folder / ".config" / "skylark").mkdir(parents=True)
        (folder / ".config" / "skylark" / "server_config.json").write_text(
            json.dumps({"server_url": appliance.url("tts", ""), "whisper_url": appliance.url("whisperx", "")})
        )
        self._environment = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SKYLARK_DATA_DIR": str(appliance.folder),
            "SKYLARK_MODELS_FILE": str(models),
            "HF_ENDPOINT": "http://127.0.0.1:9",  # nothing is pulled, whatever stands on a page
        }

    def read(self, block: Block) -> list[str]:
        """Does what the block is for. What is wrong with it, as lines; none if nothing is."""
        if block.text.strip() in NOT_RUN:
            self._answer = ""
            return []
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
        script = self.folder / ".block"
        script.write_text(self._here(block.text))
        program = (
            'set -aeu -o pipefail; if [ -f .state ]; then . ./.state; fi; . "$0"; '
            r"export -p | grep -Ev '^declare -[a-z]*r' > .state"
        )
        return self._ended(self._expected(block), self._run(["bash", "-c", program, str(script)]))

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
        file.parent.mkdir(exist_ok=True)
        file.write_text(self._here(block.text))
        match file.name:
            case "skylark.yaml":
                return self._ended(0, self._run([*PYTHON, LOAD_SETTINGS], SKYLARK_CONFIG=str(file)))
            case "models.yaml":
                return self._ended(0, self._run([*PYTHON, LOAD_MODELS], SKYLARK_MODELS_FILE=str(file)))
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
    with running_appliance(
        SKYLARK_MODELS_FILE=str(models),
        SKYLARK_BACKENDS_PATH=json.dumps([str(models.parent / "my_backends")]),
        SKYLARK_ENGINE__DEVICE="cpu",
        SKYLARK_ENGINE__MAX_MODELS="4",
    ) as appliance:
        yield appliance


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_it_says(page, appliance, models, tmp_path):
    reader = Reader(tmp_path, appliance, models)
    wrong = {str(block): lines for block in blocks(page) if (lines := reader.read(block))}
    assert wrong == {}


def test_what_is_listed_as_not_run_or_as_failing_stands_on_a_page():
    shown = {block.text.strip() for page in PAGES for block in blocks(page)}
    assert NOT_RUN.keys() - shown == set()
    assert ENDS_WITH.keys() - shown == set()
