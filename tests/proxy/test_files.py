"""The page's files, as they are served."""

from __future__ import annotations

import pytest


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


@pytest.mark.parametrize("path", ["nothing.js", "../app.py", "%2e%2e/app.py", "/etc/passwd", "."])
def test_there_is_nothing_else(client, path):
    reply = client.get(f"/page/{path}")
    assert reply.status_code == 404
    assert reply.json["error"]["code"] == "not_found"
