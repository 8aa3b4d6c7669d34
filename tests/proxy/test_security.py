"""Who is let in, and what each reply tells a browser."""

from __future__ import annotations

import json

import pytest

from servers.web.auth import ADMITS
from servers.web.openapi import style_source
from tests.proxy.browsing import ORIGIN, Browser
from tests.proxy.conftest import KEY

TEXT = {"input": "Hello."}


def code(reply):
    return reply.json["error"]["code"]


@pytest.fixture
def browser(app, toy):
    toy.does = lambda talk: talk.whole(b"\0\0", "audio/pcm")
    return Browser(app)


# hosts


@pytest.mark.parametrize("host", ["localhost", "localhost:5010", "127.0.0.1:5010", "[::1]:5010"])
def test_this_machines_own_names_are_its_own(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "", "a b", "[x"]
)
def test_a_name_that_leads_here_is_not_answered(client, host):
    reply = client.get("/api/visitor", headers={"Host": host})
    assert (reply.status_code, code(reply)) == (421, "wrong_host")
    assert "Set-Cookie" not in reply.headers


def test_the_public_name_is_its_own(make_app):
    app = make_app(
        SKYLARK_PROXY__PUBLIC_URL="https://speech.example.org",
        SKYLARK_PROXY__CHARACTERS_PER_DAY="10",
        SKYLARK_PROXY__RECORDING_MB_PER_DAY="10",
    )
    client = app.test_client()
    reply = client.get("/server_config.json", headers={"Host": "speech.example.org"})
    assert reply.json["server_url"] == "https://speech.example.org/api"
    assert client.get("/metrics", headers={"Host": "speech.example.org"}).status_code == 404


def test_a_load_balancer_may_ask_by_the_address(client):
    assert client.get("/ready", headers={"Host": "10.0.0.7"}).status_code == 200


# origins


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3000", "https://localhost"]
)
@pytest.mark.parametrize("path", ["/api/speech", "/api/tts-generate", "/api/transcribe", "/api/subtitles"])
def test_a_foreign_page_is_refused(browser, toy, origin, path):
    reply = browser.post(path, {"Origin": origin, "Sec-Fetch-Site": "cross-site"}, json=TEXT)
    assert (reply.status_code, code(reply)) == (403, "foreign_origin")
    assert toy.asked == []
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "Via"])
def test_whom_an_unknown_server_in_front_lets_in_does_not_pass_for_this_machines(browser, toy, header):
    reply = browser.post("/api/speech", {header: "203.0.113.9"}, json=TEXT)
    assert (reply.status_code, code(reply)) == (421, "wrong_host")
    assert "proxy.public_url" in reply.json["error"]["message"]
    assert toy.asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_browser_that_names_no_origin_is_judged_by_the_site(browser, site):
    reply = browser.client.post(
        "/api/speech", json=TEXT, headers={"Sec-Fetch-Site": site, "X-CSRF-Token": browser.csrf}
    )
    assert code(reply) == "foreign_origin"


def test_another_origin_can_be_let_in_with_its_cookies(make_app, toy):
    toy.does = lambda talk: talk.whole(b"\0\0", "audio/pcm")
    browser = Browser(make_app(SKYLARK_PROXY__ORIGINS='["https://wiki.example.org"]'))
    assert "SameSite=None" in browser.cookie
    assert "Secure" in browser.cookie
    browser.client.set_cookie("__Host-skylark_visitor", browser.cookie.split("=", 1)[1].split(";")[0])
    headers = {"Origin": "https://wiki.example.org", "Sec-Fetch-Site": "cross-site"}
    reply = browser.post("/api/speech", headers, json=TEXT)
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == "https://wiki.example.org"
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    preflight = browser.client.options(
        "/api/speech", headers=headers | {"Access-Control-Request-Method": "POST"}
    )
    assert "X-CSRF-Token" in preflight.headers["Access-Control-Allow-Headers"]


# tokens and cookies


def test_a_page_with_its_token_is_let_in(browser, toy):
    assert browser.post("/api/speech", json=TEXT).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 10_000])
@pytest.mark.parametrize("path", ["/api/speech", "/api/transcribe", "/api/align", "/api/encode"])
def test_without_the_token_nothing_is_done(browser, toy, token, path):
    reply = browser.post(path, {"X-CSRF-Token": token}, json=TEXT)
    assert (reply.status_code, code(reply)) == (403, "forged_request")
    assert toy.asked == []


def test_a_token_is_of_one_visitor(app, browser):
    other = Browser(app)
    assert code(browser.post("/api/speech", {"X-CSRF-Token": other.csrf}, json=TEXT)) == "forged_request"


def test_a_cookie_that_was_altered_is_none(browser):
    name, value = browser.cookie.split(";")[0].split("=", 1)
    first = "B" if value[0] == "A" else "A"
    browser.client.set_cookie(name, first + value[1:])
    assert code(browser.post("/api/speech", json=TEXT)) == "forged_request"
    new = browser.get("/api/visitor")
    assert new.json["csrf"] != browser.csrf
    assert new.headers["Set-Cookie"].split(";")[0] != browser.cookie.split(";")[0]


def test_the_cookie_is_for_the_proxy_alone(browser):
    parts = {part.strip() for part in browser.cookie.split(";")}
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= parts
    assert not any(part.startswith("Domain") for part in parts)


def test_over_https_it_is_for_that_host_alone(make_app):
    app = make_app(
        SKYLARK_PROXY__PUBLIC_URL="https://speech.example.org",
        SKYLARK_PROXY__CHARACTERS_PER_DAY="10",
        SKYLARK_PROXY__RECORDING_MB_PER_DAY="10",
    )
    reply = app.test_client().get("/api/visitor", headers={"Host": "speech.example.org"})
    assert reply.headers["Set-Cookie"].startswith("__Host-skylark_visitor=")
    assert "Secure" in reply.headers["Set-Cookie"]


def test_visitors_are_known_after_a_restart(make_app, toy):
    browser = Browser(make_app())
    toy.does = lambda talk: talk.whole(b"\0\0", "audio/pcm")
    again = make_app().test_client()
    name, value = browser.cookie.split(";")[0].split("=", 1)
    again.set_cookie(name, value)
    headers = {"Origin": ORIGIN, "X-CSRF-Token": browser.csrf}
    assert again.post("/api/speech", json=TEXT, headers=headers).status_code == 200


def test_what_older_clients_call_needs_no_token(client, toy):
    toy.does = lambda talk: talk.whole(b'{"results": []}')
    reply = client.post("/api/tts-generate", json={"texts": ["a"]}, headers={"Origin": ORIGIN})
    assert reply.status_code == 200
    as_form = client.post(
        "/api/tts-generate", data='{"texts": ["a"]}', content_type="text/plain", headers={"Origin": ORIGIN}
    )
    assert code(as_form) == "forged_request"


def test_who_is_no_browser_needs_no_token(client, toy):
    toy.does = lambda talk: talk.whole(b'{"words": []}')
    assert client.post("/api/transcribe", json={"audio": "AAAA"}).status_code == 200


def test_the_body_of_who_is_not_let_in_is_not_received(app, browser):
    admits = app.extensions[ADMITS]
    own = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/transcribe", "HTTP_HOST": "localhost"}
    assert admits(own)
    assert not admits(own | {"HTTP_HOST": "evil.example"})
    assert not admits(own | {"HTTP_ORIGIN": "http://evil.example"})
    assert not admits(own | {"HTTP_ORIGIN": ORIGIN})


# replies


def test_every_reply_has_the_headers_that_a_browser_goes_by(client):
    for path in ("/", "/page/style.css", "/api/visitor", "/nowhere", "/api/speech"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == (
            f"default-src 'none'; script-src 'self'; style-src 'self' {style_source()}; "
            "img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "microphone=(self)" in headers["Permissions-Policy"]


def test_what_an_api_says_is_not_kept(client):
    assert client.get("/api/visitor").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["status.js", "link.js"])
def test_the_sign_alone_can_be_shown_by_other_pages(client, name):
    """With what it is made of: the other files stay with their own page."""
    assert client.get(f"/page/{name}").headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert client.get("/page/main.js").headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_clients_are_told_the_urls_and_never_the_key(client):
    reply = client.get("/server_config.json", headers={"Host": "127.0.0.1:5010"})
    here = "http://127.0.0.1:5010/api"
    assert json.loads(reply.data) == {"server_url": here, "whisper_url": f"{here}/whisperx"}
    assert KEY not in reply.text
