"""What the tab Speak hands out as files, where the server would not make them."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.proxy.page.speaking import Speaking


def test_an_mp3_that_would_be_too_long_is_refused_before_it_is_made(page):
    """It is said what is possible, nothing is asked of the server, and sound as it is can still be had."""

    def limited(route):
        reply = route.fetch()
        told = reply.json()
        told["limits"]["max_file_s"] = 2
        route.fulfill(response=reply, json=told)

    page.route("**/api/visitor", limited)
    speaking = Speaking(page).open()
    encoded = []
    page.on("request", lambda request: encoded.append(request.url) if "/api/encode" in request.url else None)
    speaking.speak()
    speaking.until_made()
    page.get_by_role("combobox", name="Format").select_option("mp3")
    speaking.button("Download").click()
    expect(page.get_by_text("As mp3 at most 0:02 can be had").first).to_be_visible()
    expect(speaking.button("Download")).to_be_enabled()
    assert speaking.downloaded("wav").startswith(b"RIFF")
    assert encoded == []
