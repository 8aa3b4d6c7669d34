"""Files that are spoken: plain text, Markdown and books, and what is refused before it is read."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from playwright.sync_api import expect

CONTAINER = """<?xml version="1.0"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A Small Book</dc:title></metadata>
<manifest><item id="two" href="text/second%20page.xhtml"/><item id="one" href="text/first.xhtml"/>
<item id="away" href="missing.xhtml"/><item id="cover" href="cover.xhtml"/></manifest>
<spine><itemref idref="cover"/><itemref idref="one"/><itemref idref="away"/><itemref idref="two"/></spine>
</package>"""
PAGE = """<html xmlns="http://www.w3.org/1999/xhtml">
<head><title>x</title><style>p { color: red }</style></head>
<body><h1>{title}</h1><p>It was <b>bright</b>.
And cold.</p><script>never()</script><p>Then&#160;night.</p></body></html>"""


def book(**changes):
    files = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/cover.xhtml": "<html><body><img src='c.png'/></body></html>",
        "OEBPS/text/first.xhtml": PAGE.replace("{title}", "The First"),
        "OEBPS/text/second page.xhtml": PAGE.replace("{title}", "The Second"),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (files | changes).items():
            if text is not None:
                archive.writestr(name, text)
    return packed.getvalue()


@pytest.fixture
def chosen(page):
    """Opens a file on the page by its button, and gives the page."""
    page.goto("/#speak")
    page.get_by_role("button", name="Open a file").wait_for()

    def choose(name, content, kind=""):
        with page.expect_file_chooser() as asked:
            page.get_by_role("button", name="Open a file").click()
        asked.value.set_files({"name": name, "mimeType": kind, "buffer": content})
        return page

    return choose


def has_text(page, text):
    expect(page.get_by_role("textbox", name="Text")).to_have_value(text)


def said(page, text):
    page.locator(".toast", has_text=text).wait_for()


def test_a_book_is_spoken_by_chapters_in_the_order_of_its_spine(chosen):
    page = chosen("small.epub", book())
    has_text(page, "The First\n\nIt was bright. And cold.\n\nThen night.")
    chapters = page.get_by_role("combobox", name="Chapter")
    expect(chapters.locator("option")).to_have_text(["The First", "The Second"])
    chapters.select_option(label="The Second")
    has_text(page, re.compile("^The Second\n\n"))


def test_a_page_that_is_not_well_formed_is_read_as_html(chosen):
    page = chosen("small.epub", book(**{"OEBPS/text/first.xhtml": "<body><p>One<p>Two &nbsp; three<br>four"}))
    has_text(page, "One\n\nTwo three\n\nfour")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a zip at all", "no EPUB book"),
        (book()[:400], "no EPUB book"),
        (book(**{"META-INF/container.xml": None}), "it has no container"),
        (book(**{"OEBPS/book.opf": "<package"}), "cannot be read"),
        (book(**{"OEBPS/text/first.xhtml": "a" * 6_000_000}), "too large"),
        (
            book(**{"OEBPS/text/first.xhtml": "", "OEBPS/text/second page.xhtml": "<html/>"}),
            "no text in the book",
        ),
    ],
)
def test_what_is_no_book_has_a_sentence_and_the_text_stays(chosen, complaints, content, says):
    complaints.expect(
        "Applying inline style"
    )  # Chromium's own, of what it makes of XML that is not well-formed
    page = chosen("small.epub", content)
    said(page, says)
    has_text(page, "")


def test_a_book_that_says_it_is_small_is_not_believed(chosen):
    """Its directory tells of 10 bytes, and it unpacks to 8 MB."""
    bomb = bytearray(book(**{"OEBPS/text/first.xhtml": "a" * 8_000_000}))
    entry = bomb.rindex(b"OEBPS/text/first.xhtml") - 46
    assert bomb[entry : entry + 4] == b"PK\x01\x02"
    bomb[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    said(chosen("small.epub", bytes(bomb)), "too large")


def test_markdown_is_read_without_its_marks(chosen):
    page = chosen(
        "notes.md",
        b"---\ntitle: x\n---\n# A *title*\n\n"
        b"Some **bold** and [a link](https://x.example), `code`\nand snake_case.\n\n"
        b"- one\n- two\n\n```py\nnot = read\n```\n\n> quoted\n\n"
        b"| a | b |\n|---|---|\n| c | d |\n\n![a picture](p.png)\n",
    )
    paragraphs = [
        "A title",
        "Some bold and a link, code and snake_case.",
        "one",
        "two",
        "quoted",
        "a b",
        "c d",
        "a picture",
    ]
    has_text(page, "\n\n".join(paragraphs))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_text_is_read_in_the_encoding_that_it_has(chosen, encoding):
    page = chosen("letter.txt", "Grüße, “Anna”.\n".encode(encoding))
    has_text(page, re.compile("^Grüße, “Anna”."))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("song.mp3", b"ID3", "cannot be spoken: open a text"),
        ("long.txt", b"a" * 1_500_000, "has 2 MB, and 1 MB are possible"),
        ("program.txt", b"\x00\x01\x02", "is no text, whatever its name says"),
    ],
)
def test_a_file_that_cannot_be_spoken_has_a_sentence(chosen, name, content, says):
    said(chosen(name, content), says)


def test_a_dropped_file_of_two_gigabytes_is_refused_before_it_is_read(page):
    page.goto("/#speak")
    page.get_by_role("textbox", name="Text").evaluate(
        """(area) => {
          const file = new File(["x"], "huge.epub");
          Object.defineProperty(file, "size", { value: 2.1e9 });
          for (const way of ["arrayBuffer", "slice", "stream", "text"]) {
            file[way] = () => { throw new Error("it was read"); };
          }
          const event = new Event("drop", { bubbles: true, cancelable: true });
          event.dataTransfer = { files: [file], types: ["Files"] };
          area.dispatchEvent(event);
        }"""
    )
    said(page, "has 2.1 GB, and 200 MB are possible")


def test_a_dropped_text_is_in_the_field(page):
    page.goto("/#speak")
    page.get_by_role("textbox", name="Text").evaluate(
        """(area) => {
          const data = new DataTransfer();
          data.items.add(new File(["Dropped words."], "dropped.txt", { type: "text/plain" }));
          area.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
        }"""
    )
    has_text(page, "Dropped words.")
