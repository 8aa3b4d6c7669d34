"""The tab Listen, with real recordings and a real recogniser."""

from __future__ import annotations

import base64
import io
import json
import re
import wave
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.processes import free_port
from tests.proxy.page.conftest import running_proxy
from tests.proxy.page.watched import requests_of, until

PLAYED_S = 2.5
KEPT_EDIT = """async () => {
  const { keep } = await import("/page/keep.js");
  return (await keep.all("recordings")).some(({ value }) => value.result?.text.includes("Skylark"));
}"""
CONNECTION = r"ERR_INTERNET_DISCONNECTED|ERR_FAILED|ERR_ABORTED"


@pytest.fixture
def listen(page):
    page.goto("/#listen")
    page.get_by_role("heading", name="Earlier").wait_for()
    return page.locator("#listen")


def choose(listen, recording) -> None:
    listen.locator("input[type=file]").set_input_files(recording)


def timed(tab) -> Locator:
    return tab.locator(".words [data-start]")


def words(tab, within_s: float = 60) -> list[str]:
    tab.locator(".segments > .segment").first.wait_for(timeout=1000 * within_s)
    return timed(tab).all_text_contents()


def starts_of(tab) -> list[float]:
    return [float(start) for start in timed(tab).evaluate_all("(spans) => spans.map((s) => s.dataset.start)")]


def downloaded(page, tab, format: str) -> str:
    with page.expect_download() as download:
        tab.get_by_role("button", name=f"Download {format}").click()
    assert download.value.suggested_filename.endswith(f".{format}")
    return download.value.path().read_text()


def test_a_recording_is_heard_and_its_words_have_times_and_marks(page, listen, recording, axe, shots):
    expect(listen).to_contain_text("stay in this browser")
    shots.take(page, "listen-empty")
    choose(listen, recording)
    heard = words(listen)
    assert "three things to talk about" in " ".join(heard)
    starts = starts_of(listen)
    assert starts == sorted(starts)
    expect(listen.get_by_role("list", name="Marks")).to_be_visible()
    axe(page)
    shots.take(page, "listen-heard")


DROP = """([base64, ...names]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  for (const name of names) {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "audio/wav" }));
    const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
    document.querySelector("#listen .drop").dispatchEvent(drop);
  }
}"""


def base64_of(recording: Path) -> str:
    return base64.b64encode(recording.read_bytes()).decode()


def test_a_recording_that_is_dropped_is_heard(page, listen, recording):
    page.evaluate(DROP, [base64_of(recording), "dropped.wav"])
    assert "three" in words(listen)
    expect(listen.get_by_role("heading", name="dropped.wav")).to_be_visible()


LIGHTS = """() => {
  const words = [...document.querySelectorAll("#listen .words [data-start]")];
  const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "currentTime");
  let looked = 0;
  Object.defineProperty(document.querySelector("#listen audio"), "currentTime", {
    get() { return (looked = get.call(this)); },
    set(seconds) { set.call(this, seconds); },
  });
  const begun = (seconds) => words.findLast(({ dataset }) => Number(dataset.start) <= seconds);
  window.lit = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.getAttribute("aria-current") !== "true") continue;
      const due = [begun(looked - 0.001), begun(looked + 0.001)]; // a span's time is told to the millisecond
      window.lit.push([Number(target.dataset.start), due.includes(target)]);
    }
  }).observe(document.querySelector("#listen"), { subtree: true, attributeFilter: ["aria-current"] });
}"""


def test_a_click_plays_from_a_word_and_the_words_light_up_as_they_are_said(page, listen, recording):
    """Each is the last that has begun where the page looked at the audio's clock, and they come in order: a
    machine that is busy draws seldom, and leaves some out.
    """
    choose(listen, recording)
    words(listen)
    starts = starts_of(listen)
    page.evaluate(LIGHTS)
    timed(listen).nth(2).click()
    until(page, "(end) => document.querySelector('#listen audio').currentTime >= end", starts[2] + PLAYED_S)
    seen = page.evaluate("window.lit")
    rest = iter(starts[2:])
    assert all(start in rest for start, _ in seen), seen
    assert all(due for _, due in seen), seen
    assert len(seen) > 1


def test_a_sentence_can_be_heard_with_the_keyboard_alone(page, listen, recording):
    choose(listen, recording)
    words(listen)
    second = listen.get_by_role("button", name=re.compile("Hear from")).nth(1)
    second.focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#listen audio').currentTime > 1.9")
    listen.locator("[data-start][aria-current=true]").wait_for()


def test_an_edit_keeps_the_times_and_is_in_every_file_and_there_after_a_reload(page, listen, recording):
    choose(listen, recording)
    before = words(listen)
    start, *_ = starts_of(listen)
    listen.get_by_role("button", name=re.compile("Edit what is said")).first.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("Skylark <b>morning</b> and welcome")
    page.keyboard.press("Enter")
    expect(timed(listen).first).to_have_text("Skylark")
    assert starts_of(listen)[0] == start

    told = json.loads(downloaded(page, listen, "json"))
    assert told["segments"][0]["text"] == "Skylark <b>morning</b> and welcome"
    assert " ".join(word["word"] for word in told["words"]) == told["text"]
    subrip = downloaded(page, listen, "srt")
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nSkylark", subrip)
    web = downloaded(page, listen, "vtt")
    assert web.startswith("WEBVTT\n\n00:00:0")
    assert "&lt;b&gt;" in web

    until(page, KEPT_EDIT)
    page.reload()
    assert words(listen)[0] == "Skylark"
    assert words(listen)[-3:] == before[-3:]
    expect(listen.locator("audio")).to_have_attribute("src", re.compile("^blob:"))


def test_an_edit_can_be_left_as_it_was(page, listen, recording, axe, shots):
    choose(listen, recording)
    before = words(listen)
    timed(listen).nth(1).dblclick()
    page.keyboard.type("nothing of that")
    until(page, "document.querySelector('#listen audio').paused")
    axe(page)
    shots.take(page, "listen-edit")
    page.keyboard.press("Escape")
    expect(timed(listen)).to_have_text(before)


KEPT_AUDIO = """async () => {
  const {keep} = await import("/page/keep.js");
  const {value} = (await keep.all("recordings")).find(({value}) => value instanceof Blob);
  const bytes = new Uint8Array(await value.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture(scope="module")
def into_a_microphone(launch, recording):
    """A browser whose microphone gives what is in the file."""
    with launch(f"--use-file-for-fake-audio-capture={recording}") as browser:
        yield browser


def test_the_microphone_is_heard(into_a_microphone, open_page, shots):
    with open_page(into_a_microphone, permissions=["microphone"]) as page:
        page.goto("/#listen")
        listen = page.locator("#listen")
        listen.get_by_role("button", name="Record", exact=True).click()
        timer = listen.get_by_role("timer")
        until(page, "document.querySelector('#listen meter').value > 0.1")
        shots.take(page, "listen-recording")
        until(page, "timer => Number(timer.textContent.slice(-2)) >= 4", timer.element_handle())
        listen.get_by_role("button", name="Stop recording").click()
        assert "three" in words(listen)
        expect(listen.get_by_role("heading", name=re.compile("Recording"))).to_be_visible()
        sent = base64.b64decode(page.evaluate(KEPT_AUDIO))
        with wave.open(io.BytesIO(sent)) as recorded:
            assert (recorded.getnchannels(), recorded.getsampwidth(), recorded.getframerate()) == (
                1,
                2,
                16_000,
            )
            assert recorded.getnframes() >= 4 * 16_000


@contextmanager
def recording_with(limits, browser, open_page):
    """The tab Listen of a visitor with these limits, while it records."""

    def limited(route):
        response = route.fetch()
        told = response.json()
        route.fulfill(response=response, json={**told, "limits": {**told["limits"], **limits}})

    with open_page(browser, permissions=["microphone"]) as page:
        page.route("**/api/visitor", limited)
        page.goto("/#listen")
        listen = page.locator("#listen")
        page.locator("#machine .queue").wait_for(state="attached")  # by then the page itself has asked
        with page.expect_request("**/api/visitor") as asked:
            listen.get_by_role("button", name="Record", exact=True).click()
        asked.value.response()
        until(page, "document.querySelector('#listen meter').value > 0.1")
        yield listen
        page.unroute_all(behavior="ignoreErrors")


def test_the_microphone_ends_at_the_longest_that_is_heard(into_a_microphone, open_page):
    with recording_with({"max_audio_s": 5}, into_a_microphone, open_page) as listen:
        listen.page.get_by_text("The recording has ended at 0:04: that is the longest").first.wait_for()
        assert "three" in words(listen)


def test_what_was_recorded_and_cannot_be_sent_is_handed_out_as_a_file(into_a_microphone, open_page):
    limits: dict[str, float] = {}
    with recording_with(limits, into_a_microphone, open_page) as listen:
        limits["recording_mb_left"] = 0.001  # another tab has used the rest
        listen.get_by_role("button", name="Stop recording").click()
        listen.page.get_by_text("are left for you today: come back tomorrow").first.wait_for()
        with listen.page.expect_download() as download:
            listen.get_by_role("link", name="Save the recording as a file").click()
        with wave.open(str(download.value.path())) as recorded:
            assert recorded.getnframes() > 0


BROKEN_CONTEXT = """window.tracks = [];
const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await given(wish);
  window.tracks.push(...stream.getTracks());
  return stream;
};
AudioContext.prototype.createMediaStreamSource = () => { throw new Error("no source"); };"""


def test_a_microphone_that_cannot_be_used_is_let_go_and_said(page):
    page.add_init_script(BROKEN_CONTEXT)
    page.goto("/#listen")
    page.locator("#listen").get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("The microphone cannot be used (no source)").first.wait_for()
    until(page, "window.tracks.map((track) => track.readyState).join() === 'ended'")


def test_a_microphone_that_is_refused_is_said_to_be(page, listen):
    page.context.clear_permissions()
    listen.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("This page may not use the microphone: allow it").first.wait_for()
    expect(listen.get_by_role("button", name="Record", exact=True)).to_be_enabled()


def test_that_there_is_no_microphone_is_said(launch, open_page):
    with (
        launch(without="--use-fake-device-for-media-stream") as browser,
        open_page(browser, permissions=["microphone"]) as page,
    ):
        page.goto("/#listen")
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("There is no microphone: connect one").first.wait_for()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.wav", b"", "empty.wav is empty"),
        ("notes.txt", b"Only words.", "notes.txt is not a recording"),
        ("picture.png", b"\x89PNG", "picture.png is not a recording"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_before_it_is_sent(page, listen, name, content, sentence):
    asked = requests_of(page)
    choose(listen, {"name": name, "mimeType": mime(name), "buffer": content})
    page.get_by_text(sentence).first.wait_for()
    choose(listen, {"name": "other.txt", "mimeType": "text/plain", "buffer": b"Words."})
    page.get_by_text("other.txt is not a recording").first.wait_for()
    expect(page.locator(".toast")).to_have_count(1)  # of the one before nothing is said any more
    page.evaluate("fetch('/api/queue')")
    assert "queue" in asked
    assert "transcribe" not in asked


def mime(name: str) -> str:
    return {"wav": "audio/wav", "txt": "text/plain", "png": "image/png"}[name.rpartition(".")[2]]


def test_a_file_of_two_gigabytes_is_refused_before_it_is_sent(page, listen, tmp_path):
    film = tmp_path / "film.wav"
    with film.open("wb") as file:
        file.truncate(2_000_000_000)
    asked = requests_of(page)
    choose(listen, film)
    page.get_by_text(re.compile(r"film.wav has 2,000 MB, and \d+ MB at most can be sent")).first.wait_for()
    page.evaluate("fetch('/api/queue')")
    assert "queue" in asked
    assert "transcribe" not in asked


def test_a_file_that_only_looks_like_a_recording_has_the_servers_sentence(
    page, listen, complaints, axe, shots
):
    complaints.expect("status of 422")
    choose(listen, {"name": "damaged.wav", "mimeType": "audio/wav", "buffer": b"no audio at all"})
    listen.get_by_text("damaged.wav: This is not an audio file that can be read").wait_for()
    expect(listen.get_by_role("button", name="Try again")).to_be_visible()
    axe(page)
    shots.take(page, "listen-damaged")


def test_of_two_recordings_that_come_at_once_the_last_is_sent_and_once(page, listen, recording):
    asked = requests_of(page)
    page.evaluate(DROP, [base64_of(recording), "one.wav", "two.wav"])
    listen.get_by_role("button", name="two.wav", exact=True).wait_for()
    assert "three" in words(listen)
    assert asked.count("transcribe") == 1


def test_a_recording_that_is_chosen_while_an_earlier_one_is_opened_again_is_heard(page, listen, recording):
    choose(listen, recording)
    words(listen)
    page.reload()
    choose(listen, {"name": "new.wav", "mimeType": "audio/wav", "buffer": recording.read_bytes()})
    listen.get_by_role("heading", name="new.wav").wait_for()
    assert "three" in words(listen)
    expect(listen.get_by_role("button", name="news.wav", exact=True)).to_be_visible()


def test_a_reload_in_the_middle_goes_on_with_the_same_request(page, listen, recording):
    keys: list[str] = []
    page.on("request", lambda request: keys.append(request.headers.get("idempotency-key", "")))
    page.route("**/api/transcribe", lambda route: None)  # nobody answers
    with page.expect_request("**/api/transcribe"):
        choose(listen, recording)
    page.unroute("**/api/transcribe")
    page.reload()
    assert "three" in words(listen)
    sent = [key for key in keys if key]
    assert len(sent) == 2
    assert sent[0] == sent[1]


def test_a_lost_connection_is_said_and_the_recording_is_heard_when_it_is_back(
    page, listen, recording, complaints
):
    complaints.expect(CONNECTION)
    until(page, "[...document.querySelectorAll('[role=tabpanel]')].every((tab) => tab.children.length > 1)")
    page.context.set_offline(True)
    choose(listen, recording)
    listen.get_by_text("Trying again").wait_for()
    page.context.set_offline(False)
    assert "three" in words(listen)


def repeated(recording, times: int, folder) -> Path:
    """What is said in it, so many times."""
    with wave.open(str(recording)) as short:
        parameters, frames = short.getparams(), short.readframes(short.getnframes())
    long = folder / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setparams(parameters)
        file.writeframes(frames * times)
    return long


def test_a_proxy_that_is_killed_and_started_again_goes_on_with_the_same_job(
    appliance, browser, recording, tmp_path
):
    port = {"SKYLARK_PROXY__PORT": str(free_port())}
    context = browser.new_context()
    page = context.new_page()
    listen = page.locator("#listen")
    with running_proxy(appliance, **port) as proxy:
        page.goto(f"{proxy.url}/#listen")
        choose(listen, repeated(recording, 3, tmp_path))
        listen.get_by_text("Words are being recognised").wait_for()
    listen.get_by_text("Trying again").wait_for()
    with running_proxy(appliance, **port):
        assert len(words(listen, within_s=180)) > 30
        queue = page.evaluate("fetch('/api/queue').then((answer) => answer.json())")
        assert [job["task"] for job in queue["jobs"] if job["own"]] == ["transcribe"]
        context.close()


def sent_events(state: str, message: str) -> dict:
    snapshot = {"state": state, "message": message, "machine": None, "tts": None, "whisperx": None}
    body = f"event: status\ndata: {json.dumps(snapshot)}\n\n"
    return {"status": 200, "content_type": "text/event-stream", "body": body}


def test_a_machine_that_is_off_can_be_started_and_the_recording_waits_for_it(page, recording, axe, shots):
    states = ["off"]
    page.route("**/api/events", lambda route: route.fulfill(**sent_events(states[-1], "The machine is off.")))
    page.route("**/api/start", lambda route: (states.append("ready"), route.fulfill(status=202, json={})))
    page.goto("/#listen")
    listen = page.locator("#listen")
    choose(listen, recording)
    listen.get_by_text("It goes on by itself when the machine is ready").wait_for()
    axe(page)
    shots.take(page, "listen-off")
    listen.get_by_role("button", name="Start the machine").click()
    assert "three" in words(listen)


def test_what_is_cancelled_is_not_computed_any_more(page, listen, recording, appliance, tmp_path):
    choose(listen, repeated(recording, 60, tmp_path))
    listen.get_by_text("Words are being recognised").wait_for()
    with page.expect_response(lambda response: response.request.method == "DELETE") as told:
        listen.get_by_role("button", name="Cancel").click()
    assert told.value.ok
    assert appliance.jobs.wait(told.value.url.rpartition("/")[2], timeout_s=60)["status"] == "cancelled"
    listen.get_by_text("It was cancelled").wait_for()
    expect(listen.get_by_role("button", name="Try again")).to_be_focused()


def test_what_is_deleted_is_not_computed_any_more(page, listen, recording, appliance, tmp_path):
    choose(listen, repeated(recording, 60, tmp_path))
    listen.get_by_text("Words are being recognised").wait_for()
    with page.expect_response(lambda response: response.request.method == "DELETE") as told:
        listen.get_by_role("button", name="Delete long.wav").click()
    assert appliance.jobs.wait(told.value.url.rpartition("/")[2], timeout_s=60)["status"] == "cancelled"


def test_a_recording_that_is_deleted_is_gone(page, listen, recording):
    choose(listen, recording)
    words(listen)
    listen.get_by_role("button", name="Delete news.wav").click()
    listen.get_by_text("Your last recordings will be here").wait_for()
    page.reload()
    listen.get_by_text("Your last recordings will be here").wait_for()
    expect(listen.locator("audio")).to_be_hidden()


def test_earlier_recordings_can_be_opened_again(page, listen, recording):
    for name in ("one.wav", "two.wav"):
        choose(listen, {"name": name, "mimeType": "audio/wav", "buffer": recording.read_bytes()})
        listen.get_by_role("heading", name=name).wait_for()
        words(listen)
    one = listen.get_by_role("button", name="one.wav", exact=True)
    one.press("Enter")
    listen.get_by_role("heading", name="one.wav").wait_for()
    expect(one).to_be_focused()
    assert "three" in words(listen)
