"""That there is a page at all."""

from __future__ import annotations


def test_the_page_opens_without_a_word_on_its_console(page):
    reply = page.goto("/")
    assert reply.status == 200
    assert page.title()


def test_the_reference_has_its_look_too(page):
    page.goto("/docs")
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "960px"
