"""The page's files, as they are served."""

from __future__ import annotations

import gzip

import pytest

from servers.proxy.files import PAGE, TYPES

MOST_BYTES = 150_000


def test_the_page_is_served(client):
    reply = client.get("/")
    assert reply.status_code == 200
    assert reply.content_type == "text/html; charset=utf-8"
    assert b"<title>" in reply.data


def test_its_files_are_revalidated_each_time(client):
    reply = client.get("/page/style.css")
    assert (reply.content_type, reply.headers["Cache-Control"]) == ("text/css; charset=utf-8", "no-cache")
    again = client.get("/page/style.css", headers={"If-None-Match": reply.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_its_files_are_packed_for_who_takes_them_so(client):
    plain = client.get("/page/style.css")
    packed = client.get("/page/style.css", headers={"Accept-Encoding": "gzip, br"})
    assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.data) == plain.data
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_the_whole_page_weighs_little(client):
    names = [file.name for file in PAGE.iterdir() if file.suffix in TYPES]
    assert len(names) > 10
    asked = {"Accept-Encoding": "gzip"}
    assert sum(len(client.get(f"/page/{name}", headers=asked).data) for name in names) <= MOST_BYTES


@pytest.mark.parametrize("path", ["nothing.js", "../app.py", "%2e%2e/app.py", "/etc/passwd", "."])
def test_there_is_nothing_else(client, path):
    reply = client.get(f"/page/{path}")
    assert reply.status_code == 404
    assert reply.json["error"]["code"] == "not_found"
