"""Cloned voices that outlive their machine, with moto's bucket between two machines."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from servers.cloned_voices import ClonedVoice, ClonedVoices, voices_folder
from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.handover.bucket import Bucket
from servers.handover.voices import KeptVoices, exchange_patiently, keep_always


class Machine:
    def __init__(self, data_dir: Path, bucket: Bucket) -> None:
        self.data_dir = data_dir
        self.voices = ClonedVoices(data_dir, 10)
        self.kept = KeptVoices(voices_folder(data_dir), bucket)

    def make(self, owner: str | None, name: str, clip: bytes) -> None:
        voice = ClonedVoice(
            name=name,
            clip=f"{clip.hex()}.wav",
            reference_text="so",
            consent="mine",
            duration_s=1.0,
            created_at=time.time(),
        )
        self.voices.add(owner, voice, clip)

    def heard(self, owner: str | None, name: str) -> bytes | None:
        voice = self.voices.find(owner, name)
        return voice and self.voices.clip(owner, voice).read_bytes()


@pytest.fixture
def machines(tmp_path, bucket):
    """Any number of them, one after the other."""
    return (Machine(tmp_path / f"{n}", bucket) for n in range(10))


def test_the_next_machine_has_the_voices_of_every_owner(machines):
    first, second = next(machines), next(machines)
    first.make("alice", "Mother", b"m")
    first.make(None, "news.reader", b"n")
    first.kept.keep()
    second.kept.exchange()
    assert (second.heard("alice", "mother"), second.heard(None, "news.reader")) == (b"m", b"n")
    assert second.heard("bob", "mother") is None
    second.kept.exchange()


def test_what_was_removed_is_removed_there(machines):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.make("alice", "b", b"b")
    first.kept.keep()
    first.voices.remove("alice", "a")
    first.kept.keep()
    second.kept.exchange()
    assert (second.heard("alice", "a"), second.heard("alice", "b")) == (None, b"b")


def test_a_voice_that_came_from_the_bucket_can_be_removed_from_it(machines):
    first, second, third = next(machines), next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.keep()
    second.kept.exchange()
    second.voices.remove("alice", "a")
    second.kept.keep()
    third.kept.exchange()
    assert third.heard("alice", "a") is None


def test_a_voice_removed_elsewhere_comes_back_from_no_disk(machines):
    first, second, third = next(machines), next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.keep()
    second.kept.exchange()
    second.voices.remove("alice", "a")
    second.kept.keep()
    started_again = KeptVoices(voices_folder(first.data_dir), first.kept._bucket)
    started_again.exchange()
    third.kept.exchange()
    assert (first.heard("alice", "a"), third.heard("alice", "a")) == (None, None)


def test_while_two_run_each_has_what_the_other_made_and_not_what_it_removed(machines):
    first, second = next(machines), next(machines)
    for one in (first, second):
        one.kept.exchange()
    first.make("alice", "a", b"a")
    first.kept.exchange()
    second.make("alice", "b", b"b")
    second.kept.exchange()
    first.kept.exchange()
    assert [(one.heard("alice", "a"), one.heard("alice", "b")) for one in (first, second)] == [
        (b"a", b"b")
    ] * 2
    second.voices.remove("alice", "a")
    second.kept.exchange()
    first.kept.exchange()
    assert (first.heard("alice", "a"), first.heard("alice", "b")) == (None, b"b")


def test_a_voice_can_be_removed_and_made_again_of_the_same_recording(machines):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.keep()
    second.kept.exchange()
    first.voices.remove("alice", "a")
    first.kept.keep()
    second.kept.exchange()
    second.make("alice", "a", b"a")
    second.kept.exchange()
    first.kept.exchange()
    assert (first.heard("alice", "a"), second.heard("alice", "a")) == (b"a", b"a")


def test_a_voice_made_anew_under_its_name_takes_the_place_of_the_one_before(machines, bucket):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"old")
    first.kept.keep()
    first.voices.remove("alice", "a")
    first.make("alice", "a", b"new")
    first.kept.keep()
    second.kept.exchange()
    assert second.heard("alice", "a") == b"new"
    assert len(bucket.keys("voices/")) == 2  # nothing is left of the old one


def test_the_one_before_comes_back_from_no_disk_either(machines, bucket):
    first, second, third = next(machines), next(machines), next(machines)
    first.make("alice", "a", b"old")
    first.kept.keep()
    second.kept.exchange()
    first.voices.remove("alice", "a")
    first.make("alice", "a", b"new")
    first.kept.keep()
    KeptVoices(voices_folder(second.data_dir), bucket).exchange()
    third.kept.exchange()
    assert (second.heard("alice", "a"), third.heard("alice", "a")) == (b"new", b"new")


def test_what_was_made_before_its_machine_died_is_kept_when_it_starts_again(machines):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    second.kept.exchange()
    assert second.heard("alice", "a") == b"a"


def test_what_has_not_changed_is_not_sent_again(machines, bucket, monkeypatch):
    first = next(machines)
    first.make("alice", "a", b"a")
    first.kept.keep()
    monkeypatch.setattr(bucket, "put_file", lambda key, file: pytest.fail(key))
    first.kept.keep()
    first.kept.exchange()
    KeptVoices(voices_folder(first.data_dir), bucket).exchange()


def test_a_voice_that_is_half_there_is_none(machines, bucket):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.keep()
    (told,) = [key for key in bucket.keys("voices/") if key.endswith("voice.json")]
    bucket.delete(told)
    second.kept.exchange()
    assert second.heard("alice", "a") is None


class Over(Exception):
    """The test has seen enough."""


def test_a_machine_that_has_lost_its_bucket_for_a_while_keeps_them_later(machines, bucket, caplog):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    name, bucket._name = bucket._name, "skylark-none"
    slept = []

    def sleep(_: float) -> None:
        slept.append(1)
        if len(slept) == 3:
            bucket._name = name
        if len(slept) == 13:
            raise Over

    with pytest.raises(Over):
        keep_always(first.kept, Changes(), sleep)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    exchange_patiently(second.kept, Changes(), sleep)
    assert second.heard("alice", "a") == b"a"


def test_a_machine_is_not_there_without_the_voices(machines, bucket):
    second = next(machines)
    name, bucket._name = bucket._name, "skylark-none"

    def sleep(_: float) -> None:
        bucket._name = name

    with pytest.raises(CloudFailed):
        second.kept.exchange()
    exchange_patiently(second.kept, Changes(), sleep)
    assert bucket._name == name


def test_a_file_that_cannot_be_fetched_leaves_nothing_half_made(machines, bucket, monkeypatch):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.keep()
    fetched = bucket.fetch

    def fetch(key: str, file) -> None:
        if key.endswith("voice.json"):
            raise CloudFailed("SlowDown")
        fetched(key, file)

    monkeypatch.setattr(bucket, "fetch", fetch)
    with pytest.raises(CloudFailed):
        second.kept.exchange()
    assert [path for path in second.data_dir.rglob("*") if path.is_file()] == []


def again(machine: Machine, bucket: Bucket) -> KeptVoices:
    """As its next process has it."""
    return KeptVoices(voices_folder(machine.data_dir), bucket)


def test_one_that_is_removed_while_nobody_looks_is_missed_later(machines, bucket):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    second.kept.exchange()
    first.voices.remove("alice", "a")
    again(first, bucket).exchange()
    second.kept.exchange()
    assert (first.heard("alice", "a"), second.heard("alice", "a")) == (None, None)


def test_a_removal_that_was_cut_off_is_ended_by_whoever_looks_next(machines, bucket, monkeypatch):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    first.voices.remove("alice", "a")
    with monkeypatch.context() as cut:
        cut.setattr(first.kept, "_clear_there", lambda name: (_ for _ in ()).throw(CloudFailed("SlowDown")))
        with pytest.raises(CloudFailed):
            first.kept.keep()
    assert len(bucket.keys("voices/")) == 2
    second.kept.exchange()
    again(first, bucket).exchange()
    assert (first.heard("alice", "a"), second.heard("alice", "a")) == (None, None)
    assert bucket.keys("voices/") == []


def test_a_place_that_stops_before_it_has_looked_brings_nothing_back(machines, bucket):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    second.kept.exchange()
    second.voices.remove("alice", "a")
    second.kept.keep()
    again(first, bucket).keep()
    second.kept.exchange()
    assert (first.heard("alice", "a"), second.heard("alice", "a")) == (None, None)


def test_a_folder_that_cannot_be_read_is_no_removal(machines, bucket):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    (told,) = first.data_dir.rglob("voice.json")
    text = told.read_bytes()
    told.write_bytes(b"{}")
    first.kept.exchange()
    told.write_bytes(text)
    first.kept.exchange()
    second.kept.exchange()
    assert second.heard("alice", "a") == b"a"


def test_voices_that_were_moved_away_are_not_removed_elsewhere(machines, bucket):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    voices_folder(first.data_dir).rename(first.data_dir / "elsewhere")
    first.kept.keep()
    second.kept.exchange()
    assert second.heard("alice", "a") == b"a"


@pytest.mark.parametrize(
    "key",
    [
        "removed-voices/",
        "removed-voices/everyone/a/aa.wav/soon",
        "voices/",
        "voices/../../escaped/voice.json",
        "voices/everyone/../voice.json",
        "voices/everyone/.hidden/voice.json",
        "voices/everyone/a/b/voice.json",
    ],
)
def test_what_else_is_in_the_bucket_is_nothing(machines, bucket, key):
    first, second = next(machines), next(machines)
    first.make("alice", "a", b"a")
    first.kept.exchange()
    bucket.put_json(key, {})
    second.kept.exchange()
    assert second.heard("alice", "a") == b"a"
    assert not list(second.data_dir.parent.rglob("escaped"))
