from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.connectors.transport.guard import public_addresses, refusal
from changewire.errors import ApiError, FailureClass


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "this machine itself"),
        ("0.0.0.0", "this machine itself"),
        ("::1", "this machine itself"),
        ("::", "this machine itself"),
        ("10.1.2.3", "a private or reserved address"),
        ("172.16.0.1", "a private or reserved address"),
        ("192.168.1.1", "a private or reserved address"),
        ("100.64.0.1", "a private or reserved address"),
        ("198.18.0.1", "a private or reserved address"),
        ("240.0.0.1", "a private or reserved address"),
        ("255.255.255.255", "a private or reserved address"),
        ("fc00::1", "a private or reserved address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("169.254.169.254", "the cloud's metadata address"),
        ("fd00:ec2::254", "the cloud's metadata address"),
        ("168.63.129.16", "the cloud's own service address"),
        ("::ffff:127.0.0.1", "this machine itself, wrapped into IPv6"),
        ("::127.0.0.1", "this machine itself, wrapped into IPv6"),
        ("64:ff9b::a9fe:a9fe", "the cloud's metadata address, wrapped into IPv6"),
        ("2002:7f00:1::", "this machine itself, wrapped into IPv6"),
        ("::ffff:10.0.0.1", "a private or reserved address, wrapped into IPv6"),
    ],
)
def test_addresses_that_are_refused(address: str, why: str) -> None:
    assert refusal(ipaddress.ip_address(address)) == why


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_not_refused(address: str) -> None:
    assert refusal(ipaddress.ip_address(address)) is None


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_into_ipv6_never_makes_it_allowed(address: ipaddress.IPv4Address) -> None:
    if refusal(address) is not None:
        assert refusal(ipaddress.IPv6Address(f"::ffff:{address}")) is not None
        assert refusal(ipaddress.IPv6Address(f"64:ff9b::{address}")) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1"])
def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ApiError, match="this machine itself") as caught:
        public_addresses(host, 80)
    assert caught.value.failure is FailureClass.BAD_INPUT
    assert not caught.value.sent
    assert "set allow_private: true on the connection" in str(caught.value)


def test_a_public_address_is_given_back_as_it_is() -> None:
    assert public_addresses("8.8.8.8", 443) == ["8.8.8.8"]


def test_a_name_that_does_not_exist_may_come_back() -> None:
    with pytest.raises(ApiError, match="cannot be resolved: check its spelling") as caught:
        public_addresses("nothing.invalid", 80)
    assert caught.value.failure is FailureClass.TRANSIENT
