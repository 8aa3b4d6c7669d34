"""What `skylark smoke` asks of servers, one line for each check."""

from __future__ import annotations

import base64
import io
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from servers.cli.client import Servers
from servers.cli.failures import CommandFailed, Unreachable
from servers.errors import InvalidRequest, SkylarkError, Unauthorized
from servers.server_config import ClientConfig
from servers.text.score import word_error_rate

SENTENCE = "Good morning. The train to Oxford leaves at nine, and takes forty minutes."
LANGUAGE = "en"
SILENCE = 0.01
"""Of full scale: what stays below was not spoken."""
LOOK_S = 0.1
WRONG_KEY = "skylark-smoke-has-no-key"


def check(
    client: ClientConfig, *, wait_s: float, most_wrong: float, headers: Mapping[str, str] | None = None
) -> None:
    """Raises CommandFailed naming the checks that failed; their lines say why. Each request has `headers`."""
    with Servers(client, headers=headers) as servers, tempfile.TemporaryDirectory() as folder:
        checks = Checks(client, servers, Path(folder) / "spoken.wav", wait_s, most_wrong, headers)
        failed = [name for name, call in checks.all().items() if not _passes(name, call)]
    if failed:
        raise CommandFailed(f"failed: {', '.join(failed)}")


def _passes(name: str, call: Callable[[], str]) -> bool:
    begun = time.monotonic()
    try:
        word, said = "ok", call()
    except (Failed, SkylarkError, Unreachable) as error:
        word, said = "FAILED", str(error)
    print(f"{word:7}{time.monotonic() - begun:6.1f} s  {name:9} {said}", flush=True)
    return word == "ok"


class Failed(Exception):
    """An answer came, and not the one that was expected."""


class Checks:
    """Each returns what it found, or raises Failed, SkylarkError or Unreachable."""

    def __init__(
        self,
        client: ClientConfig,
        servers: Servers,
        recording: Path,
        wait_s: float,
        most_wrong: float,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._client, self._servers, self._recording, self._headers = client, servers, recording, headers
        self._wait_s, self._most_wrong = wait_s, most_wrong

    def all(self) -> dict[str, Callable[[], str]]:
        """In the order in which they depend on each other."""
        return {
            "ready": self.ready,
            "speaks": self.speaks,
            "hears": self.hears,
            "aligns": self.aligns,
            "keys": self.keys,
            "refuses": self.refuses,
        }

    def ready(self) -> str:
        deadline = time.monotonic() + self._wait_s
        for url in self._client.urls().values():
            self._wait_for(f"{url}/ready", deadline)
        return ", ".join(f"{name} at {url}" for name, url in self._client.urls().items())

    def _wait_for(self, url: str, deadline: float) -> None:
        while True:
            try:
                self._servers.get(url)
                return
            except (SkylarkError, Unreachable):
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_S)

    def speaks(self) -> str:
        (result,) = self._servers.speak([SENTENCE], language=LANGUAGE, format="wav")["results"]
        if "error" in result:
            raise SkylarkError.from_dict(result["error"])
        self._recording.write_bytes(base64.b64decode(result["audio"]))
        loudest, seconds = _measured(self._recording.read_bytes())
        if loudest < SILENCE or seconds < 1:
            raise Failed(f"{seconds:.1f} s, the loudest sample is {loudest:.3f}: nothing was spoken")
        return f"{seconds:.1f} s of speech by {self._servers.get(f'{self._servers.tts}/health')['model']}"

    def hears(self) -> str:
        heard = self._servers.transcribe(self._spoken(), language=LANGUAGE)["text"]
        wrong = word_error_rate(SENTENCE, heard, LANGUAGE)
        if wrong > self._most_wrong:
            raise Failed(f"{wrong:.0%} of the words wrong, {self._most_wrong:.0%} are taken: {heard!r}")
        return f"{wrong:.0%} of the words wrong"

    def aligns(self) -> str:
        words = self._servers.align(self._spoken(), SENTENCE, language=LANGUAGE)["words"]
        if [word["word"] for word in words] != SENTENCE.split():
            raise Failed(f"the words are {[word['word'] for word in words]}")
        times = [time for word in words for time in (word["start"], word["end"])]
        if times != sorted(times) or times[0] < 0:
            raise Failed(f"the times of the words are not in their order: {times}")
        return f"{len(words)} words in {times[-1]:.1f} s"

    def _spoken(self) -> Path:
        if not self._recording.exists():
            raise Failed("there is no recording, for nothing was spoken")
        return self._recording

    def keys(self) -> str:
        refused = {key: self._is_refused(key) for key in (None, WRONG_KEY)}
        if all(refused.values()):
            return "no request is served without a key, or with a wrong one"
        if self._client.api_key or any(refused.values()):
            without = ["no key" if key is None else "a wrong key" for key, no in refused.items() if not no]
            raise Failed(f"a request with {' and one with '.join(without)} was served")
        return "none is needed here"

    def _is_refused(self, key: str | None) -> bool:
        with Servers(replace(self._client, api_key=key), headers=self._headers) as servers:
            try:
                servers.speak(["Hello."], language=LANGUAGE)
            except Unauthorized:
                return True
        return False

    def refuses(self) -> str:
        try:
            self._servers.speak([])
        except InvalidRequest as error:
            if error.param != "texts":
                raise Failed(f"a request without texts is refused for its {error.param}") from None
            return "a request without texts, and names the field"
        raise Failed("a request without texts was served")


def _measured(wav: bytes) -> tuple[float, float]:
    """The loudest sample, of 1, and the seconds."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(wav))
    return float(abs(samples).max(initial=0)), len(samples) / rate
