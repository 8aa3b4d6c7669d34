"""The zip of a data set: what is unpacked, and what is not."""

from __future__ import annotations

import io
import random
import stat
import struct
import zipfile

import pytest

from servers.datasets import archive
from servers.datasets.archive import unpack
from servers.errors import InvalidDataset, StorageFailed
from tests.datasets.made import dataset, longest_file, zipped


@pytest.fixture
def whole(tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    dataset(folder)
    return folder


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def made(entries):
    """A zip of names, or of ZipInfo, with what is in each."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries:
            packed.writestr(name, content)
    stream.seek(0)
    return stream


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("top", ["", "voice/"])
def test_a_data_set_is_unpacked_with_or_without_a_folder_around_it(whole, out, tmp_path, top):
    unpack(zipped(whole, tmp_path / "whole.zip", top), out)
    assert files(out) == files(whole)


def test_what_a_mac_puts_in_is_left_out(out):
    entries = [
        ("train.jsonl", "{}"),
        ("__MACOSX/._train.jsonl", "x"),
        (".DS_Store", "x"),
        ("data/a.wav", "y"),
    ]
    unpack(made(entries), out)
    assert set(files(out)) == {"train.jsonl", "data/a.wav"}


@pytest.mark.parametrize("name", ["./", ".", "././"])
def test_an_entry_for_the_folder_itself_is_no_matter(out, name):
    unpack(made([(name, ""), ("./train.jsonl", "{}")]), out)
    assert set(files(out)) == {"train.jsonl"}


def link():
    info = zipfile.ZipInfo("data/a.wav")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("../a.wav", "not a name within"),
        ("data/../../a.wav", "not a name within"),
        ("/etc/a.wav", "not a name within"),
        ("C:/a.wav", "not a name within"),
        ("data\\..\\a.wav", "not a name within"),
        (link(), "a link or a device"),
        ("TRAIN.JSONL", "twice"),
        ("data/" + "a" * 300 + ".wav", "more than 255 bytes"),
        ("é" * 128, "more than 255 bytes"),
    ],
)
def test_a_name_that_leads_out_a_link_and_a_double_are_refused(out, tmp_path, entry, why):
    with pytest.raises(InvalidDataset, match=why) as refused:
        unpack(made([("train.jsonl", "{}"), (entry, "../../outside")]), out)
    assert refused.value.param == "dataset"
    assert refused.value.http_status == 400
    assert not files(out)
    assert not (tmp_path / "a.wav").exists()


def test_without_train_jsonl_it_is_no_data_set(out):
    with pytest.raises(InvalidDataset, match=r"no train\.jsonl"):
        unpack(made([("data/a.wav", "x"), ("deep/er/train.jsonl", "{}")]), out)


def test_a_bomb_is_refused_before_it_is_unpacked(out):
    with pytest.raises(InvalidDataset, match="next to nothing"):
        unpack(made([("train.jsonl", "{}"), ("data/a.wav", bytes(archive.BOMB_BYTES + 1))]), out)
    assert not files(out)


def test_what_a_zip_says_of_a_files_size_is_not_believed(out):
    """Both of its headers say 10 bytes."""
    content = bytes(range(256)) * 4_000
    raw = bytearray(made([("train.jsonl", "{}"), ("data/a.wav", content)]).getvalue())
    size = struct.pack("<I", len(content))
    for at in [index for index in range(len(raw)) if raw[index : index + 4] == size]:
        raw[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(InvalidDataset):
        unpack(io.BytesIO(bytes(raw)), out)
    assert sum(map(len, files(out).values())) <= 12


def test_more_than_may_be_is_refused(whole, out, tmp_path):
    with pytest.raises(InvalidDataset, match="more than"):
        unpack(zipped(whole, tmp_path / "whole.zip"), out, most_bytes=100_000)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x03\x04" + bytes(200)])
def test_what_is_no_zip_is_refused(out, content):
    with pytest.raises(InvalidDataset, match="no zip"):
        unpack(io.BytesIO(content), out)


def test_a_damaged_zip_is_refused(whole, out, tmp_path):
    raw = bytearray(zipped(whole, tmp_path / "whole.zip").read_bytes())
    raw[2_000:3_000] = bytes(1_000)
    with pytest.raises(InvalidDataset, match="no zip that can be read"):
        unpack(io.BytesIO(bytes(raw)), out)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_is_told_as_such_by_whatever_it_was_packed(out, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        packed.writestr("train.jsonl", random.Random(0).randbytes(5_000))
    raw = bytearray(stream.getvalue())
    raw[60:1_000] = b"\xff" * 940
    with pytest.raises(InvalidDataset, match="no zip that can be read"):
        unpack(io.BytesIO(bytes(raw)), out)


def test_one_name_in_two_spellings_of_unicode_is_twice_the_same(out):
    with pytest.raises(InvalidDataset, match="twice"):
        unpack(made([("train.jsonl", "{}"), ("caf\u00e9.wav", "x"), ("cafe\u0301.wav", "y")]), out)


def test_what_cannot_be_written_is_no_fault_of_the_data_set(whole, out, tmp_path):
    packed = zipped(whole, tmp_path / "whole.zip")
    with longest_file(1_000), pytest.raises(StorageFailed, match="the data set could not be stored"):
        unpack(packed, out)


def test_a_zip_with_a_password_is_refused(out):
    raw = bytearray(made([("train.jsonl", "{}")]).getvalue())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InvalidDataset, match="password"):
        unpack(io.BytesIO(bytes(raw)), out)
