#!/usr/bin/env python3
"""Measures a running server from a client's side: how long requests take, and how much audio comes of them.

    .venv/bin/python scripts/benchmark.py --host http://127.0.0.1:5000 --requests 10 --concurrency 2

It sends the same request again and again, so many at a time, and prints percentiles of how long the whole
reply and its first byte took, the seconds of audio in a second, and the errors. {n} in --text is the number
of the request: without it a server that caches speech (TTS_ENABLE_CACHE) speaks once. It ends with 1 where a
request failed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3

TEXT = "The quick brown fox jumps over the lazy dog."
TIMEOUT_S = 600.0
PERCENTILES = (50, 95, 99)
WAV_HEADER_BYTES = 44
RECORDINGS = ("/transcribe", "/align", "/v1/audio/transcriptions", "/v1/audio/translations")
TEXTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/v1/tts": lambda text: {"text": text},
    "/v1/audio/speech": lambda text: {"input": text, "voice": "default", "response_format": "wav"},
    "/generate_batch": lambda text: {"texts": [text]},
}
"""The body of a request to each server that speaks; those of RECORDINGS take a form with a file."""


@dataclass(frozen=True)
class Sample:
    """What came of one request: an error has no audio."""

    took_s: float
    first_byte_s: float
    audio_s: float = 0.0
    error: str | None = None
    cached: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _arguments(arguments)
    started_at = time.perf_counter()
    samples = measured(asked)
    for line in report(samples, time.perf_counter() - started_at):
        print(line)
    return 1 if any(sample.error for sample in samples) else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="http://127.0.0.1:5000", help="the server's URL")
    parser.add_argument("--requests", type=_positive, default=10)
    parser.add_argument("--concurrency", type=_positive, default=2, help="so many at a time")
    parser.add_argument("--endpoint", choices=(*TEXTS, *RECORDINGS), default="/v1/tts")
    parser.add_argument("--text", default=TEXT, help="what is spoken or aligned; {n} is the request's number")
    parser.add_argument("--file", type=Path, help="the recording, for an endpoint that listens")
    parser.add_argument("--model", help="instead of the one that the server asks by default")
    parser.add_argument("--voice")
    parser.add_argument("--api-key", default=os.environ.get("TTS_API_KEY"), help="by default TTS_API_KEY")
    found = parser.parse_args(arguments)
    if found.endpoint in RECORDINGS and found.file is None:
        parser.error(f"{found.endpoint} needs --file, a recording")
    return found


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def measured(asked: argparse.Namespace) -> list[Sample]:
    """One sample for each request; each thread has a connection of its own, which it keeps."""
    own = threading.local()

    def one(number: int) -> Sample:
        if not hasattr(own, "session"):
            own.session = requests.Session()
            own.session.trust_env = False  # no proxy
        return sample(own.session, asked, number)

    with ThreadPoolExecutor(asked.concurrency) as pool:
        return list(pool.map(one, range(asked.requests)))


def sample(session: requests.Session, asked: argparse.Namespace, number: int) -> Sample:
    url, options = asked.host.rstrip("/") + asked.endpoint, _options(asked, number)
    started_at = time.perf_counter()
    first_byte_s = math.nan
    try:
        with session.post(url, timeout=TIMEOUT_S, stream=True, **options) as reply:
            body = reply.raw.read(1)
            first_byte_s = time.perf_counter() - started_at
            body += reply.raw.read()
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        return Sample(time.perf_counter() - started_at, first_byte_s, error=type(error).__name__)
    took_s = time.perf_counter() - started_at
    if (why := failure(reply, body)) is not None:
        return Sample(took_s, first_byte_s, error=why)
    cached = reply.headers.get("X-Cache") == "hit"
    return Sample(took_s, first_byte_s, audio_s(reply, body), cached=cached)


def _options(asked: argparse.Namespace, number: int) -> dict[str, Any]:
    """What `requests` is told of one request."""
    text = asked.text.replace("{n}", str(number))
    chosen = {name: getattr(asked, name) for name in ("model", "voice") if getattr(asked, name)}
    headers = {"X-API-Key": asked.api_key} if asked.api_key else {}
    if asked.endpoint in TEXTS:
        return {"json": TEXTS[asked.endpoint](text) | chosen, "headers": headers}
    fields = chosen | ({"text": text} if asked.endpoint == "/align" else {})
    file = (asked.file.name, asked.file.read_bytes())
    return {"data": fields, "files": {"file": file}, "headers": headers}


def failure(reply: requests.Response, body: bytes) -> str | None:
    """Why it failed, in a word: a text of a batch fails within a reply that is 200."""
    if reply.status_code != 200:
        try:
            return f"{reply.status_code} {json.loads(body)['error']['code']}"
        except (ValueError, KeyError, TypeError):
            return str(reply.status_code)
    for result in _json(reply, body).get("results", ()):
        if "error" in result:
            return str(result["error"]["code"])
    return None


def audio_s(reply: requests.Response, body: bytes) -> float:
    """Seconds of audio that were made, or heard."""
    if reply.headers["Content-Type"].startswith("audio/wav"):
        return (len(body) - WAV_HEADER_BYTES) / 2 / float(reply.headers["X-Sample-Rate"])
    told = _json(reply, body)
    if "usage" in told:
        return float(told["usage"]["seconds"])
    return sum(float(result["duration_s"]) for result in told.get("results", [told]))


def _json(reply: requests.Response, body: bytes) -> dict[str, Any]:
    if not reply.headers["Content-Type"].startswith("application/json"):
        return {}
    told: dict[str, Any] = json.loads(body)
    return told


def report(samples: Sequence[Sample], wall_s: float) -> list[str]:
    good = [each for each in samples if each.error is None]
    errors = Counter(each.error for each in samples if each.error is not None)
    lines = [f"requests     {len(samples)} in {wall_s:.2f} s, {len(good) / wall_s:.2f} a second"]
    if good:
        lines += [
            _line("latency", [each.took_s for each in good]),
            _line("first byte", [each.first_byte_s for each in good]),
            f"audio        {sum(each.audio_s for each in good) / wall_s:.2f} s a second",
        ]
    if cached := sum(each.cached for each in good):
        lines.append(f"cached       {cached}")
    lines.append(f"errors       {len(samples) - len(good)}")
    return lines + [f"             {count} × {error}" for error, count in errors.most_common()]


def _line(what: str, values_s: Sequence[float]) -> str:
    told = "  ".join(f"p{share} {percentile(values_s, share) * 1e3:.1f} ms" for share in PERCENTILES)
    return f"{what:<12} {told}"


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that is not below `share` per cent of them (the nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


if __name__ == "__main__":
    sys.exit(main())
