"""Which addresses may be fetched from: the operator's list of hosts, and networks that are the internet's. Pure."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, Self

Network = IPv4Network | IPv6Network

# of the schemes that are fetched
PORTS = {"https": 443, "http": 80}
_RULE = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>(?:\*\.)?[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>\d{1,5}))?", re.ASCII
)
# what IPv6 hands out to the internet, and what stands for an IPv4 address where there is only IPv6 (RFC 6052)
_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# relays of 6to4 (RFC 7526) and examples (RFC 9637), which Python 3.11 takes for public
_NO_HOSTS: tuple[Network, ...] = (IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))


class HostRule(NamedTuple):
    """One place that may be fetched from: of `*.example.com` all below example.com, and not itself."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[scheme://]host[:port]`; without a scheme it is https, without a port the scheme's.

        Raises:
            ValueError: it is something else.
        """
        found = _RULE.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no host: write images.example.com, *.example.com or http://host:8080, in ASCII (xn--…)"
            )
        scheme, host = found["scheme"] or "https", found["host"].strip("[]").lower()
        port = int(found["port"] or PORTS[scheme])
        if not 0 < port < 2**16:
            raise ValueError(f"{text!r} has no port that there is")
        if host.startswith("*.") and host.count(".") < 2:
            raise ValueError(f"{text!r} is a whole top-level domain: name the hosts")
        return cls(scheme, host, port)

    def holds(self, scheme: str, host: str, port: int) -> bool:
        """Whether an address with these parts, in lower case, is one of these."""
        # with its dot: *.example.com holds a.example.com, and neither example.com nor anexample.com
        named = host.endswith(self.host[1:]) if self.host[0] == "*" else host == self.host
        return (named, scheme, port) == (True, self.scheme, self.port)


def is_public(address: str, others: Iterable[Network] = ()) -> bool:
    """Whether an IP address is one of the internet's hosts, or in one of the *others*.

    An address that stands for another (IPv4-mapped, NAT64, 6to4) is judged by that one. `is_global` of `ipaddress` alone says
    yes to multicast, site-local and NAT64 addresses.
    """
    ip = ip_address(address)
    if any(ip in network for network in others):
        return True
    if isinstance(ip, IPv6Address) and (inner := _inner(ip)) is not None:
        return is_public(str(inner), others)
    if isinstance(ip, IPv6Address) and ip not in _UNICAST:
        return False
    doubtful = ip.is_multicast or ip.is_reserved or any(ip in network for network in _NO_HOSTS)
    return ip.is_global and not doubtful


def parse_network(text: str) -> Network:
    """Read `10.0.0.0/8`.

    Raises:
        ValueError: it is no network.
    """
    return ip_network(text)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.sixtofour
