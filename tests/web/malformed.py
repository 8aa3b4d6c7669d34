"""Requests that are not HTTP/1.1, or barely, and the statuses that are right for them; None is a connection
that is closed without a word, or one that waits for more.
"""

from __future__ import annotations

HOST = b"Host: toys\r\n"
CHUNKED = b"POST /raw HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST

MALFORMED: dict[str, tuple[bytes, set[int | None]]] = {
    "nonsense": (b"\x00\x01\x02\x03\r\n\r\n", {400}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x07" * 60 + b"\r\n\r\n", {400, None}),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "HTTP/0.9": (b"GET /health\r\n\r\n", {400}),
    "HTTP/3.0": (b"GET /health HTTP/3.0\r\n" + HOST + b"\r\n", {400}),
    "no version's number": (b"GET /health HTTP/x\r\n\r\n", {400}),
    "no method": (b" /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a method with a space": (b"GE T /health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "no target": (b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a target with a space": (b"GET /he alth HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a target that is no path": (b"GET health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a target of another scheme": (b"GET gopher://x/ HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a target that is no URL": (b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "bytes in the target": (b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (GET + HOST + b"\r\n", {400}),
    "an endless target": (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {431}),
    "an endless header": (GET + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n", {431}),
    "headers without end": (GET + b"X-More: x\r\n" * 10_000, {431}),
    "a header without a colon": (GET + b"no colon\r\n\r\n", {400}),
    "a header without a name": (GET + b": x\r\n\r\n", {400}),
    "a space before the colon": (GET + b"X-Odd : x\r\n\r\n", {400}),
    "a header that is folded": (GET + b"X-Odd: x\r\n y\r\n\r\n", {200, 400}),
    "a NUL in a header": (GET + b"X-Odd: a\x00b\r\n\r\n", {400}),
    "a carriage return in a header": (GET + b"X-Odd: a\rb\r\n\r\n", {400}),
    "a length that is no number": (b"POST /raw HTTP/1.1\r\n" + HOST + b"Content-Length: ten\r\n\r\n", {400}),
    "a length below zero": (b"POST /raw HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", {400}),
    "a length with a sign": (b"POST /raw HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\nx", {400}),
    "an endless length": (
        b"POST /raw HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        {400, 413},
    ),
    "two lengths": (
        b"POST /raw HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        {400},
    ),
    "a length and chunks": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n") + b"0\r\n\r\n",
        {400},
    ),
    "another encoding": (CHUNKED.replace(b"chunked", b"gzip"), {400}),
    "chunks of no size": (CHUNKED + b"size\r\nx\r\n0\r\n\r\n", {400}),
    "chunks of a size below zero": (CHUNKED + b"-1\r\nx\r\n0\r\n\r\n", {400}),
    "a chunk of an endless size": (CHUNKED + b"f" * 40 + b"\r\nx\r\n", {400, 413}),
    "a chunk without its end": (CHUNKED + b"1\r\nxx0\r\n\r\n", {400}),
}
