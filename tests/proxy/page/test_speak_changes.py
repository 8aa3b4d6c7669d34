"""The tab Speak when it is asked for something else while it is still at it."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.proxy.page.speaking import SENTENCES, SPEECH, Gate, Speaking
from tests.proxy.page.watched import until

TWO_TAKES = """async () => (await (await import("/page/keep.js")).keep.keys("takes")).length === 4"""
ONE_TAKE = """async () => {
  const takes = await (await import("/page/keep.js")).keep.all("takes");
  return takes.length === 2 && takes[1].key === `${takes[0].key}/audio`;
}"""


@pytest.fixture
def gate(speaking: Speaking) -> Gate:
    gate = Gate()
    speaking.page.route(SPEECH, lambda route: gate(route))
    return gate


def speak_and_ask(speaking: Speaking, text: str, last: str) -> None:
    """Until its last sentence is asked for."""
    with speaking.page.expect_request(lambda request: last in (request.post_data or "")):
        speaking.speak(text)


def test_speak_twice_lights_up_the_words_of_the_first(speaking, gate):
    """It is the same text, and is asked for once."""
    speak_and_ask(speaking, SENTENCES[1], SENTENCES[1])
    speaking.button("Speak").click()
    gate.open()
    speaking.until_heard()
    expect(speaking.words).to_have_text(SENTENCES[1].split())
    assert len(speaking.bodies) == 1


def test_another_text_waits_for_nothing_of_the_first(speaking, gate, complaints):
    """Whose jobs are cancelled as soon as they have a name, and of which nothing is kept."""
    complaints.expect("status of 409")  # one may have ended before it is cancelled
    speak_and_ask(speaking, f"{SENTENCES[0]} {SENTENCES[1]}", SENTENCES[1])
    speak_and_ask(speaking, SENTENCES[3], SENTENCES[3])
    with speaking.page.expect_request(lambda request: request.method == "DELETE"):
        gate.open()
    speaking.until_heard()
    asked = [body["input"] for _, _, body in speaking.bodies]
    assert asked == [SENTENCES[0], SENTENCES[1], SENTENCES[3]]
    del speaking.bodies[:2]
    assert np.array_equal(speaking.given(), *speaking.server_said())
    until(speaking.page, ONE_TAKE)


def test_a_sentence_that_is_said_again_is_forgotten_once_another_text_is_spoken(speaking, gate, complaints):
    complaints.expect("status of 409")
    gate.is_open = True
    speaking.speak(SENTENCES[0])
    speaking.until_heard()
    gate.is_open = False
    with speaking.page.expect_request(SPEECH):
        speaking.button("Say again").click()
    speak_and_ask(speaking, SENTENCES[3], SENTENCES[3])
    with speaking.page.expect_request(lambda request: request.method == "DELETE"):
        gate.open()
    speaking.until_heard()
    expect(speaking.words).to_have_text(SENTENCES[3].split())
    expect(speaking.button("Keep")).to_be_hidden()
    speaking.button("Say again").click()
    speaking.button("Take back").wait_for()
    speaking.until_heard()
    del speaking.bodies[:2]
    assert [body["input"] for _, _, body in speaking.bodies] == [SENTENCES[3]] * 2
    *_, again = speaking.server_said()
    assert np.array_equal(speaking.given()[-len(again) :], again)
    until(speaking.page, TWO_TAKES)


def test_a_download_is_given_up_once_another_text_is_spoken(speaking, gate, complaints):
    """No file comes of it, and the next one has the new text alone."""
    complaints.expect("status of 409")
    files: list[str] = []
    speaking.page.on("download", lambda download: files.append(download.suggested_filename))
    speak_and_ask(speaking, f"{SENTENCES[0]} {SENTENCES[1]}", SENTENCES[1])
    speaking.button("Download").click()
    speaking.button("Cancel the download").wait_for()
    speak_and_ask(speaking, SENTENCES[3], SENTENCES[3])
    speaking.button("Cancel the download").wait_for(state="hidden")
    gate.open()
    speaking.until_heard()
    assert files == []
    del speaking.bodies[:2]
    assert speaking.downloaded("wav")[44:] == speaking.server_said()[0].tobytes()
    assert files == ["Then somebody came and said hello.wav"]
