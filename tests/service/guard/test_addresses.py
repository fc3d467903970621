"""What may be fetched from: hosts on a list, and the internet's addresses."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.guard.addresses import HostRule, is_public, parse_network

PUBLIC = ("8.8.8.8", "93.184.216.34", "1.1.1.1", "2001:4860:4860::8888", "2606:4700::1111")
# loopback, private, link-local (where clouds keep their credentials), shared, multicast, reserved, documentation, nowhere
INSIDE_4 = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *(
        "100.64.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.170",
    ),
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
)
INSIDE_6 = (
    *(
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
    ),
    *("100::1", "2001::1", "5f00::1", "64:ff9b:1::a00:1", "4000::1", "::8.8.8.8"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_is_public(address: str) -> None:
    """Addresses that hosts of the internet have may be reached."""
    assert is_public(address)


@pytest.mark.parametrize("address", [*INSIDE_4, *INSIDE_6])
def test_what_is_inside_is_not(address: str) -> None:
    """Nothing of this machine, this network, a cloud's own services, a group, or nowhere."""
    assert not is_public(address)


@pytest.mark.parametrize("address", INSIDE_4)
@pytest.mark.parametrize("disguise", ["::ffff:{}", "64:ff9b::{}", "2002:{}::1"])
def test_no_disguise_helps(address: str, disguise: str) -> None:
    """An inside address written as IPv6 (mapped, NAT64, 6to4) stays inside."""
    ip = IPv4Address(address)
    written = f"{int(ip) >> 16:x}:{int(ip) & 0xFFFF:x}"

    assert not is_public(disguise.format(written if "2002" in disguise else address))


@settings(max_examples=50)
@given(ip=st.ip_addresses(v=4))
def test_a_disguise_changes_nothing(ip: IPv4Address) -> None:
    """Whatever the address, IPv6's ways to write it are judged alike."""
    expected = is_public(str(ip))

    assert expected == is_public(f"::ffff:{ip}") == is_public(f"64:ff9b::{ip}")


@settings(max_examples=50)
@given(ip=st.ip_addresses())
def test_it_is_never_laxer_than_the_library(ip: IPv4Address | IPv6Address) -> None:
    """What `ipaddress` takes for private, loopback, link-local, multicast or unspecified is never public."""
    inner = getattr(ip, "ipv4_mapped", None) or ip
    if inner.is_private or inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_unspecified:
        assert not is_public(str(ip))


@settings(max_examples=50)
@given(ip=st.ip_addresses(v=4, network="10.1.0.0/16"), other=st.ip_addresses(v=4, network="10.2.0.0/15"))
def test_a_network_may_be_named(ip: IPv4Address, other: IPv4Address) -> None:
    """An operator's own network is reached when it is named, and no other with it."""
    named = [IPv4Network("10.1.0.0/16")]

    assert is_public(str(ip), named)
    assert is_public(f"::ffff:{ip}", named)
    assert not is_public(str(other), named)
    assert not is_public("169.254.169.254", named)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("images.example.com", ("https", "images.example.com", 443)),
        ("Images.Example.COM", ("https", "images.example.com", 443)),
        ("https://a.example:8443", ("https", "a.example", 8443)),
        ("http://a.example", ("http", "a.example", 80)),
        ("*.cdn.example", ("https", "*.cdn.example", 443)),
        ("http://10.1.2.3:9000", ("http", "10.1.2.3", 9000)),
        ("[2001:DB8::1]:8443", ("https", "2001:db8::1", 8443)),
        ("localhost", ("https", "localhost", 443)),
    ],
)
def test_rules_are_read(text: str, parts: tuple[str, str, int]) -> None:
    """Scheme and port are https's unless they are named."""
    assert HostRule(*parts) == HostRule.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "*.com",
        "a.*.com",
        "*a.com",
        "ftp://a",
        "file:///etc",
        "a/b",
        "a:0",
        "a:70000",
        "u@a",
        "a b",
        "münchen.de",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    """All hosts, half a name, another scheme, a path: an operator who writes that meant something else."""
    with pytest.raises(ValueError, match=r"no host|no port|top-level"):
        HostRule.parse(text)


@pytest.mark.parametrize(
    ("rule", "address", "held"),
    [
        ("a.example", ("https", "a.example", 443), True),
        ("a.example", ("http", "a.example", 443), False),
        ("a.example", ("https", "a.example", 8443), False),
        ("a.example", ("https", "b.a.example", 443), False),
        ("a.example", ("https", "a.example.evil.example", 443), False),
        ("*.a.example", ("https", "b.a.example", 443), True),
        ("*.a.example", ("https", "c.b.a.example", 443), True),
        ("*.a.example", ("https", "a.example", 443), False),
        ("*.a.example", ("https", "eva.example", 443), False),
        ("*.a.example", ("https", "*.a.example", 80), False),
        ("http://a.example:8080", ("http", "a.example", 8080), True),
        ("http://a.example:8080", ("https", "a.example", 8080), False),
    ],
)
def test_a_rule_holds_what_it_names(rule: str, address: tuple[str, str, int], *, held: bool) -> None:
    """Scheme, host and port all count; a star stands for what is below a name, and neither for it nor for its like."""
    assert held == HostRule.parse(rule).holds(*address)


def test_a_network_with_host_bits_is_refused() -> None:
    """10.0.0.1/8 is a slip: which of the two was meant?"""
    with pytest.raises(ValueError, match="host bits"):
        parse_network("10.0.0.1/8")


def test_no_address_is_an_error() -> None:
    """What is no address is never judged at all."""
    with pytest.raises(ValueError, match="does not appear"):
        is_public("localhost")
    assert ip_address("127.0.0.1").is_loopback
