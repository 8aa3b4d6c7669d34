"""The tab Speak over a reload, a lost connection and a machine that is off; and what is made no more."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.proxy.page.speaking import RATE, SENTENCES, SPEECH, TEXT, Gate
from tests.proxy.page.watched import until

KEPT_TEXT = "async () => (await (await import('/page/keep.js')).keep.get('scripts', 'current'))?.text"


def test_a_reload_keeps_text_takes_words_and_position(speaking):
    """And what is heard then is asked of nobody again."""
    speaking.speak()
    speaking.until_made()
    speaking.until("() => window.player.position > 2.5")
    speaking.pause()
    held, words = speaking.position(), speaking.words.all_inner_texts()
    speaking.bodies.clear()
    speaking.open()
    speaking.button("Resume").wait_for()
    expect(speaking.text).to_have_value(TEXT)
    expect(speaking.words).to_have_text(words)
    speaking.plays_by("Resume")
    speaking.until_heard()
    assert speaking.bodies == []
    rest = speaking.page.evaluate("window.given.length")
    total = len(speaking.downloaded("wav")[44:]) // 2
    assert total - rest == pytest.approx(held * RATE, abs=RATE / 2)


def test_what_was_only_written_is_there_after_a_reload_too(speaking):
    speaking.text.fill("Not spoken yet.")
    until(speaking.page, f"async () => await ({KEPT_TEXT})() === 'Not spoken yet.'")
    speaking.open()
    expect(speaking.text).to_have_value("Not spoken yet.")
    expect(speaking.button("Resume")).to_be_hidden()


KEPT_LATE = """
const { get } = keep;
const isOpen = new Promise((open) => (window.openKept = open));
keep.get = async (store, key) => {
  if (key === "current") await isOpen;
  return get(store, key);
};"""


def test_who_speaks_before_what_was_kept_is_there_hears_the_new_text(speaking):
    """Of the old one no sentence is left, and those that are in both are not made again."""

    def late(route):
        reply = route.fetch()
        route.fulfill(response=reply, body=reply.text() + KEPT_LATE)

    speaking.speak()
    speaking.until_made()
    speaking.button("Stop").click()
    speaking.page.route("**/page/keep.js", late)
    speaking.page.goto("about:blank")
    speaking.page.goto("/#speak")
    speaking.bodies.clear()
    speaking.text.fill(f"{SENTENCES[1]} This one is new.")
    speaking.button("Speak").click()
    speaking.page.evaluate("window.openKept()")
    speaking.until_made(2)
    expect(speaking.words).to_have_text(f"{SENTENCES[1]} This one is new.".split())
    assert [body["input"] for _, _, body in speaking.bodies] == ["This one is new."]


LEAVES_AT_ONCE = """() => {
  new MutationObserver(() => {
    const buttons = [...document.querySelectorAll("#speak button")];
    if (buttons.some((b) => b.textContent === "Pause" && b.checkVisibility())) location.href = "about:blank";
  }).observe(document.getElementById("speak"), { subtree: true, childList: true, attributes: true });
  [...document.querySelectorAll("#speak button")].find((b) => b.textContent === "Speak").click();
}"""


def test_what_was_not_finished_goes_on_after_a_reload(speaking):
    text = " ".join(f"This is sentence number {n}." for n in range(40))
    speaking.speak(text)
    speaking.until_made(2)
    speaking.open()
    speaking.plays_by("Resume")
    speaking.until("() => window.given.length > 24000 * 4")
    given = speaking.given()
    whole = np.frombuffer(speaking.downloaded("wav")[44:], "<i2")
    assert given.tobytes() in whole.tobytes()
    spoken = {body["input"]: key for _, key, body in speaking.bodies}
    assert len(spoken) == 40


def test_who_leaves_at_once_after_speaking_finds_it_there(speaking):
    """Before anything was written of it by the clock: text and place are written as the page goes."""
    speaking.text.fill(TEXT)
    speaking.page.evaluate(LEAVES_AT_ONCE)
    speaking.page.wait_for_url("about:blank")
    speaking.open()
    expect(speaking.text).to_have_value(TEXT)
    speaking.plays_by("Resume")
    speaking.until_made()


def test_a_connection_that_breaks_is_gone_on_with_at_the_very_sample(speaking):
    """Twice within a sentence, in the middle of an event: nothing is lost, and nothing is heard twice."""
    cuts = iter([0.6, 0.5])

    def broken(route):
        share = next(cuts, None)
        if share is None:
            route.fallback()
            return
        reply = route.fetch()
        body = reply.body()
        route.fulfill(response=reply, body=body[: int(len(body) * share)])

    speaking.page.route("**/api/speech*", broken)
    speaking.speak(SENTENCES[1])
    speaking.until_heard()
    queries, keys = [query for query, _, _ in speaking.bodies], {key for _, key, _ in speaking.bodies}
    assert np.array_equal(speaking.given(), *speaking.server_said())
    assert (len(queries), len(keys)) == (3, 1)
    assert queries[0] == ""
    assert queries[-1].startswith("from=")
    expect(speaking.words).to_have_text(SENTENCES[1].split())


def test_what_answers_json_in_place_of_speech_is_said_and_not_asked_for_long(speaking):
    speaking.page.route("**/api/speech*", lambda route: route.fulfill(json={"detail": "wrong key"}))
    speaking.speak(SENTENCES[0])
    expect(speaking.page.locator("#speak .reading-text")).to_contain_text("What answered is no speech")
    assert len(speaking.bodies) == 4


BROKEN_OFF = {"type": "error", "error": {"code": "engine_unavailable", "message": "It was begun again."}}


def of_another_attempt(reply: str) -> tuple[str, int]:
    """The first half of that reply as silence, as if its runner had died then; and its number of samples."""
    told, samples = [], 0
    events = [json.loads(block.partition("data: ")[2]) for block in reply.strip().split("\n\n")]
    for event in events[: len(events) // 2]:
        length = len(base64.b64decode(event["audio"]))
        samples += length // 2
        said = [word | {"word": "void"} for word in event.get("words", [])]
        void = {"audio": base64.b64encode(bytes(length)).decode(), "words": said, "attempt": 0}
        told.append(f"id: {samples}\ndata: {json.dumps(event | void)}\n\n")
    return "".join(told) + f"data: {json.dumps(BROKEN_OFF)}\n\n", samples


def test_of_a_sentence_that_the_server_began_again_one_attempt_is_kept(speaking):
    """Whole, and with its own words; what was heard of the other one stays heard."""
    heard = []

    def begun_again(route):
        reply = route.fetch()
        if heard:
            route.fulfill(response=reply)
            return
        body, samples = of_another_attempt(reply.text())
        heard.append(samples)
        route.fulfill(response=reply, body=body)

    speaking.page.route("**/api/speech*", begun_again)
    speaking.speak(SENTENCES[1])
    speaking.until_heard()
    (void,) = heard
    assert void > 0
    assert [query for query, _, _ in speaking.bodies] == ["", f"from={void}", ""]
    speaking.page.unroute("**/api/speech*")
    (whole,) = speaking.server_said()
    assert np.array_equal(speaking.given(), np.concatenate([np.zeros(void, np.int16), whole[void:]]))
    assert speaking.downloaded("wav")[44:] == whole.tobytes()
    expect(speaking.words).to_have_text(SENTENCES[1].split())


def test_without_a_network_it_waits_and_goes_on(speaking, complaints):
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    others = "['listen', 'align', 'machine'].every((id) => document.getElementById(id).childElementCount > 1)"
    speaking.until(f"() => {others}")
    speaking.page.context.set_offline(True)
    speaking.speak(SENTENCES[0])
    speaking.page.get_by_text("Waiting for the voice…").wait_for()
    speaking.page.context.set_offline(False)
    speaking.until_heard()
    assert np.array_equal(speaking.given(), *speaking.server_said())


def test_after_stop_nothing_more_is_asked(speaking):
    speaking.speak(" ".join(f"This is the sentence with the number {n}, and it goes on." for n in range(60)))
    speaking.until("() => window.player?.position > 0.1")
    speaking.button("Stop").click()
    speaking.button("Stop").wait_for(state="hidden")
    asked = len(speaking.bodies)
    assert asked < 60
    assert speaking.position() == 0
    expect(speaking.current).to_have_count(0)
    speaking.page.evaluate(
        "async () => { for (let n = 0; n < 40; n += 1) await new Promise(requestAnimationFrame); }"
    )
    assert len(speaking.bodies) == asked


@pytest.mark.parametrize("leave", ["Stop", "pagehide"])
def test_what_is_being_made_is_cancelled_by_its_job(speaking, leave):
    """A reply without an end is broken off, and its job cancelled, for its name would keep it going."""
    speaking.page.evaluate(
        """() => {
          const { fetch } = window;
          Object.assign(window, { broken: 0, deleted: [] });
          window.fetch = (url, options) => {
            const path = new URL(url, location).pathname;
            if (options.method === "DELETE") {
              window.deleted.push([path, options.keepalive]);
              return Promise.resolve(new Response("{}"));
            }
            if (path !== "/api/speech") return fetch(url, options);
            const body = new ReadableStream({
              start: (stream) => options.signal.addEventListener("abort", () => {
                window.broken += 1;
                stream.error(options.signal.reason);
              }),
            });
            const headers = { "X-Job-Id": "job-7", "X-Sample-Rate": "24000" };
            return Promise.resolve(new Response(body, { headers }));
          };
        }"""
    )
    speaking.speak(SENTENCES[0])
    speaking.page.get_by_text("Waiting for the voice…").wait_for()
    if leave == "Stop":
        speaking.button("Stop").click()
    else:
        speaking.page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    speaking.until("() => window.broken === 1")
    speaking.until("() => window.deleted.length === 1")
    assert speaking.page.evaluate("window.deleted") == [["/api/queue/job-7", True]]


def test_a_machine_that_is_off_is_said_and_the_speech_goes_on_once_it_is_there(
    speaking, complaints, axe, shots
):
    complaints.expect("status of 503")
    off = {
        "error": {
            "code": "machine_off",
            "message": "The machine is off.",
            "param": None,
            "type": "server_error",
        }
    }
    speaking.page.route("**/api/speech*", lambda route: route.fulfill(status=503, json=off))
    speaking.speak(SENTENCES[0])
    speaking.page.get_by_text("The machine is off. The speech goes on by itself once it is there.").wait_for()
    axe(speaking.page)
    shots.take(speaking.page, "speak-off")
    speaking.page.unroute("**/api/speech*")
    speaking.page.evaluate(
        """async () => {
          const machine = (await import("/page/status.js")).machineAt();
          machine.dispatchEvent(new CustomEvent("status", { detail: { state: "ready", message: "" } }));
        }"""
    )
    speaking.until_heard()
    assert np.array_equal(speaking.given(), *speaking.server_said())
    expect(speaking.page.get_by_text("The machine is off.")).to_have_count(0)


def test_a_server_that_is_away_in_mid_speech_is_waited_for(speaking, appliance, complaints):
    """It is killed once half of the text is made, and nobody starts it again before the page has said so."""
    complaints.expect("status of 50", "ERR_")
    gate = Gate()
    speaking.page.route(SPEECH, lambda route: gate(route) if len(speaking.bodies) > 2 else route.continue_())
    speaking.speak()
    speaking.until_made(2)
    appliance.process.suspend()
    try:
        for process in appliance.named("servers.tts"):
            process.kill()
        gate.open()
        speaking.page.get_by_text("The speech goes on by itself once it is there.").wait_for()
    finally:
        appliance.process.resume()
    speaking.until_heard()
    expect(speaking.page.get_by_text("The speech goes on by itself")).to_have_count(0)
    expect(speaking.words).to_have_text(TEXT.split())
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))


def test_a_reload_within_a_reload_forgets_nothing(speaking):
    speaking.speak()
    speaking.until_heard()
    for _ in range(3):
        speaking.page.goto("about:blank")
        speaking.page.goto("/#speak", wait_until="commit")
    speaking.open()
    speaking.until_made()
    expect(speaking.words).to_have_text(TEXT.split())
