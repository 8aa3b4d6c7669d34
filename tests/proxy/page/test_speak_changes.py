"""The tab Speak when it is asked for something else while it is still at it."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Route, expect

from tests.proxy.page.speaking import SENTENCES, Speaking
from tests.proxy.page.watched import until

SPEECH = "**/api/speech*"
ONE_TAKE = """async () => {
  const takes = await (await import("/page/keep.js")).keep.all("takes");
  return takes.length === 2 && takes[1].key === `${takes[0].key}/audio`;
}"""


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
