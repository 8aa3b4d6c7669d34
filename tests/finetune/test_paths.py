"""Where audio lies in the bucket."""

from __future__ import annotations

import pytest

from servers.errors import InvalidRequest
from servers.finetune.paths import book_folder, check_part, job_folder
from tests.web.fixtures import Configure


def test_without_keys_it_is_the_documents_layout_and_with_keys_each_owner_has_one(
    configure: Configure,
) -> None:
    assert job_folder(None, "a1b2") == "audio/a1b2/"
    assert book_folder(None, "book_001", "chapter_1") == "audio/segments/book_001/chapter_1/"
    assert book_folder(None, "book_001") == "audio/segments/book_001/"
    assert job_folder("alice", "a1b2") == "audio/alice/a1b2/"
    configure(SKYLARK_S3__PREFIX="audio")
    assert job_folder("alice", "a1b2") == "audio/a1b2/"


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "/", "a\nb", "a\x00", "\ud800", "x" * 2_000])
def test_what_can_be_no_name_is_refused_by_its_field(configure: object, part: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_part(part, "audio/a1b2/", "s3_filename")
    assert refused.value.param == "s3_filename"
    with pytest.raises(InvalidRequest, match="job_id"):
        job_folder(None, part)
    with pytest.raises(InvalidRequest) as refused:
        book_folder(None, "book_001", part)
    assert refused.value.param == "chapter_id"
