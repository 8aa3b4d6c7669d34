"""Where a request came from."""

from __future__ import annotations

import pytest

from servers.proxy.addresses import client_address


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "address"),
    [
        ("203.0.113.7", "", 0, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", 0, "203.0.113.7"),  # anybody can write that
        ("127.0.0.1", "198.51.100.1", 1, "198.51.100.1"),
        ("127.0.0.1", "9.9.9.9, 198.51.100.1", 1, "198.51.100.1"),
        ("127.0.0.1", "9.9.9.9, 198.51.100.1, 10.0.0.1", 2, "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1", 3, "198.51.100.1"),
        ("127.0.0.1", "", 1, "127.0.0.1"),
        ("127.0.0.1", "unknown", 1, "127.0.0.1"),
        ("127.0.0.1", "<script>", 1, "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", 0, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", 0, "203.0.113.7"),
        ("fe80::1%eth0", "", 0, "fe80::/64"),
        ("127.0.0.1", "[2001:db8::1]", 1, "2001:db8::/64"),
        ("", "", 0, ""),
    ],
)
def test_an_address_is_what_the_trusted_proxies_say_and_nobody_else(remote, forwarded, trusted, address):
    assert client_address(remote, forwarded, trusted) == address
