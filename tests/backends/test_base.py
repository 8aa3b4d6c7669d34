"""What a runner sees to before a backend has a request, and which fields are given in vain."""

from __future__ import annotations

from typing import ClassVar

import pytest

from servers.backends.base import Backend, Resumable, ignored_fields, taken_up
from servers.errors import InvalidRequest
from servers.speech import AlignRequest, TranscribeRequest, Utterance


class Loud(Utterance):
    volume: int = 1


class Both(Backend):
    requests: ClassVar = {"synthesize": Loud, "transcribe": TranscribeRequest, "align": AlignRequest}
    honours: ClassVar = frozenset({"voice", "prompt"})


class Trainer(Backend):
    requests: ClassVar = {"train": Resumable}


def test_what_a_backend_does_not_act_on_is_known_by_task():
    assert ignored_fields(Both, "synthesize") == {"language", "instruct", "seed", "speed"}
    assert ignored_fields(Both, "transcribe") == {"language", "temperature"}
    assert ignored_fields(Both, "align") == {"language"}


def test_fields_of_its_own_are_none_that_it_ignores():
    assert ignored_fields(Trainer, "train") == set()


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
@pytest.mark.parametrize("task", [{"task": "synthesize"}, {"task": "align", "audio_path": "a.wav"}])
def test_an_empty_text_is_refused_once_it_is_its_turn(text, task):
    with pytest.raises(InvalidRequest, match="the text is empty") as raised:
        taken_up(Both, task | {"text": text})
    assert raised.value.param == "text"


@pytest.mark.parametrize(
    "text",
    [
        "<speak>Hello.</speak>",
        '  <speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis">Hello.</speak>',
        '<?xml version="1.0"?>\n<speak\n>Hello.</speak>',
        "<speak/>",
    ],
)
def test_ssml_is_refused_and_not_read_aloud(text):
    with pytest.raises(InvalidRequest, match="plain text is possible") as raised:
        taken_up(Both, {"text": text})
    assert raised.value.param == "text"


@pytest.mark.parametrize("text", ["<speaker> said", "a < b", "<b>Hello.</b>", "He wrote <speak>."])
def test_a_text_with_other_marks_is_a_text(text):
    taken = taken_up(Both, {"text": text})
    assert isinstance(taken, Utterance)
    assert taken.text == text


def test_what_is_aligned_may_be_any_text():
    taken = taken_up(Both, {"task": "align", "audio_path": "a.wav", "text": "<speak>Hello.</speak>"})
    assert isinstance(taken, AlignRequest)
