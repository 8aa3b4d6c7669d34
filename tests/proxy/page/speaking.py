"""The tab Speak, from the side of who uses it, and what the server said to it."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, Request, Route, expect

Samples = NDArray[np.int16]
TEXT = (
    "Good morning, and welcome. It was a bright cold day in April, and the clocks were striking.\n\n"
    "Nobody was there. Then somebody came, and said hello."
)
SENTENCES = [
    "Good morning, and welcome.",
    "It was a bright cold day in April, and the clocks were striking.",
    "Nobody was there.",
    "Then somebody came, and said hello.",
]
RATE = 24_000
WATCH = """async () => {
  const { Player } = await import("/page/player.js");
  Object.assign(window, { given: [], marks: [], plays: 0 });
  const { append, play } = Player.prototype;
  const { get } = Object.getOwnPropertyDescriptor(Player.prototype, "position");
  let looked = 0;
  Object.defineProperty(Player.prototype, "position", { get() { return (looked = get.call(this)); } });
  Player.prototype.play = function () {
    window.plays += 1;
    return play.call(this);
  };
  Player.prototype.append = function (samples, rate) {
    window.player = this;
    for (const sample of samples) window.given.push(sample);
    return append.call(this, samples, rate);
  };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.getAttribute("aria-current") !== "true") continue;
      const words = [...target.closest(".sentence").querySelectorAll("[data-start]")];
      const begun = (seconds) => words.findLast(({ dataset }) => Number(dataset.start) <= seconds);
      const due = [begun(looked - 0.001), begun(looked + 0.001)]; // a span's time is told to the millisecond
      window.marks.push([target.textContent, due.includes(target)]);
    }
  }).observe(document.getElementById("speak"), { subtree: true, attributeFilter: ["aria-current"] });
}"""
ASK = """async ([key, body]) => {
  const { api } = await import("/page/api.js");
  const reply = await api.send("POST", "/api/speech", { body, headers: { "Idempotency-Key": key } });
  const bytes = new Uint8Array(await reply.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""
GIVEN = """() => {
  const bytes = new Uint8Array(Int16Array.from(window.given).buffer);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""
SPEECH = "**/api/speech*"
CURRENT = "#speak [data-start][aria-current=true]"


class Speaking:
    """The tab, from the side of who uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.bodies: list[tuple[str, str, dict]] = []
        """What was asked of the server: query, name and body of each request."""
        page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        if "/api/speech" in request.url:
            key = request.headers["idempotency-key"]
            self.bodies.append((request.url.partition("?")[2], key, request.post_data_json))

    def open(self) -> Speaking:
        """Also again, after a reload: until what was kept is there, and then who can speak."""
        self.page.goto("about:blank")
        self.page.goto("/#speak")
        self.button("Speak").wait_for()
        self.page.evaluate(WATCH)
        voice = self.page.get_by_role("combobox", name="Voice", exact=True)
        expect(voice.locator("option[value*=espeak]")).not_to_have_count(0)
        return self

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def text(self) -> Locator:
        return self.page.get_by_role("textbox", name="Text")

    @property
    def words(self) -> Locator:
        """Those that have their times."""
        return self.page.locator("#speak [data-start]")

    @property
    def current(self) -> Locator:
        """The word that is lit."""
        return self.page.locator(CURRENT)

    def speak(self, text: str = TEXT) -> None:
        """Until it plays, or waits for what it plays."""
        self.text.fill(text)
        self.plays_by("Speak")

    def plays_by(self, name: str) -> None:
        """That button: what was heard before it has no part in what is waited for then."""
        before = self.page.evaluate("window.plays")
        self.button(name).click()
        self.until("(before) => window.plays > before", before)

    def pause(self) -> None:
        self.button("Pause").click()
        self.button("Resume").wait_for()

    def until(self, true: str, arg: object = None) -> None:
        self.page.wait_for_function(true, arg=arg)

    def until_made(self, count: int = len(SENTENCES)) -> None:
        self.until("(n) => document.querySelectorAll('#speak .sentence[data-state=done]').length >= n", count)

    def until_heard(self) -> None:
        """To the end."""
        self.until(
            "() => ![...document.querySelectorAll('#speak button')].some((b) => "
            "b.textContent === 'Stop' && b.checkVisibility())"
        )

    def server_said(self) -> list[Samples]:
        """The server's samples for each request's name, in the order in which they were asked: the voice says
        nothing the same way twice, but by that.
        """
        asked = {key: body for _, key, body in self.bodies}
        return [self._server_said(key, body) for key, body in asked.items()]

    def _server_said(self, key: str, body: dict) -> Samples:
        audio = self.page.evaluate(ASK, [key, body | {"stream_format": "audio"}])
        return np.frombuffer(b64decode(audio), "<i2")

    def given(self) -> Samples:
        return np.frombuffer(b64decode(self.page.evaluate(GIVEN)), "<i2")

    def position(self) -> float:
        return self.page.evaluate("window.player.position")

    def downloaded(self, format: str, part: str = "all") -> bytes:
        self.page.get_by_role("combobox", name="Format").select_option(format)
        self.page.get_by_role("combobox", name="Part").select_option(part)
        with self.page.expect_download() as download:
            self.button("Download").click()
        return download.value.path().read_bytes()


class Gate:
    """The requests for speech wait at it until it is opened."""

    def __init__(self) -> None:
        self.waiting: list[Route] = []
        self.is_open = False

    def __call__(self, route: Route) -> None:
        if self.is_open:
            route.continue_()
        else:
            self.waiting.append(route)

    def open(self) -> None:
        self.is_open = True
        for route in self.waiting:
            route.continue_()
