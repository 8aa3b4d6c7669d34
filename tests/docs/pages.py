"""The pages of the documentation, the blocks that stand in them, and the shape of a sample answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from servers.settings import ROOT

PAGES = ("README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))
FENCE = "```"
OPENING = re.compile(r'```(?P<language>[a-z]+)(?: title="(?P<title>[\w./-]+)")?')
INDENTED = re.compile(r" {4,}\S|\t")
ANYTHING = "…"
TEXT_OR_ELLIPSIS = re.compile(r'"(?:[^"\\]|\\.)*"|…')


@dataclass(frozen=True)
class Block:
    """A fenced block. One with a `title` is the content of the file of that name."""

    page: str
    line: int
    language: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """All of the page's, in order."""
    return list(read_blocks(page, text_of(page)))


def prose(page: str) -> str:
    """The page without its blocks."""
    text = text_of(page)
    for block in read_blocks(page, text):
        text = text.replace(block.text, "")
    return text


def read_blocks(page: str, text: str) -> Iterator[Block]:
    """Raises ValueError for a block without a language, without an end, or by indentation alone."""
    opening, opened, inside = None, 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if opening is not None and line == FENCE:
            yield Block(page, opened, opening["language"], opening["title"], "".join(inside))
            opening, inside = None, []
        elif opening is not None:
            inside.append(f"{line}\n")
        elif FENCE in line:
            opening, opened = OPENING.fullmatch(line), number
            if opening is None:
                raise ValueError(f"{page}:{number}: a block begins with {FENCE} and its language")
        elif INDENTED.match(line):
            raise ValueError(f"{page}:{number}: a block stands between fences")
    if opening is not None:
        raise ValueError(f"{page}:{opened}: this block has no end")


def sample(text: str) -> Any:
    """A sample answer: JSON in which a bare … is anything, or more of a list's elements."""
    return json.loads(TEXT_OR_ELLIPSIS.sub(lambda found: f'"{found[0].strip(chr(34))}"', text))


def differences(sample: Any, answer: Any, at: str = "answer") -> list[str]:
    """Where an answer has other keys or types than the sample of it, each as one line."""
    if sample == ANYTHING:
        return []
    if _type(sample) != _type(answer):
        return [f"{at} is {_type(answer)}, and {_type(sample)} in the sample"]
    if isinstance(sample, dict):
        return _of_objects(sample, answer, at)
    return _of_arrays(sample, answer, at) if isinstance(sample, list) else []


def _of_objects(sample: dict[str, Any], answer: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}.{name} is only in the sample" for name in sample.keys() - answer.keys()]
    found += [f"{at}.{name} is not in the sample" for name in answer.keys() - sample.keys()]
    for name in sample.keys() & answer.keys():
        found += differences(sample[name], answer[name], f"{at}.{name}")
    return found


def _of_arrays(sample: list[Any], answer: list[Any], at: str) -> list[str]:
    """Where the sample says that there are more, those are like its first."""
    shown = [element for element in sample if element != ANYTHING]
    if len(answer) < len(shown) or (len(answer) > len(shown) == len(sample)):
        return [f"{at} has {len(answer)} elements, and {len(shown)} in the sample"]
    like = shown + shown[:1] * (len(answer) - len(shown)) if shown else [ANYTHING] * len(answer)
    return [
        line
        for place, (wanted, element) in enumerate(zip(like, answer, strict=True))
        for line in differences(wanted, element, f"{at}.{place}")
    ]


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "an object"
        case _:
            return "an array"
