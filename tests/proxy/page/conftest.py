"""The page as people have it: a real appliance, a real proxy beside it, and a real browser.

One appliance, one proxy and one browser for all tests of a process. With SKYLARK_TEST_SHOTS the screenshots
that tests take are written to that folder.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from servers.settings import ROOT
from servers.supervision.processes import DOORS
from tests.acceptance.processes import (
    EMBEDDED,
    START_S,
    Appliance,
    Process,
    eventually,
    free_port,
    running_appliance,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

    from tests.proxy.page.speaking import Speaking
    from tests.proxy.page.watched import Complaints, Shots

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
)
LONGEST_MS = 60_000
"""What a test waits for at most, on a machine that is busy with others."""

SAID = "Good morning, and welcome. We have three things to talk about. Please bring two tickets, and a map."

Launch = Callable[..., AbstractContextManager["Browser"]]
OpenPage = Callable[..., AbstractContextManager["Page"]]


@dataclass(frozen=True)
class Proxy:
    url: str
    process: Process
    environment: dict[str, str]


@pytest.fixture(scope="session")
def appliance() -> Iterator[Appliance]:
    """With the voices and ears that need no weights."""
    with running_appliance(SKYLARK_MODELS_FILE=str(ROOT / "config" / "models.example.yaml")) as appliance:
        yield appliance


@contextmanager
def running_proxy(appliance: Appliance, **settings: str) -> Iterator[Proxy]:
    """One beside that appliance, with whatever other settings a test wants."""
    environment = {
        "SKYLARK_DATA_DIR": str(appliance.folder),
        **EMBEDDED,
        **{door.port_variable: str(appliance.ports[door.name]) for door in DOORS},
        **settings,
    }
    with serving(environment, appliance.folder / "logs") as proxy:
        yield proxy


@contextmanager
def serving(environment: dict[str, str], logs: Path) -> Iterator[Proxy]:
    """A proxy with these settings; at a port of its own, where they name none."""
    port = environment.get("SKYLARK_PROXY__PORT", str(free_port()))
    environment = {**environment, "SKYLARK_PROXY__PORT": port}
    process = Process("servers.proxy", environment, logs / f"proxy-{port}.log")
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url, process), "the proxy answers", START_S)
        yield Proxy(url, process, environment)
    finally:
        process.end()


def _answers(url: str, process: Process) -> bool:
    assert process.process.is_running(), process.log.read_text()
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="session")
def proxy(appliance: Appliance) -> Iterator[Proxy]:
    with running_proxy(appliance) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def recording(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav in which SAID is read."""
    reply = appliance.post("tts", "/generate_batch", json={"texts": [SAID]})
    assert reply.status_code == 200, reply.text
    path = tmp_path_factory.mktemp("recordings") / "news.wav"
    path.write_bytes(base64.b64decode(reply.json()["results"][0]["audio"]))
    return path


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    api = pytest.importorskip("playwright.sync_api", reason="the page's tests need the package playwright")
    api.expect.set_options(timeout=LONGEST_MS)
    with api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Launch:
    """Another browser than `browser`, with more arguments, or without some of them."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("the page's tests need Chromium: apt install chromium")

    @contextmanager
    def launched(*more: str, without: str | None = None) -> Iterator[Browser]:
        arguments = [each for each in (*ARGUMENTS, *more) if each != without]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()

    return launched


@pytest.fixture(scope="session")
def browser(launch: Launch) -> Iterator[Browser]:
    with launch() as browser:
        yield browser


CALL = """async ([name, function_, given]) => {
  const module = await import(`/page/${name}.js`);
  return JSON.stringify(module[function_](...JSON.parse(given)) ?? null);
}"""


@pytest.fixture(scope="session")
def module(browser: Browser, proxy: Proxy) -> Iterator[Callable[..., object]]:
    """`module(name, function, *arguments)` calls a function of one of the modules, without the page."""
    context = browser.new_context(base_url=proxy.url)
    page = context.new_page()
    page.goto("/page/style.css")  # no page of its own, but its origin

    def call(name: str, function: str, *arguments: object) -> object:
        return json.loads(page.evaluate(CALL, [name, function, json.dumps(arguments)]))

    yield call
    context.close()


@pytest.fixture
def complaints(proxy: Proxy) -> Iterator[Complaints]:
    """What must not happen on the page; `complaints.expect(regex)` for what a test provokes."""
    from tests.proxy.page.watched import Complaints

    complaints = Complaints(proxy.url)
    yield complaints
    assert not complaints.unexpected, "\n".join(complaints.unexpected)


@pytest.fixture
def open_page(complaints: Complaints, proxy: Proxy) -> OpenPage:
    """A page of a visitor of its own in the given browser; `options` are those of a browser's context."""
    from tests.proxy.page.watched import closed

    @contextmanager
    def opened(browser: Browser, **options: object) -> Iterator[Page]:
        context = browser.new_context(
            **{"base_url": proxy.url, "viewport": {"width": 1000, "height": 900}, **options}
        )
        context.set_default_timeout(LONGEST_MS)
        complaints.watch(context)
        try:
            yield context.new_page()
        finally:
            closed(context)

    return opened


@pytest.fixture
def page(open_page: OpenPage, browser: Browser) -> Iterator[Page]:
    """A new visitor's, who lets pages use the microphone; `page.goto("/#listen")` opens it."""
    with open_page(browser, permissions=["microphone"]) as page:
        yield page


@pytest.fixture
def speaking(page: Page) -> Speaking:
    """The tab Speak, open, with whatever is given to its player written down."""
    from tests.proxy.page.speaking import Speaking

    return Speaking(page).open()


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """Fails with what axe-core finds on the page as it is now."""
    runner = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs the package axe-playwright-python"
    )

    def check(page: Page) -> None:
        found = runner.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    return check


@pytest.fixture
def shots() -> Shots:
    from tests.proxy.page.watched import Shots

    folder = os.environ.get("SKYLARK_TEST_SHOTS")
    return Shots(Path(folder) if folder else None)
