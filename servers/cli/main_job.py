"""The main job through the public HTTP servers: speak a text, align it, transcribe it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from servers.atomic import write_atomically
from servers.cli.client import Servers
from servers.cli.output import print_words
from servers.errors import SkylarkError
from servers.server_config import ClientConfig
from servers.settings import ROOT
from servers.text.score import word_error_rate

EXAMPLE = ROOT / "examples" / "hello.txt"
OUT = "hello.wav"
LANGUAGE = "en"
TASKS = {"tts": ["synthesize"], "whisperx": ["align", "transcribe"]}
"""What it asks of each door, in its order."""
DECODE = (
    "python3 -c 'import base64, json, sys; "
    """sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["results"][0]["audio"]))'"""
)


def run(servers: Servers, folder: Path) -> None:
    """Speaks examples/hello.txt to hello.wav in the folder and prints when each word is said."""
    out = folder / OUT
    text = EXAMPLE.read_text(encoding="utf-8").strip()
    speaker, listener = servers.get(f"{servers.tts}/health"), servers.get(f"{servers.whisperx}/health")
    who = f"{speaker['models'][0]}, voice {speaker['voice']}"
    spoken = _timed(f"speaking examples/hello.txt ({who})", lambda: _speak(servers, text, out))
    print(f"          {spoken['duration_s']:.1f} s of speech in {out}")
    aligned = _timed("aligning it", lambda: servers.align(out, text, language=LANGUAGE))
    heard = _timed(
        f"transcribing it ({listener['models'][0]})", lambda: servers.transcribe(out, language=LANGUAGE)
    )
    print()
    print_words(aligned["words"])
    print(f"\ntranscript: {heard['text']}")
    print(f"word error rate: {word_error_rate(text, heard['text'], LANGUAGE):.1%}\n", flush=True)


def _speak(servers: Servers, text: str, out: Path) -> dict[str, Any]:
    result: dict[str, Any] = servers.speak([text], language=LANGUAGE, format="wav")["results"][0]
    if "error" in result:
        raise SkylarkError.from_dict(result["error"])
    write_atomically(out, base64.b64decode(result["audio"]))
    return result


def _timed(what: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    begun = time.monotonic()
    result = work()
    print(f"{time.monotonic() - begun:6.1f} s  {what}", flush=True)
    return result


def invite(client: ClientConfig, urls: Mapping[str, str], page: str | None) -> None:
    """Prints the doors' URLs, a line to try, and the page's URL where there is one. A key stays out of it:
    output ends up in logs.
    """
    for name, url in urls.items():
        print(f"{name:10}{url}")
    print("try" + (" (with your key in TTS_API_KEY):" if client.api_key else ":"))
    print(curl_line(client), flush=True)
    if page is not None:
        print(f"page  {page}", flush=True)


def curl_line(client: ClientConfig) -> str:
    """A shell command that speaks a sentence into hi.wav."""
    key = ' -H "X-API-Key: $TTS_API_KEY"' if client.api_key else ""
    return (
        f"curl -sS {client.server_url}/generate_batch{key} -H 'Content-Type: application/json' "
        f"""-d '{{"texts": ["Good morning, and welcome."]}}' | {DECODE} > hi.wav"""
    )
