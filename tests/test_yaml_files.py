"""What is said of a YAML file that cannot be used; the example of models.yaml half uncommented, above all."""

from __future__ import annotations

import re

import pytest

from servers.backends.load import check_models
from servers.catalog import EXAMPLE, Catalog
from servers.errors import SettingsError

WHOLE = EXAMPLE.read_text()


def uncommented(*lines: str, space: str = "") -> str:
    """The example with the # taken from those lines of it; `space` is what stands there instead."""
    text = WHOLE
    for line in lines:
        text, count = re.subn(rf"(?m)^  #( *{re.escape(line)})", rf"  {space}\1", text)
        assert count, line
    return text


QWEN = ("qwen3_tts:", "  default: 1.7b-customvoice", "  models:")
BASE = "    1.7b-base:"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (uncommented("qwen3_tts:"), "backends.qwen3_tts: has nothing below it: take the # from every line"),
        (uncommented(*QWEN[:2]), "backends.qwen3_tts.models: is missing: take the # from every line"),
        (uncommented(*QWEN), "line [0-9]+: 'models' is there twice, .* line [0-9]+: take the # from every"),
        (uncommented(*QWEN[1:]), "line [0-9]+: 'default' is there twice, the first time in line [0-9]+: "),
        (uncommented(*QWEN, BASE, space=" "), "line [0-9]+: it is not indented as the lines are"),
        (uncommented(BASE), "checkpoint: a model of pocketsphinx has no such option .it has none.: take"),
        (WHOLE.replace("espeak-ng: {}", "espeak-ng: {pich: 1}"), "no such option .its options are default_v"),
        (WHOLE.replace("  espeak:", "  tones:", 1), "no backend is called 'tones'; known are "),
        (WHOLE.replace("  espeak:", "  tones:", 1), r"backends_path .* names the folder of tones.py"),
        ("", "the file: has nothing below it"),
        ("backends: {a: {default: b, models: {b: {}}, x: 1}}", "backends.a.x: there is no such key"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told_with_its_line_or_key_and_what_to_do(tmp_path, text, says):
    file = tmp_path / "models.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        check_models(Catalog.load(file), file)
    said = str(raised.value)
    assert said.startswith(f"{file}: ")
    assert re.search(says, said), said
    assert "\n" not in said


def test_the_example_is_whole_and_so_it_is_with_every_entry_of_it(tmp_path):
    file = tmp_path / "models.yaml"
    for text in (WHOLE, re.sub(r"(?m)^  #(?! \S)", "  ", WHOLE)):
        file.write_text(text)
        check_models(Catalog.load(file), file)
    assert {model.backend for model in Catalog.load(file)} > {"qwen3_tts", "whisperx"}
