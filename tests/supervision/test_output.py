"""What a container's processes write, as one stream."""

from __future__ import annotations

import io
import json

import pytest

from servers.supervision import output as module
from servers.supervision.output import Output


@pytest.fixture
def stream():
    return io.BytesIO()


@pytest.fixture
def output(stream):
    return Output(stream)


def lines(stream) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_ours_is_written_whole_with_the_name_of_its_process(output, stream):
    output.write("tts", b'{"at": "now", "mess')
    output.write("whisperx", b'{"at": "then"}\n')
    output.write("tts", b'age": "spoken"}\n{"at": "later"}\n')
    assert lines(stream) == [
        {"process": "whisperx", "at": "then"},
        {"process": "tts", "at": "now", "message": "spoken"},
        {"process": "tts", "at": "later"},
    ]


@pytest.mark.parametrize(
    "said", ["skylark: no such model", '{"broken', '{"a" 1}', "[1]", "\x1b[31m ’", '{"a": 1} 2']
)
def test_what_is_no_object_of_json_becomes_the_message_of_one(output, stream, said):
    output.write("tts", f"{said}\n".encode())
    (line,) = lines(stream)
    assert (line["process"], line["level"], line["message"]) == ("tts", "WARNING", said)
    assert line["at"]


def test_bytes_that_are_no_text_do_not_break_the_stream(output, stream):
    output.write("engine", b"\xff\x00 core dumped\n\n\n")
    (line,) = lines(stream)
    assert line["message"].endswith("core dumped")


def test_what_a_process_has_begun_when_it_ends_is_not_lost_nor_mixed_with_its_successors(output, stream):
    output.write("tts", b"Segmentation")
    output.end("tts")
    output.end("tts")
    output.write("tts", b'{"at": "again"}\n')
    assert [line.get("message") for line in lines(stream)] == ["Segmentation", None]


def test_a_line_without_an_end_does_not_fill_the_memory(output, stream, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 10)
    for _ in range(4):
        output.write("tts", b"12345678")
    assert [line["message"] for line in lines(stream)] == ["1234567812345678"] * 2
