"""Which files a result may be written to."""

from __future__ import annotations

import numpy as np
import pytest

from servers import extras
from servers.audio.encode import ENDINGS
from servers.errors import InvalidRequest, MissingExtra
from servers.jobs.outputs import check_output, write_output
from tests.audio.decoded import decoded, spoken


@pytest.mark.parametrize("ending", ENDINGS)
def test_speech_is_written_as_the_files_name_ends(tmp_path, ending):
    if ending == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    pcm = tmp_path / "samples"
    pcm.write_bytes(spoken(1.0, 24000).astype("<i2").tobytes())
    path = check_output(str(tmp_path / f"said.{ending}"), True, [tmp_path], "payload.output_path")
    write_output(path, {"sample_rate": 24000}, pcm)
    samples, rate = decoded(path.read_bytes(), ending)
    assert rate == 24000
    assert len(samples) / rate == pytest.approx(1.0, abs=0.13)
    assert np.abs(samples).max() > 0.1


@pytest.mark.parametrize(
    ("name", "speaks"), [("a.pcm", True), ("a.txt", True), ("a.wav", False), ("a", True)]
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, speaks):
    with pytest.raises(InvalidRequest, match="must end in one of") as raised:
        check_output(str(tmp_path / name), speaks, [tmp_path], "payload.output_path")
    assert raised.value.param == "payload.output_path"


def test_a_file_that_the_server_cannot_write_is_refused_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="av"):
        check_output(str(tmp_path / "a.aac"), True, [tmp_path], "payload.output_path")
