"""What the pages say is so; tests/acceptance/test_docs.py runs their blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import pytest

from servers.cli import app, gpu, main_job, models, srv
from servers.cli.output import ExitCode
from servers.errors import BY_CODE
from servers.server_config import ClientConfig
from servers.settings import ROOT, Section, Settings
from servers.settings.variables import SEED_VARIABLES
from tests.docs.pages import PAGES, Block, blocks, differences, prose, read_blocks, sample, text_of

NO_SETTINGS = {
    "SKYLARK_CONFIG": "names the file of the settings",
    "SKYLARK_SERVER_CONFIG": "a client's",
    "SKYLARK_BIND": "docker-compose.yml's",
}


def everything() -> str:
    return "\n".join(map(text_of, PAGES))


def shown(pattern: str) -> set[str]:
    """What the pattern finds in the pages' shell blocks."""
    shell = "".join(block.text for page in PAGES for block in blocks(page) if block.language == "sh")
    return set(re.findall(pattern, shell, flags=re.MULTILINE))


# the commands and scripts


def test_the_first_request_is_the_one_that_up_prints():
    printed = main_job.curl_line(ClientConfig(server_url="http://127.0.0.1:5000"))
    (first,) = [block.text for block in blocks("README.md") if block.text.startswith("curl")]
    assert shlex.split(first.replace("\\\n", "")) == shlex.split(printed)


def test_every_command_is_shown_and_no_other():
    commands = {command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    groups = {group.name for group in app.registered_groups}
    assert shown(r"skylark ([\w-]+)") == commands - {"up"} | groups


def test_every_command_of_a_group_is_shown_and_no_other():
    assert shown(r"skylark srv (\w+)") == {
        command.callback.__name__ for command in srv.app.registered_commands
    }
    names = {command.name or command.callback.__name__ for command in models.app.registered_commands}
    assert shown(r"skylark models (\w+)") == names
    assert shown(r"skylark gpu (\w+)") == {
        command.callback.__name__ for command in gpu.app.registered_commands
    }


PARTS = {"environment", "python", "container-engine", "model-versions"}
"""Of other scripts."""


def test_every_script_that_is_named_is_there_and_every_script_is_named():
    named = set(re.findall(r"scripts/([a-z]+(?:-[a-z]+)*(?:\.py)?)", everything()))
    assert named == {script.name for script in (ROOT / "scripts").iterdir()} - PARTS


# the tables


def rows(page: str, heading: str) -> list[tuple[str, ...]]:
    """The cells of the first table under a heading."""
    section = text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.search(r"\|[-|]+\|\n((?:\|.*\n)+)", section)
    assert lines
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in lines[1].splitlines()]


def test_every_error_stands_with_its_status():
    stated = {code: int(status) for code, status, _ in rows("docs/http.md", "Errors")}
    assert stated == {code: kind.http_status for code, kind in BY_CODE.items()}


def test_every_exit_code_stands_there():
    assert {int(code) for code, _ in rows("docs/command-line.md", "Exit codes")} == set(ExitCode)


def test_every_word_of_the_glossary_stands_there_once():
    words = re.findall(r"^\| ([^|]+) \| ", text_of("docs/glossary.md"), flags=re.MULTILINE)
    each = [word for line in words if line != "word" for word in line.split(", ")]
    assert sorted(each) == sorted(set(each))


# what is named


ROUTE = re.compile(r'@bp\.(?:get|post|put|delete|route)\("([^"]+)"')


PAGES_OF = {
    "docs/http.md": ("tts", "whisperx", "web"),
    "docs/openai.md": ("openai",),
    "docs/websocket.md": ("elevenlabs",),
    "docs/jobs.md": ("engine", "texts", "jobs", "runner"),
    "docs/page.md": ("proxy",),
    "docs/finetune.md": ("finetune",),
}
"""Which packages' endpoints stand where."""


def routes(packages: Iterable[str]) -> set[str]:
    files = [file for package in packages for file in (ROOT / "servers" / package).rglob("*.py")]
    return {route for file in files for route in ROUTE.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES_OF)
def test_every_endpoint_stands_on_its_page(page):
    found = routes(PAGES_OF[page])
    assert found
    for route in found:
        assert re.search(re.sub(r"<[^>]+>", r"[^ \"`]+", route), text_of(page)), route


def test_every_package_with_endpoints_has_a_page():
    listed = {package for packages in PAGES_OF.values() for package in packages}
    for folder in (ROOT / "servers").iterdir():
        if folder.is_dir() and folder.name not in listed:
            assert not routes([folder.name]), folder.name


def settings_variables() -> Iterator[str]:
    yield from SEED_VARIABLES
    for name, field in Settings.model_fields.items():
        yield f"SKYLARK_{name}".upper()
        yield from getattr(field.validation_alias, "choices", ())
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from (f"SKYLARK_{name}__{inner}".upper() for inner in field.annotation.model_fields)


def test_every_variable_that_is_named_is_one():
    named = set(re.findall(r"\b(?:SKYLARK|TTS)_[A-Z_]+\b", everything()))
    assert named - set(settings_variables()) == NO_SETTINGS.keys()


SECTIONS = "|".join(
    name for name, field in Settings.model_fields.items() if isinstance(field.default, Section)
)


def test_every_setting_that_is_named_is_one():
    named = set(re.findall(rf"`({SECTIONS})\.([a-z_]+)`", everything())) - {("engine", "sock")}
    for section, name in named:
        assert name in Settings.model_fields[section].annotation.model_fields, f"{section}.{name}"


def test_every_path_that_is_named_is_there():
    named = {path for page in PAGES for path in re.findall(r"`([\w./-]+/(?:\w+\.py)?)`", prose(page))}
    missing = {path for path in named if not any((base / path).exists() for base in (ROOT, ROOT / "servers"))}
    in_data_dir = {"results/", "uploads/", "logs/", "generated_audio/", "speech_cache/"}
    in_bucket = {path for path in missing if path.startswith("audio/")}
    assert (
        not missing
        - in_data_dir
        - in_bucket
        - {"servers/NAME/", "servers/backends/NAME.py", "my_backends/tones.py"}
    )


# links


def anchors(page: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(str(target.resolve().relative_to(ROOT))), link


def test_every_page_is_linked_from_readme():
    links = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", text_of("README.md")))
    assert links == set(PAGES) - {"README.md"}


# the blocks and samples themselves


def test_a_page_is_read_block_by_block():
    page = '# A\n```sh\nls\n```\nand\n```json title="a.json"\n{}\n```\n'
    assert list(read_blocks("p", page)) == [
        Block("p", 2, "sh", None, "ls\n"),
        Block("p", 6, "json", "a.json", "{}\n"),
    ]


@pytest.mark.parametrize("page", ["```\nls\n```\n", "```sh\nls\n", "text\n\n    ls\n", "```sh\nls\n``` \n"])
def test_a_block_that_the_test_would_miss_is_an_error(page):
    with pytest.raises(ValueError, match="p:"):
        list(read_blocks("p", page))


@pytest.mark.parametrize("page", PAGES)
def test_a_block_that_is_a_file_is_told_where_it_goes(page):
    for block in blocks(page):
        if block.title is not None:
            assert PurePath(block.title).name in prose(page), str(block)


@pytest.mark.parametrize("page", PAGES)
def test_a_command_can_be_pasted_at_any_prompt(page):
    """zsh, macOS's own shell, takes a # for a word there, and both it and bash expand a ! in a text."""
    for block in blocks(page):
        if block.language == "sh":
            assert not re.search(r"(^|\s)#|!", block.text), str(block)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_says_skylark_says_what_has_to_be_activated_first(page):
    says_skylark = any(
        re.search(r"\bskylark ", block.text) for block in blocks(page) if block.language == "sh"
    )
    if says_skylark and page != "README.md":
        assert "(../README.md#a-first-request)" in prose(page)


@pytest.mark.parametrize("page", PAGES)
def test_a_block_of_text_is_a_picture_and_no_command(page):
    for block in blocks(page):
        if block.language == "text":
            assert not re.search(
                r"^\s*(curl|skylark|scripts/\w|python|\.venv)", block.text, flags=re.MULTILINE
            )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"a": 1, "b": null}', {"b": None, "a": 2.5}),
        ('[{"a": "x"}, …]', [{"a": "1"}, {"a": "2"}]),
        ("[…]", [1, "2"]),
        ('{"a": …}', {"a": {"b": 1}}),
        ('["…"]', ["anything"]),
    ],
)
def test_an_answer_of_the_samples_shape_has_no_differences(text, answer):
    assert differences(sample(text), answer) == []


@pytest.mark.parametrize(
    ("text", "answer", "says"),
    [
        ('{"a": 1}', {}, "answer.a is only in the sample"),
        ("{}", {"a": 1}, "answer.a is not in the sample"),
        ('{"a": 1}', {"a": "1"}, "answer.a is a text, and a number in the sample"),
        ('{"a": true}', {"a": 1}, "answer.a is a number, and a boolean in the sample"),
        ('{"a": null}', {"a": 1}, "answer.a is a number, and null in the sample"),
        ('[{"a": "x"}, …]', [{"a": "1"}, {"b": "2"}], "answer.1.a is only in the sample"),
        ("[1]", [1, 2], "answer has 2 elements, and 1 in the sample"),
        ("[1, …]", [], "answer has 0 elements, and 1 in the sample"),
        ("[]", [1], "answer has 1 elements, and 0 in the sample"),
    ],
)
def test_an_answer_of_another_shape_is_told_where(text, answer, says):
    assert says in differences(sample(text), answer)
