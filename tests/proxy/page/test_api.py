"""How the page asks the proxy, reads what comes bit by bit, and keeps things, in a real browser."""

from __future__ import annotations

import pytest

from tests.proxy.page.stand_in_proxy import standing_in
from tests.proxy.page.test_shell import opened

READ = """async ([name, text, size]) => {
  const api = await import("/page/api.js");
  const whole = new TextEncoder().encode(text);
  const body = new ReadableStream({
    start(to) {
      for (let at = 0; at < whole.length; at += size) to.enqueue(whole.slice(at, at + size));
      to.close();
    },
  });
  const found = [];
  for await (const each of api[name](new Response(body))) found.push(each);
  return found;
}"""
STOPS_READING = """async () => {
  const { lines } = await import("/page/api.js");
  let cancelled = false;
  const body = new ReadableStream({
    pull(to) { to.enqueue(new TextEncoder().encode('{"n": 1}\\n')); },
    cancel() { cancelled = true; },
  });
  for await (const each of lines(new Response(body))) break;
  return cancelled;
}"""
BREAKS = """async () => {
  const { lines } = await import("/page/api.js");
  const body = new ReadableStream({
    start(to) { to.enqueue(new TextEncoder().encode('{"n": 1}\\n')); },
    pull(to) { to.error(new TypeError("network error")); },
  });
  const found = [];
  try { for await (const each of lines(new Response(body))) found.push(each.n); }
  catch (error) { return [found, error.name, error.code]; }
}"""
CALL = """async ([method, path, body]) => {
  const { api } = await import("/page/api.js");
  const pick = ({ name, code, message, status }) => ({ name, code, message, status });
  const given = body === null ? [] : [body];
  return api[method](path, ...given).then((answer) => ({ answer }), pick);
}"""


@pytest.fixture(scope="module")
def stand_in():
    with standing_in() as stand_in:
        yield stand_in


@pytest.fixture
def page(browser, stand_in):
    stand_in.asked.clear()
    with opened(browser, stand_in.url, "Failed to load resource") as page:
        page.goto("/blank")
        yield page


@pytest.fixture(scope="module")
def read(browser, stand_in):
    """Reads a text that comes in chunks of so many bytes, in one page for all that only read."""
    with opened(browser, stand_in.url) as page:
        page.goto("/blank")

        yield lambda name, text, size: page.evaluate(READ, [name, text, size])


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_are_whole_however_they_were_split(read, ending, size):
    text = ending.join(['{"word": "Zürich"}', "", '{"word": "👋🏽 naïve"}'])
    assert read("lines", text, size) == [{"word": "Zürich"}, {"word": "👋🏽 naïve"}]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_events_are_whole_however_they_were_split(read, ending, size):
    text = ending.join(
        [": a comment", "event: delta", "id: 7", "data: {", "data:  é}", "", "data: [DONE]", "", ""]
    )
    assert read("events", text, size) == [
        {"event": "delta", "data": "{\n é}", "id": "7"},
        {"event": "message", "data": "[DONE]", "id": "7"},
    ]


def test_an_event_that_was_cut_off_is_no_event(read):
    assert read("events", "data: whole\n\ndata: ha", 1000) == [
        {"event": "message", "data": "whole", "id": ""}
    ]


def test_a_very_long_line_is_read_at_once(read):
    text = '{"audio": "' + "A" * 300_000 + '"}\n'
    ((line),) = read("lines", text, 1_638)
    assert len(line["audio"]) == 300_000


def test_who_stops_reading_ends_the_request(page):
    assert page.evaluate(STOPS_READING) is True


def test_a_connection_that_breaks_within_a_body_is_told_after_what_came(page):
    assert page.evaluate(BREAKS) == [[1], "ApiError", "unreachable"]


def test_the_token_is_asked_for_once(page, stand_in):
    for _ in range(3):
        assert page.evaluate(CALL, ["post", "/api/echo", {}]) == {"answer": {"said": "yes"}}
    assert stand_in.asked.count("GET /api/visitor") == 1


def test_a_token_that_is_no_longer_good_is_asked_for_anew_once(page, stand_in):
    page.evaluate(CALL, ["post", "/api/echo", {}])
    stand_in.told(token="token-2")
    assert page.evaluate(CALL, ["post", "/api/echo", {}]) == {"answer": {"said": "yes"}}


def test_an_error_is_the_servers_sentence(page):
    told = page.evaluate(CALL, ["get", "/api/nothing", None])
    assert told == {
        "name": "ApiError",
        "code": "not_found",
        "message": "There is no /api/nothing.",
        "status": 404,
    }


def test_garbage_is_told_as_such(page, stand_in):
    stand_in.told(away=True)
    try:
        told = page.evaluate(CALL, ["get", "/api/visitor", None])
    finally:
        stand_in.told(away=False)
    assert (told["code"], told["status"]) == ("not_understood", 502)
    assert "try again" in told["message"]


def test_nobody_there_is_told_with_what_to_do(page):
    page.route("**/api/echo", lambda route: route.abort())
    told = page.evaluate(CALL, ["post", "/api/echo", {}])
    assert told["code"] == "unreachable"
    assert "look at your connection" in told["message"]


KEPT = """async () => {
  const { keep } = await import("/page/keep.js");
  await keep.put("takes", 2, { samples: new Int16Array([1, -2]), name: "two" });
  await keep.put("takes", 1, { name: "one" });
  await keep.put("takes", "a", { name: "letters" });
  await keep.delete("takes", 1);
  const all = await keep.all("takes");
  const { samples } = await keep.get("takes", 2);
  return [await keep.durable(), all.map((each) => each.key), samples.constructor.name, [...samples],
          (await keep.get("takes", 1)) === undefined];
}"""
REFUSES = "IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError'); };"


@pytest.mark.parametrize(("script", "durable"), [(None, True), (REFUSES, False)], ids=["kept", "in memory"])
def test_what_is_kept_is_found_again_with_and_without_a_database(browser, stand_in, script, durable):
    with opened(browser, stand_in.url, script=script) as page:
        page.goto("/blank")
        assert page.evaluate(KEPT) == [durable, [2, "a"], "Int16Array", [1, -2], True]


def test_what_is_kept_survives_a_reload(browser, stand_in):
    with opened(browser, stand_in.url) as page:
        page.goto("/blank")
        put = "async () => (await import('/page/keep.js')).keep.put('settings', 'voice', 'joe')"
        page.evaluate(put)
        page.reload()
        got = page.evaluate("async () => (await import('/page/keep.js')).keep.get('settings', 'voice')")
        assert got == "joe"


def test_a_full_browser_is_told_what_to_delete(browser, stand_in):
    fill = """async () => {
      const { keep } = await import("/page/keep.js");
      try { await keep.put("takes", 1, new Uint8Array(4_000_000)); }
      catch (error) { return [error.name, error.code, error.message]; }
    }"""
    with opened(browser, stand_in.url) as page:
        page.goto("/blank")
        quota = {"origin": stand_in.url, "quotaSize": 1_000_000}
        page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", quota)
        name, code, message = page.evaluate(fill)
        assert (name, code) == ("KeepError", "full")
        assert "delete recordings under Listen" in message
