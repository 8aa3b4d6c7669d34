"""The cache of speech: the latest used, within both of its limits, whoever else has the file open."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from servers.settings import ROOT
from servers.spoken.cache import Entry, SpeechCache

ABOUT = {"sample_rate": 24_000, "words": [{"word": "Grüße"}]}
MANY = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "speech_cache" / "speech.sqlite3"


@pytest.fixture
def cache(path: Path) -> Iterator[SpeechCache]:
    with closing(SpeechCache(path, most_entries=3, most_bytes=MANY)) as made:
        yield made


def put(cache: SpeechCache, *keys: str, size: int = 10) -> None:
    for key in keys:
        cache.put(key, b"x" * size, ABOUT)


def there(cache: SpeechCache, *keys: str) -> list[str]:
    return [key for key in keys if cache.get(key) is not None]


def test_what_was_kept_is_given_back_as_it_was(cache: SpeechCache) -> None:
    cache.put("a", b"\0audio\xff", ABOUT)
    assert cache.get("a") == Entry(b"\0audio\xff", ABOUT)
    assert cache.get("b") is None


def test_hits_and_misses_are_counted(cache: SpeechCache) -> None:
    put(cache, "a")
    there(cache, "a", "b", "a")
    stats = cache.stats()
    assert stats is not None
    assert (stats["hits"], stats["misses"], stats["entries"]) == (2, 1, 1)
    assert 10 < stats["bytes"] < 200


def test_the_least_recently_used_goes_first(cache: SpeechCache) -> None:
    put(cache, "a", "b", "c")
    cache.get("a")
    put(cache, "d")
    assert there(cache, "a", "b", "c", "d") == ["a", "c", "d"]


def test_bytes_are_limited_as_well(path: Path) -> None:
    with closing(SpeechCache(path, most_entries=10, most_bytes=2_500)) as cache:
        put(cache, "a", "b", size=1_000)
        put(cache, "c", size=1_000)
        assert there(cache, "a", "b", "c") == ["b", "c"]


def test_what_alone_is_too_much_leaves_the_others_alone(path: Path) -> None:
    with closing(SpeechCache(path, most_entries=10, most_bytes=2_500)) as cache:
        put(cache, "a", size=1_000)
        put(cache, "b", size=3_000)
        assert there(cache, "a", "b") == ["a"]


def test_the_same_key_again_takes_the_place_of_what_it_had(cache: SpeechCache) -> None:
    put(cache, "a", size=500)
    cache.put("a", b"new", {})
    assert cache.get("a") == Entry(b"new", {})
    stats = cache.stats()
    assert stats is not None
    assert (stats["entries"], stats["bytes"]) == (1, 5)


def test_the_audio_of_what_has_left_is_gone_from_the_file(cache: SpeechCache, path: Path) -> None:
    cache.put("a", b"a secret of length", {})
    put(cache, "b", "c", "d")
    cache.close()
    with closing(sqlite3.connect(path)) as at:
        assert at.execute("SELECT count(*) FROM audio").fetchone() == (3,)
        at.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"a secret of length" not in path.read_bytes()


def test_it_outlives_its_process_with_its_counts(cache: SpeechCache, path: Path) -> None:
    put(cache, "a")
    cache.get("a")
    cache.close()
    with closing(SpeechCache(path, most_entries=3, most_bytes=MANY)) as again:
        assert again.get("a") is not None
        assert (again.stats() or {})["hits"] == 2


def test_smaller_limits_hold_from_the_next_start(cache: SpeechCache, path: Path) -> None:
    put(cache, "a", "b", "c")
    cache.close()
    with closing(SpeechCache(path, most_entries=1, most_bytes=MANY)) as again:
        assert there(again, "a", "b", "c") == ["c"]


def test_another_process_finds_what_this_one_kept(cache: SpeechCache, path: Path) -> None:
    put(cache, "a")
    code = (
        "import sys; from pathlib import Path; from servers.spoken.cache import SpeechCache\n"
        "cache = SpeechCache(Path(sys.argv[1]), most_entries=3, most_bytes=1000)\n"
        "print(cache.get('a').audio == b'x' * 10); cache.put('b', b'y', {}); cache.close()"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "True\n"
    assert cache.get("b") == Entry(b"y", {})
    assert (cache.stats() or {})["hits"] == 2


def test_threads_of_two_caches_of_one_file_lose_no_count(cache: SpeechCache, path: Path) -> None:
    put(cache, "a")
    with closing(SpeechCache(path, most_entries=3, most_bytes=MANY)) as other:
        threads = [
            Thread(target=lambda one=one: [one.get("a") for _ in range(50)]) for one in (cache, other) * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (cache.stats() or {})["hits"] == 200


def test_a_file_that_is_no_cache_costs_no_request_and_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else " * 10_000)
    with (
        caplog.at_level(logging.WARNING),
        closing(SpeechCache(path, most_entries=3, most_bytes=MANY)) as cache,
    ):
        put(cache, "a")
        assert cache.get("a") is None
        assert cache.stats() is None
    assert "the cache of speech cannot be written: file is not a database" in caplog.text


def test_a_folder_that_cannot_be_made_costs_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = SpeechCache(tmp_path / "file" / "speech.sqlite3", most_entries=3, most_bytes=MANY)
    assert cache.get("a") is None
    assert "the cache of speech cannot be read" in caplog.text
