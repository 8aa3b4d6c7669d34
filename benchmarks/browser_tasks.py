"""How long a page keeps its browser at one thing, by Chromium's own trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CATEGORIES = ["-*", "devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel", "__metadata"]


@dataclass(frozen=True)
class Task:
    """Of the page's own thread; what it took, and how much of that the processor was at it."""

    ms: float
    cpu_ms: float


def traced(browser: Browser, page: Page, act: Callable[[], object]) -> list[Task]:
    browser.start_tracing(page=page, categories=CATEGORIES)
    act()
    events = json.loads(browser.stop_tracing())["traceEvents"]
    return list(_tasks_of(events))


def _tasks_of(events: list[dict]) -> Iterator[Task]:
    """Of the processes that have shown the page: the browser has others, for pages of its own."""
    pids = {frame["processId"] for event in events for frame in _frames_of(event)}
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name"
        and event["args"]["name"] == "CrRendererMain"
        and event["pid"] in pids
    }
    for event in events:
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) in threads:
            yield Task(event.get("dur", 0) / 1_000, event.get("tdur", 0) / 1_000)


def _frames_of(event: dict) -> list[dict]:
    """Those of the page that is traced, as it is when that begins and wherever it goes then."""
    if event["name"] == "TracingStartedInBrowser":
        return event["args"]["data"]["frames"]
    return [event["args"]["data"]] if event["name"] == "FrameCommittedInBrowser" else []
