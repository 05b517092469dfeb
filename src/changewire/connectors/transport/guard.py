"""Which addresses may be reached when an address comes from data."""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address, ip_network

from changewire.errors import ApiError, FailureClass

_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")
_SPECIAL = {
    IPv4Address("168.63.129.16"): "the cloud's own service address",  # looks public, answers inside Azure only
    IPv4Address("169.254.169.254"): "the cloud's metadata address",
    IPv6Address("fd00:ec2::254"): "the cloud's metadata address",
}


def refusal(address: IPv4Address | IPv6Address) -> str | None:
    """Why ``address`` must not be reached, in words; None for an ordinary public one."""
    if isinstance(address, IPv6Address):
        for inner in _inner(address):
            if (why := refusal(inner)) is not None:
                return f"{why}, wrapped into IPv6"
    if address in _SPECIAL:
        return _SPECIAL[address]
    if address.is_loopback or address.is_unspecified:
        return "this machine itself"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    return None if address.is_global else "a private or reserved address"


def _inner(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that hide in an IPv6 one."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in net for net in _NAT64) or (address in _COMPATIBLE and int(address) > 1):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def public_addresses(host: str, port: int) -> list[str]:
    """All addresses of ``host``, IPv4 first. Raises ApiError: bad_input when one of them is refused.

    One refused address is enough: a name that points both outside and inside is not to be trusted.
    """
    addresses = [ipaddress.ip_address(text) for text in _resolve(host, port)]
    for address in addresses:
        if (why := refusal(address)) is not None:
            raise ApiError(
                f"{host} leads to {address}, {why}, which is refused for addresses that come from data: "
                "if this is meant, set allow_private: true on the connection",
                FailureClass.BAD_INPUT,
                sent=False,
            )
    return [str(address) for address in sorted(addresses, key=lambda one: one.version)]


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"the name {host!r} cannot be resolved: check its spelling and this machine's DNS"
        raise ApiError(message, FailureClass.TRANSIENT, sent=False) from error
    return list(dict.fromkeys(str(entry[4][0]).split("%")[0] for entry in found))
