"""A CloudWatch dashboard as a picture: where each widget is, what it shows, and whether that is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

CELL, HEAD, LINE = 50, 26, 18
COLOURS = {True: "#1b7f3b", False: "#c0392b"}
Metric = tuple[str, str, dict[str, str]]


@dataclass(frozen=True)
class Widget:
    left: int
    top: int
    width: int
    height: int
    kind: str
    title: str
    metrics: tuple[Metric, ...]
    """(namespace, name, dimensions)"""
    others: tuple[str, ...]
    """What it shows besides: alarms by their ARNs, a query."""

    def cells(self) -> set[tuple[int, int]]:
        return {
            (x, y)
            for x in range(self.left, self.left + self.width)
            for y in range(self.top, self.top + self.height)
        }


def widgets(body: str) -> list[Widget]:
    """Of a dashboard's body."""
    return [
        Widget(
            *(each[name] for name in ("x", "y", "width", "height", "type")),
            each["properties"]["title"],
            tuple(metrics(each["properties"].get("metrics", []))),
            tuple(
                each["properties"].get("alarms", []) or filter(None, [each["properties"].get("query", "")])
            ),
        )
        for each in json.loads(body)["widgets"]
    ]


def metrics(rows: Sequence[Sequence[Any]]) -> Iterator[Metric]:
    """A row is namespace, name, a dimension's name and value …, and at its end how it is shown."""
    for row in rows:
        texts = [each for each in row if not isinstance(each, Mapping)]
        namespace, name, *dimensions = texts
        yield namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))


def svg(found: Sequence[Widget], is_there: Callable[[Metric], bool]) -> str:
    """What is there is green, what is not is red."""
    height = max(widget.top + widget.height for widget in found) * CELL
    drawn = "\n".join(line for widget in found for line in _drawn(widget, is_there))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{24 * CELL}" height="{height}" '
        f'font-family="sans-serif" font-size="13">\n{drawn}\n</svg>\n'
    )


def _drawn(widget: Widget, is_there: Callable[[Metric], bool]) -> Iterator[str]:
    x, y = widget.left * CELL, widget.top * CELL
    yield (
        f'<rect x="{x + 4}" y="{y + 4}" width="{widget.width * CELL - 8}" '
        f'height="{widget.height * CELL - 8}" rx="6" fill="#fff" stroke="#99a"/>'
    )
    yield _text(x + 14, y + HEAD, f"{widget.title} ({widget.kind})", "#223", "bold")
    lines = [(" ".join(metric[:2]), COLOURS[is_there(metric)]) for metric in widget.metrics]
    lines += [(other.rpartition(":")[2][: widget.width * 7], "#446") for other in widget.others]
    for row, (line, colour) in enumerate(lines[: (widget.height * CELL - HEAD - 12) // LINE]):
        yield _text(x + 14, y + HEAD + LINE * (row + 1), line, colour)


def _text(x: int, y: int, text: str, colour: str, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" font-weight="{weight}">{escape(text)}</text>'
