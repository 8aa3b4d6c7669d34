"""What is made of the .proto files, and checked in."""

import subprocess
import sys

import pytest

from servers.settings import ROOT

PROTOS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "servers" / "rpc").rglob("*.proto"))


def test_it_is_what_the_generator_makes(tmp_path):
    """Mended by scripts/generate-rpc."""
    pytest.importorskip("grpc_tools")
    outs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}", *outs, *PROTOS]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.py*")}
    assert len(made) == 3 * len(PROTOS)
    assert made == {name: (ROOT / name).read_text() for name in made}
    kept = {path.relative_to(ROOT) for path in (ROOT / "servers" / "rpc").rglob("*_pb2*.py*")}
    assert {path for path in kept if path.suffix != ".pyc"} == set(made)
