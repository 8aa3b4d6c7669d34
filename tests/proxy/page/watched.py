"""A page of a real browser: what it ought not to say, throw or ask, and how it looks on three screens."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Request

WIDTHS = (360, 800, 1400)
LOCAL_SCHEMES = ("blob:", "data:", "about:")


class Complaints:
    """What a page says on its console, throws, or asks of other origins; a test says what it expects."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._expected: list[str] = []
        self._seen: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """Also what its other pages and its workers do."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self._seen.append(f"thrown: {error.error}"))
        context.on("request", self._asked)

    def expect(self, *patterns: str) -> None:
        """Complaints in which one of the regular expressions is found are wanted by this test."""
        self._expected += patterns

    @property
    def unexpected(self) -> list[str]:
        return [said for said in self._seen if not any(re.search(each, said) for each in self._expected)]

    def _said(self, message: ConsoleMessage) -> None:
        self._seen.append(f"console {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(LOCAL_SCHEMES) and _origin(request.url) != self._origin:
            self._seen.append(f"request to another origin: {request.url}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Shots:
    """Screenshots of a page at three widths, in light and dark, in a folder for whoever wants to look."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def take(self, page: Page, name: str) -> None:
        """Fails where the page can be moved sideways at one of the widths."""
        before = page.viewport_size
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= width, f"{name}: {wide} px wide on a screen of {width}"
            self._save(page, f"{name}-{width}")
        if before is not None:
            page.set_viewport_size(before)

    def _save(self, page: Page, name: str) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=self._folder / f"{name}-{scheme}.png", full_page=True, animations="disabled")
        page.emulate_media(color_scheme="light")


def until(page: Page, expression: str, argument: object = None, within_s: float = 60.0) -> None:
    """Looks until the JavaScript is true. Playwright's wait_for_function does that with an eval in the page,
    which the page's Content-Security-Policy forbids.
    """
    deadline = time.monotonic() + within_s
    while not page.evaluate(expression, argument):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {expression}"
        page.wait_for_timeout(20)


def requests_of(page: Page) -> list[str]:
    """The last parts of the paths that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path.rpartition("/")[2]))
    return asked


def closed(context: BrowserContext) -> None:
    """Its open requests end with it, and a page that has crashed is no second failure."""
    try:
        context.close()
    except Error as error:
        if "closed" not in str(error):
            raise
