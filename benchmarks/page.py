"""The page in a real browser before a real appliance: how soon it can be used and heard, what it weighs, and
how long it keeps the browser at one thing, by Chromium's own trace.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import requests

from benchmarks.browser_tasks import Task, traced
from benchmarks.figures import Figure, median, percentile
from benchmarks.visitors import first_ms, served
from tests.proxy.page.conftest import ARGUMENTS, BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOADS, SENTENCES = 7, 10
SCRIPT_WORDS, TRANSCRIPT_WORDS, TRANSCRIPT_S = 3_000, 9_000, 3_600
HEARD_FRAMES = 900
LONGEST_MS = 120_000
LIMIT_MS = 50
WORDS = "the morning was bright and a cold wind went over the long hill before anybody had come".split()  # noqa: SIM905

WATCH_LOAD = """
  new MutationObserver((_, observer) => {
    const speak = [...document.querySelectorAll("#speak button")].some((b) => b.textContent === "Speak");
    if (!speak) return;
    window.usableMs = performance.now();
    observer.disconnect();
  }).observe(document, { subtree: true, childList: true });
"""
WATCH_SOUND = """
  const read = ReadableStreamDefaultReader.prototype.read;
  ReadableStreamDefaultReader.prototype.read = async function () {
    const piece = await read.call(this);
    if (piece.value?.length && window.pressedMs) window.byteMs ??= performance.now();
    return piece;
  };
"""
PRESS = """async () => {
  const { Player } = await import("/page/player.js");
  const append = Player.prototype.append;
  const looked = new Promise((resolve) => {
    Player.prototype.append = function (...given) {
      const player = this;
      const look = () => {
        const { position } = player;
        if (position > 0) resolve(performance.now() - position * 1000);
        else setTimeout(look, 1);
      };
      look();
      Player.prototype.append = append;
      return append.apply(this, given);
    };
  });
  const speak = [...document.querySelectorAll("#speak button")].find((b) => b.textContent === "Speak");
  window.pressedMs = performance.now();
  speak.click();
  const heardMs = await looked;
  return { heard: heardMs - window.pressedMs, byte: window.byteMs - window.pressedMs };
}"""
SCROLL = """async (count) => {
  const frames = [];
  const most = document.scrollingElement.scrollHeight - innerHeight;
  let before = await new Promise(requestAnimationFrame);
  for (let n = 0; n < count; n += 1) {
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
    scrollTo({ top: most * (0.5 - Math.cos((n / count) * 4 * Math.PI) / 2), behavior: "instant" });
  }
  return frames;
}"""
KEEP = """async ([result, wav]) => {
  const { keep } = await import("/page/keep.js");
  const bytes = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0));
  const audio = new Blob([bytes], { type: "audio/wav" });
  await keep.put("recordings", "audio hour", audio);
  await keep.put("recordings", "entry hour", { id: "hour", task: "transcribe", name: "hour.wav",
    bytes: audio.size, atMs: Date.now(), fields: {}, key: "", before: [], job: null, state: "done", result });
}"""


def measure() -> list[Figure]:
    with served() as (door_port, proxy), _browser() as browser:
        return [
            *_weight(browser, proxy.url),
            *_loads(browser, proxy.url),
            *_first_sounds(browser, proxy.url, door_port),
            *_script(browser, proxy.url, "in paragraphs", script(80)),
            *_script(browser, proxy.url, "in one paragraph", script(SCRIPT_WORDS)),
            *_transcript(browser, proxy.url, door_port),
        ]


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert program is not None, "this needs Chromium: apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def _page(browser: Browser, url: str) -> Iterator[Page]:
    """A new visitor's, with nothing kept."""
    context = browser.new_context(base_url=url, viewport={"width": 1000, "height": 900})
    context.set_default_timeout(LONGEST_MS)
    yield context.new_page()
    context.close()


def _weight(browser: Browser, url: str) -> list[Figure]:
    """Of all that it asks for until every tab is there."""
    with _page(browser, url) as page:
        page.goto("/")
        page.get_by_role("textbox", name="Text").wait_for()
        page.locator("#machine .queue").wait_for(state="attached")
        sizes = page.evaluate(
            "() => ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))"
            ".filter(({ name }) => !name.includes('/api/')).map((each) => each.encodedBodySize)"
        )
    return [
        Figure("bytes of the page, as they are sent", sum(sizes), "", 150_000),
        Figure("… in files", len(sizes), ""),
    ]


def _loads(browser: Browser, url: str) -> list[Figure]:
    usable: list[float] = []
    tasks: list[Task] = []
    for _ in range(LOADS):
        with _page(browser, url) as page:
            page.add_init_script(WATCH_LOAD)
            tasks += traced(browser, page, partial(_load, page))
            usable.append(page.evaluate("window.usableMs"))
    return [
        Figure(f"from nothing to a button that speaks, median of {LOADS}", median(usable), "ms", 1_000),
        Figure("… the longest", max(usable), "ms"),
        *_tasks("… of all loads: ", tasks),
    ]


def _tasks(when: str, tasks: list[Task]) -> list[Figure]:
    return [
        Figure(f"{when}longest task", max(task.ms for task in tasks), "ms", LIMIT_MS),
        Figure("… longest by the processor's time", max(task.cpu_ms for task in tasks), "ms"),
    ]


def _load(page: Page) -> None:
    page.goto("/")
    page.locator("#machine .queue").wait_for(state="attached")


def _first_sounds(browser: Browser, url: str, door_port: int) -> list[Figure]:
    """By turns at the door and by a page that was just opened, so that both meet the same machine."""
    door, byte, heard = [], [], []
    kind = {"Content-Type": "application/json"}
    first_ms(door_port, "/v1/audio/speech", kind)  # the first one loads the model
    for number in range(SENTENCES):
        door.append(first_ms(door_port, "/v1/audio/speech", kind))
        with _page(browser, url) as page:
            page.add_init_script(WATCH_SOUND)
            _load(page)
            page.get_by_role("textbox", name="Text").fill(f"How soon is sentence {number} heard?")
            told = page.evaluate(PRESS)
            byte.append(told["byte"])
            heard.append(told["heard"])
    after = [one - other for one, other in zip(heard, door, strict=True)]
    return [
        Figure(f"first byte at the door, median of {SENTENCES}", median(door), "ms"),
        Figure("first byte in the page, from Speak", median(byte), "ms"),
        Figure("first sound, from Speak", median(heard), "ms"),
        Figure("… over the first byte at the door", median(heard) / median(door), "×"),
        Figure("… later than the first byte at the door", median(after), "ms", 150),
        Figure("… later than the first byte in the page", median(heard) - median(byte), "ms"),
    ]


def _script(browser: Browser, url: str, shape: str, text: str) -> list[Figure]:
    with _page(browser, url) as page:
        _load(page)
        page.get_by_role("textbox", name="Text").fill(text)
        laid_out = traced(browser, page, lambda: _lay_out(page))
        page.get_by_role("combobox", name="Playback speed").select_option("2")
        frames: list[float] = []
        heard = traced(browser, page, lambda: frames.extend(page.evaluate(SCROLL, HEARD_FRAMES)))
        said = page.locator("#speak [data-start]").count()
    assert said > 0, "nothing was said"
    return [
        *_tasks(f"{SCRIPT_WORDS:,} words {shape}, until all are laid out: ", laid_out),
        *_tasks("… while they are scrolled and light up: ", heard),
        Figure("… frames apart, median", median(frames), "ms"),
        Figure("… p99", percentile(frames, 99), "ms"),
        Figure("… words that were spoken by then", said, ""),
    ]


def _lay_out(page: Page) -> None:
    page.get_by_role("button", name="Speak", exact=True).click()
    page.get_by_text("The last one.").last.wait_for(state="attached")
    page.locator("#speak [data-start][aria-current=true]").wait_for()


def _transcript(browser: Browser, url: str, door_port: int) -> list[Figure]:
    """One that was kept, when the page is opened again."""
    kind = {"texts": ["The recording itself may be short."]}
    spoken = requests.post(f"http://127.0.0.1:{door_port}/generate_batch", json=kind, timeout=60).json()
    with _page(browser, url) as page:
        _load(page)
        page.evaluate(KEEP, [transcript(), spoken["results"][0]["audio"]])
        page.goto("about:blank")
        tasks = traced(browser, page, lambda: _reopen(page))
        scrolled = traced(browser, page, lambda: page.evaluate(SCROLL, HEARD_FRAMES // 3))
    return [
        *_tasks(f"a transcript of {TRANSCRIPT_WORDS:,} words, until all are there: ", tasks),
        *_tasks("… while it is scrolled: ", scrolled),
    ]


def _reopen(page: Page) -> None:
    page.goto("/#listen")
    page.locator("#listen .segment").last.get_by_text("last", exact=True).wait_for(state="attached")


def script(paragraph_words: int) -> str:
    """SCRIPT_WORDS in sentences of twelve or so; a blank line after so many words."""
    sentences, words = [], 0
    while words < SCRIPT_WORDS - 3:
        length = min(SCRIPT_WORDS - 3 - words, 7 + (5 * len(sentences)) % 12)
        said = [WORDS[(words + n) % len(WORDS)] for n in range(length)]
        before, words = words // paragraph_words, words + length
        end = "\n\n" if words // paragraph_words > before else " "
        sentences.append(" ".join(said).capitalize() + "." + end)
    return "".join(sentences) + "The last one."


def transcript() -> dict:
    """An hour by one speaker, twelve words a sentence; of ten words one is doubtful."""
    each_s = TRANSCRIPT_S / TRANSCRIPT_WORDS
    words = [
        {
            "word": WORDS[n % len(WORDS)] if n < TRANSCRIPT_WORDS - 1 else "last",
            "start": n * each_s,
            "end": (n + 1) * each_s,
            "score": 0.2 if n % 10 == 0 else 0.9,
            "interpolated": False,
            "speaker": None,
        }
        for n in range(TRANSCRIPT_WORDS)
    ]
    groups = [words[at : at + 12] for at in range(0, len(words), 12)]
    segments = [
        {
            "start": group[0]["start"],
            "end": group[-1]["end"],
            "text": " ".join(word["word"] for word in group),
            "speaker": None,
            "words": group,
        }
        for group in groups
    ]
    return {"text": "", "language": "en", "segments": segments, "words": words, "warning": None}
