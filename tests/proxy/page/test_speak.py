"""The tab Speak: a real text by a real voice, heard in a real browser."""

from __future__ import annotations

import io
import zipfile
from base64 import b64decode

import numpy as np
import pytest
import soundfile

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
  const { Words } = await import("/page/words.js");
  Object.assign(window, { given: [], marks: [] });
  const append = Player.prototype.append;
  Player.prototype.append = function (samples, rate) {
    window.player = this;
    for (const sample of samples) window.given.push(sample);
    return append.call(this, samples, rate);
  };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.getAttribute("aria-current") !== "true") continue;
      window.marks.push([target.textContent, Number(target.dataset.start), window.player?.position]);
    }
  }).observe(document.getElementById("speak"), { subtree: true, attributeFilter: ["aria-current"] });
}"""
ASK = """async ([key, body]) => {
  const { api } = await import("/page/api.js");
  const reply = await api.send("POST", "/api/speech", { body, headers: { "Idempotency-Key": key } });
  const bytes = new Uint8Array(await reply.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""
CURRENT = "#speak [data-start][aria-current=true]"


class Speaking:
    """The tab, from the side of who uses it."""

    def __init__(self, page):
        self.page = page
        self.bodies = []
        page.on("request", self._asked)

    def _asked(self, request):
        if "/api/speech" in request.url:
            key = request.headers["idempotency-key"]
            self.bodies.append((request.url.partition("?")[2], key, request.post_data_json))

    def open(self):
        """Also again, after a reload."""
        self.page.goto("about:blank")
        self.page.goto("/#speak")
        self.button("Speak").wait_for()
        self.page.evaluate(WATCH)
        return self

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def speak(self, text=TEXT):
        self.page.get_by_role("textbox", name="Text").fill(text)
        self.button("Speak").click()

    def until(self, true, arg=None):
        return self.page.wait_for_function(true, arg=arg)

    def until_made(self, count=len(SENTENCES)):
        self.until("(n) => document.querySelectorAll('#speak .sentence[data-state=done]').length >= n", count)

    def until_heard(self):
        """To the end."""
        self.until(
            "() => ![...document.querySelectorAll('#speak button')].some((b) => "
            "b.textContent === 'Stop' && b.checkVisibility())"
        )

    def server_said(self):
        """The samples of the server for each request's name, in the order in which they were asked, without what
        was asked again: the voice says nothing the same way twice, but by its name.
        """
        asked = {key: body for _, key, body in self.bodies}
        return [self._server_said(key, body) for key, body in asked.items()]

    def _server_said(self, key, body):
        audio = self.page.evaluate(ASK, [key, body | {"stream_format": "audio"}])
        return np.frombuffer(b64decode(audio), "<i2")

    def given(self):
        return np.array(self.page.evaluate("window.given"), np.int16)

    def position(self):
        return self.page.evaluate("window.player.position")

    def words(self):
        return self.page.locator("#speak [data-start]").all_inner_texts()

    def downloaded(self, format, part="all"):
        self.page.get_by_role("combobox", name="Format").select_option(format)
        self.page.get_by_role("combobox", name="Part").select_option(part)
        with self.page.expect_download() as download:
            self.button("Download").click()
        return download.value.path().read_bytes()


@pytest.fixture
def speaking(page):
    return Speaking(page).open()


def test_the_samples_that_are_heard_are_those_of_the_server(speaking):
    """To the last bit and in order, while the context's time moves; each word is there once, as it is written."""
    speaking.speak()
    speaking.page.locator(CURRENT).wait_for()
    before = speaking.page.evaluate("[window.player.context.state, window.player.context.currentTime]")
    speaking.until_heard()
    assert before[0] == "running"
    assert speaking.page.evaluate("window.player.context.currentTime") > before[1]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    assert speaking.words() == TEXT.split()


def test_words_light_up_in_order_and_at_their_time(speaking):
    """Each once, never before its time, and half of them and more within 60 ms of it by the player's clock: a
    machine that is busy draws late, and that is not the page's doing.
    """
    speaking.speak()
    speaking.until_heard()
    marks = speaking.page.evaluate("window.marks")
    words = [word for word, _, _ in marks]
    assert len(words) > 0.8 * len(TEXT.split())
    rest = iter(TEXT.split())
    assert all(word in rest for word in words)
    late = sorted(position - start for _, start, position in marks)
    assert late[0] >= -0.001
    assert late[len(late) // 2] < 0.06


def test_a_click_on_a_word_seeks_to_it(speaking):
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    word = speaking.page.locator("#speak [data-start]", has_text="somebody")
    word.click()
    start = float(word.get_attribute("data-start"))
    assert speaking.position() == pytest.approx(start, abs=0.001)
    assert speaking.page.locator(CURRENT).inner_text() == "somebody"
    speaking.button("Resume").click()
    speaking.until("(start) => window.player.position > start + 0.1", start)


def test_the_keyboard_seeks_with_the_slider(speaking):
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    slider = speaking.page.get_by_role("slider", name="Position")
    before = speaking.position()
    slider.focus()
    slider.press("ArrowRight")
    assert speaking.position() == pytest.approx(before + 3, abs=0.11)
    slider.press("Home")
    assert speaking.position() == 0
    assert "of" in slider.get_attribute("aria-valuetext")


def test_pause_holds_the_word_and_resume_goes_on(speaking):
    speaking.speak()
    speaking.until("() => window.player?.position > 0.5")
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    held = speaking.position()
    word = speaking.page.locator(CURRENT).inner_text()
    speaking.page.evaluate(
        "async () => { for (let n = 0; n < 30; n += 1) await new Promise((go) => requestAnimationFrame(go)); }"
    )
    assert (speaking.position(), speaking.page.locator(CURRENT).inner_text()) == (held, word)
    speaking.button("Resume").click()
    speaking.until("(held) => window.player.position > held + 0.2", held)


def test_a_reload_keeps_text_takes_words_and_position(speaking):
    """And what is heard then is asked of nobody again."""
    speaking.speak()
    speaking.until_made()
    speaking.until("() => window.player.position > 2.5")
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    held, words = speaking.position(), speaking.words()
    speaking.bodies.clear()
    speaking.open()
    speaking.button("Resume").wait_for()
    assert speaking.page.get_by_role("textbox", name="Text").input_value() == TEXT
    assert speaking.words() == words
    speaking.button("Resume").click()
    speaking.until_heard()
    assert speaking.bodies == []
    rest = speaking.page.evaluate("window.given.length")
    total = sum(len(b) for b in [speaking.downloaded("wav")[44:]]) // 2
    assert total - rest == pytest.approx(held * RATE, abs=RATE / 2)


def test_what_was_not_finished_goes_on_after_a_reload(speaking):
    text = " ".join(f"This is sentence number {n}." for n in range(40))
    speaking.speak(text)
    speaking.until_made(2)
    speaking.open()
    speaking.button("Resume").click()
    speaking.until("() => window.given.length > 24000 * 4")
    given = speaking.given()
    whole = np.frombuffer(speaking.downloaded("wav")[44:], "<i2")
    assert given.tobytes() in whole.tobytes()
    spoken = {body["input"]: key for _, key, body in speaking.bodies}
    assert len(spoken) == 40


def test_a_connection_that_breaks_is_gone_on_with_at_the_very_sample(speaking):
    """Twice within a sentence, once in the middle of an event: nothing is lost, and nothing is heard twice."""
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
    assert speaking.words() == SENTENCES[1].split()


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


def test_on_plain_http_scheduled_buffers_play_the_same(page):
    page.add_init_script("delete BaseAudioContext.prototype.audioWorklet;")
    speaking = Speaking(page).open()
    speaking.speak()
    speaking.page.locator(CURRENT).wait_for()
    speaking.until_heard()
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    late = sorted(position - start for _, start, position in page.evaluate("window.marks"))
    assert late[0] >= -0.001
    assert late[len(late) // 2] < 0.06


def test_downloads_are_the_files_that_they_say(speaking):
    speaking.speak()
    samples, rate = soundfile.read(io.BytesIO(speaking.downloaded("wav")), dtype="int16")
    expected = np.concatenate(speaking.server_said())
    assert rate == RATE
    assert np.array_equal(samples, expected)
    heard, rate = soundfile.read(io.BytesIO(speaking.downloaded("mp3")))
    assert len(heard) / rate == pytest.approx(len(expected) / RATE, abs=0.2)
    srt = speaking.downloaded("srt").decode()
    assert srt.startswith("1\n00:00:0")
    assert "striking." in srt
    assert speaking.downloaded("vtt").decode().startswith("WEBVTT")


def test_a_zip_has_every_sentence_and_the_text(speaking):
    speaking.speak()
    with zipfile.ZipFile(io.BytesIO(speaking.downloaded("zip"))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "0001 Good morning and welcome.wav"
        assert archive.read("text.txt").decode().splitlines() == SENTENCES
        for name, expected in zip(names, speaking.server_said(), strict=False):
            samples, _ = soundfile.read(io.BytesIO(archive.read(name)), dtype="int16")
            assert np.array_equal(samples, expected)


def test_one_sentence_can_be_downloaded_alone(speaking):
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.page.locator("#speak [data-start]", has_text="Nobody").click()
    samples, _ = soundfile.read(io.BytesIO(speaking.downloaded("wav", "one")), dtype="int16")
    assert np.array_equal(samples, speaking.server_said()[2])


def test_a_sentence_is_said_again_and_the_new_take_kept_or_taken_back(speaking):
    """The new one has a name and lots of its own, and it is heard; taken back, the one before is there again."""
    speaking.speak(SENTENCES[0])
    speaking.until_heard()
    speaking.button("Say again").click()
    speaking.button("Take back").wait_for()
    first, second = speaking.bodies
    assert first[1] != second[1]
    assert "seed" not in first[2] and isinstance(second[2]["seed"], int)
    speaking.button("Take back").click()
    speaking.button("Take back").wait_for(state="hidden")
    speaking.until_heard()
    speaking.button("Say again").click()
    speaking.button("Keep").click()
    speaking.button("Keep").wait_for(state="hidden")
    speaking.until_heard()
    speaking.button("Speak").click()
    speaking.until("() => window.player.playing")
    assert len(speaking.bodies) == 3


def test_several_voices_speak_in_one_text(speaking):
    speaking.speak("I am first.\n[en-GB-SCOTLAND] I am second.\n[default]\nI am third.")
    speaking.until_heard()
    assert [body.get("voice") for _, _, body in speaking.bodies] == [None, "en-GB-scotland", None]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    assert speaking.page.locator("#speak .speaker").all_inner_texts() == [
        "EN-GB-SCOTLAND",
        "THE CHOSEN VOICE",
    ]


def test_a_sentence_that_fails_says_why_and_the_others_go_on(speaking, complaints):
    complaints.expect("status of 4")
    speaking.speak("One is here.\n[nobody at all] Two is not.\n[default]\nThree is here.")
    speaking.until_heard()
    fault = speaking.page.locator("#speak .fault", has_text="This sentence was not spoken")
    assert "nobody at all" in fault.inner_text()
    first, _, third = speaking.bodies
    speaking.bodies[:] = [first, third]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    speaking.bodies.clear()
    fault.get_by_role("button", name="Try again").click()
    speaking.until("() => document.querySelector('#speak .fault button')")
    assert [body["input"] for _, _, body in speaking.bodies] == ["Two is not."]


def test_voice_language_and_speed_go_with_the_request_and_stay(speaking):
    voice = speaking.page.get_by_role("combobox", name="Voice", exact=True)
    option = voice.locator("option", has_text="de").first
    option.wait_for(state="attached")
    voice.select_option(value='["espeak/espeak-ng","de"]')
    speaking.page.get_by_role("combobox", name="Speed of speech").select_option("1.5")
    speaking.speak("Guten Tag.")
    speaking.until_made(1)
    speaking.speak("Auf Wiedersehen.")
    speaking.until_heard()
    (_, _, body), *_ = speaking.bodies
    assert (body["voice"], body["model"], body["speed"]) == ("de", "espeak/espeak-ng", 1.5)
    speaking.open()
    assert voice.input_value() == '["espeak/espeak-ng","de"]'
    assert speaking.page.get_by_role("textbox", name="Style").is_disabled()
    assert speaking.page.get_by_text("This voice speaks in one style only.").is_visible()


def test_after_stop_nothing_more_is_asked(speaking):
    speaking.speak(" ".join(f"This is the sentence with the number {n}, and it goes on." for n in range(60)))
    speaking.until("() => window.player?.position > 0.1")
    speaking.button("Stop").click()
    speaking.button("Stop").wait_for(state="hidden")
    asked = len(speaking.bodies)
    assert asked < 60
    assert speaking.position() == 0
    assert speaking.page.locator(CURRENT).count() == 0
    speaking.page.evaluate(
        "async () => { for (let n = 0; n < 40; n += 1) await new Promise((go) => requestAnimationFrame(go)); }"
    )
    assert len(speaking.bodies) == asked


@pytest.mark.parametrize("leave", ["Stop", "pagehide"])
def test_what_is_being_made_is_cancelled_by_its_job(speaking, leave):
    """A reply that goes on for ever is broken off, and its job cancelled, for its name would keep it going."""
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
            return Promise.resolve(new Response(body, { headers: { "X-Job-Id": "job-7", "X-Sample-Rate": "24000" } }));
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
    assert speaking.page.evaluate("window.deleted") == [["/api/queue/job-7", True]]


def test_a_text_without_words_and_one_of_a_megabyte_have_their_sentence(speaking):
    speaking.speak("  ")
    speaking.page.get_by_text("There is nothing to say yet").wait_for()
    speaking.page.get_by_role("textbox", name="Text").evaluate(
        "(area) => { area.value = 'word '.repeat(210000); }"
    )
    speaking.button("Speak").click()
    speaking.page.get_by_text("1,050,000 characters, and 300,000 are possible at once").wait_for()
    assert speaking.bodies == []


def test_a_machine_that_is_off_is_said_and_the_speech_goes_on_once_it_is_there(speaking, complaints):
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
    speaking.page.unroute("**/api/speech*")
    speaking.page.evaluate(
        """async () => {
          const machine = (await import("/page/status.js")).machineAt();
          machine.dispatchEvent(new CustomEvent("status", { detail: { state: "ready", message: "" } }));
        }"""
    )
    speaking.until_heard()
    assert np.array_equal(speaking.given(), *speaking.server_said())
    assert speaking.page.get_by_text("The machine is off.").count() == 0


def test_of_three_thousand_words_two_change_at_once(speaking):
    text = "\n\n".join(
        " ".join(f"Number {n} of paragraph {p} is short and plain." for n in range(16)) for p in range(24)
    )
    assert len(text.split()) > 3000
    speaking.page.evaluate(
        """() => {
          window.most = 0;
          new MutationObserver((changes) => (window.most = Math.max(window.most, changes.length)))
            .observe(document.getElementById("speak"), { subtree: true, attributeFilter: ["aria-current"] });
        }"""
    )
    speaking.speak(text)
    speaking.until("() => window.player?.position > 6")
    assert 1 <= speaking.page.evaluate("window.most") <= 2
    assert speaking.page.locator("#speak .sentence").count() == 24 * 16


def test_the_tab_has_no_barriers_and_looks_as_it_should(speaking, axe, shots):
    axe(speaking.page)
    shots.take(speaking.page, "speak-empty")
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.page.locator("#speak [data-start]", has_text="clocks").click()
    axe(speaking.page)
    shots.take(speaking.page, "speak-paused")
