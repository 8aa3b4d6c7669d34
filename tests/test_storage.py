"""What the operating system says of a file of Skylark's own: one typed error, and only for that."""

import errno
import os

import pytest

from servers.errors import StorageFailed
from servers.storage import storing


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.ENOENT, "a folder is missing"),
        (errno.EACCES, "may not be written"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_an_error_of_the_disk_says_what_was_to_be_stored_and_what_to_do_and_no_path(number, advice):
    with (
        pytest.raises(StorageFailed, match=f"^the audio could not be stored: .*{advice}") as raised,
        storing("the audio"),
    ):
        raise OSError(number, os.strerror(number), "/var/lib/skylark")
    assert "/var/lib" not in raised.value.message
    assert raised.value.http_status == 507


def test_an_error_without_a_number_says_at_least_that():
    with pytest.raises(StorageFailed, match="does not say why"), storing("the audio"):
        raise OSError("12 items requested but only 0 read of /var/lib/skylark")


def test_what_is_no_error_of_a_disk_stays_what_it_is():
    with pytest.raises(ConnectionResetError), storing("the audio"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
