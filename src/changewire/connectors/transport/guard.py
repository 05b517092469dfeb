"""Which network addresses may be reached when an address comes from data.

The tables are the IANA IPv4 and IPv6 Special-Purpose Address Registries (state of 2025):
https://www.iana.org/assignments/iana-ipv4-special-registry and https://www.iana.org/assignments/iana-ipv6-special-registry.
The standard library has tables as well, but their content differs between versions of Python.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address, ip_network

from changewire.connectors.transport.lookups import resolve
from changewire.errors import ApiError, FailureClass

_THIS_MACHINE, _LINK_LOCAL = "this machine itself", "a link-local address"
_MULTICAST, _RESERVED = "a multicast address", "a private or reserved address"
_METADATA = "the cloud's metadata address"
_PUBLIC = None
_TABLE: dict[str, str | None] = {
    "0.0.0.0/0": _PUBLIC,
    "0.0.0.0/8": _THIS_MACHINE,
    "10.0.0.0/8": _RESERVED,
    "100.64.0.0/10": _RESERVED,  # shared by the customers of a provider
    "127.0.0.0/8": _THIS_MACHINE,
    "168.63.129.16/32": "the cloud's own service address",  # looks public, answers inside Azure only
    "169.254.0.0/16": _LINK_LOCAL,
    "169.254.169.254/32": _METADATA,
    "172.16.0.0/12": _RESERVED,
    "192.0.0.0/24": _RESERVED,  # IETF protocol assignments
    "192.0.0.9/32": _PUBLIC,  # Port Control Protocol anycast
    "192.0.0.10/32": _PUBLIC,  # TURN anycast
    "192.0.2.0/24": _RESERVED,  # documentation, as the next three
    "198.51.100.0/24": _RESERVED,
    "203.0.113.0/24": _RESERVED,
    "192.88.99.0/24": _RESERVED,  # 6to4 relays, deprecated
    "192.168.0.0/16": _RESERVED,
    "198.18.0.0/15": _RESERVED,  # benchmarking
    "224.0.0.0/4": _MULTICAST,
    "240.0.0.0/4": _RESERVED,
    "::/0": _RESERVED,  # only 2000::/3 is assigned to unicast
    "::/128": _THIS_MACHINE,
    "::1/128": _THIS_MACHINE,
    "64:ff9b::/96": _PUBLIC,  # NAT64, as public as the IPv4 address inside
    "2000::/3": _PUBLIC,
    "2001::/23": _RESERVED,  # IETF protocol assignments, with Teredo, benchmarking and ORCHID
    "2001:1::1/128": _PUBLIC,  # Port Control Protocol anycast
    "2001:1::2/128": _PUBLIC,  # TURN anycast
    "2001:1::3/128": _PUBLIC,  # DNS-SD registration anycast
    "2001:3::/32": _PUBLIC,  # AMT
    "2001:4:112::/48": _PUBLIC,  # AS112-v6
    "2001:20::/28": _PUBLIC,  # ORCHIDv2
    "2001:30::/28": _PUBLIC,  # drone remote identification
    "2001:db8::/32": _RESERVED,  # documentation
    "3fff::/20": _RESERVED,  # documentation
    "fd00:ec2::254/128": _METADATA,
    "fe80::/10": _LINK_LOCAL,
    "ff00::/8": _MULTICAST,
}
_NETWORKS = sorted(((ip_network(text), why) for text, why in _TABLE.items()), key=lambda entry: -entry[0].prefixlen)
_EMBEDDING = tuple(  # the IPv4 address is in the last 32 bits
    ip_network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def refusal(address: IPv4Address | IPv6Address) -> str | None:
    """Return why ``address`` must not be reached, in words; None for an ordinary public one."""
    if isinstance(address, IPv6Address):
        for inner in _inner(address):
            if (why := refusal(inner)) is not None:
                return f"{why}, wrapped into IPv6"
    return next(why for network, why in _NETWORKS if address.version == network.version and address in network)


def _inner(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that are embedded in an IPv6 one."""
    number = int(address)
    inner = [address.sixtofour, *(address.teredo or ())]
    isatap = (number >> 32) & 0xFFFFFFFF in _ISATAP
    if number > 1 and (isatap or any(address in network for network in _EMBEDDING)):
        inner.append(IPv4Address(number & 0xFFFFFFFF))
    return [one for one in inner if one is not None]


def public_addresses(host: str, port: int) -> list[str]:
    """Return all addresses of ``host``, IPv4 first. Raises ApiError: bad_input when one of them is refused.

    One refused address is enough: a name that points both outside and inside is not to be trusted.
    """
    addresses = [ipaddress.ip_address(text) for text in resolve(host, port)]
    for address in addresses:
        if (why := refusal(address)) is not None:
            raise refused(host, address, why)
    return [str(address) for address in sorted(addresses, key=lambda one: one.version)]


def refused(host: str, address: IPv4Address | IPv6Address, why: str) -> ApiError:
    """Return the error for a ``host`` that leads to an ``address`` which `refusal` does not let through."""
    return ApiError(
        f"{host} leads to {address}, {why}, which is refused for addresses that come from data: "
        "if this is meant, set allow_private: true on the connection",
        FailureClass.BAD_INPUT,
        sent=False,
    )
