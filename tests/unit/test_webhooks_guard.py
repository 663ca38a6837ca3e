"""Where we may send: the shared table of addresses and URLs, and that nothing is decided by a foreign library."""

import ipaddress
import json
import socket
from pathlib import Path

import pytest

from webhooks.guard import AddressBlocked, Guard, GuardedResolver, UrlRefused, is_open

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "webhooks" / "ssrf.json"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")


def vectors() -> dict[str, dict[str, str] | list[str] | list[dict[str, str]]]:
    return json.loads(VECTORS.read_text())


@needs_vectors
def test_blocked_addresses() -> None:
    given = vectors()
    for text in [*given["block"], *given["derived_block"]]:
        assert not is_open(ipaddress.ip_address(text)), text


@needs_vectors
def test_open_addresses() -> None:
    for text in vectors()["allow"]:
        assert is_open(ipaddress.ip_address(text)), text


@needs_vectors
def test_blocked_urls_whatever_the_scheme() -> None:
    for case in vectors()["derived_urls"]:
        for url in (case["url"], case["url"].replace("http://", "https://", 1)):
            if "nip.io" in url:
                continue  # a name like any other: what it resolves to is the resolver's and the socket's matter
            with pytest.raises(UrlRefused):
                Guard().check(url)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1", "fd00::1", "0.0.0.0", "::"]
)
def test_dev_opens_loopback_and_nothing_else(address: str) -> None:
    assert not is_open(ipaddress.ip_address(address), dev=True)
    assert is_open(ipaddress.ip_address("127.0.0.1"), dev=True)
    assert is_open(ipaddress.ip_address("::1"), dev=True)
    assert is_open(ipaddress.ip_address("::ffff:127.0.0.1"), dev=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/hooks?a=b",
        "https://xn--bcher-kva.example/%20",
        "https://1.1.1.1/",
        "https://[2001:4860:4860::8888]/",
        "https://a_b.example.org/",
    ],
)
def test_good_urls(url: str) -> None:
    assert Guard().check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///path",
        "http://example.com/",
        "HTTPS:example.com",
        "https://example.com:80/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://user@example.com/",
        "https://:@example.com/",
        "https://example.com/#part",
        "https://example.com./",
        "https://-a.example/",
        "https://a..example/",
        "https://intranet/",
        "https://printer.local/",
        "https://x.internal/",
        "https://localhost/",
        "https://bücher.example/",
        "https://example.com/ x",
        "https://example.com\\@10.0.0.1/",
        "https://example.com/\r\nx: y",
        "https://[::1/",
        "https://[v1.x]/",
        "https://[2001:4860:4860::8888%25eth0]/",
        "https://1.2.3/",
        "https://0x7f000001/",
        "https://127.0.0.0x1/",
        "https://010.8.8.8/",
        "https://10.0.0.1/",
        "ftp://example.com/",
        "//example.com/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2_048,
    ],
)
def test_refused_urls(url: str) -> None:
    with pytest.raises(UrlRefused):
        Guard().check(url)


def test_dev_urls() -> None:
    dev = Guard(dev=True)
    for url in ("http://127.0.0.1:8080/a", "http://localhost:1/", "http://[::1]:9/"):
        assert dev.check(url) == url
        with pytest.raises(UrlRefused):
            Guard().check(url)
    for url in ("http://10.0.0.1/", "http://a:b@127.0.0.1/", "file:///etc/passwd", "http://127.1/"):
        with pytest.raises(UrlRefused):
            dev.check(url)


@pytest.mark.parametrize(
    "target", ["127.0.0.1", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "not an address", ""]
)
def test_no_socket_to_a_blocked_address(target: str) -> None:
    with pytest.raises(AddressBlocked):
        Guard().make_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (target, 443)))


def test_a_socket_to_an_open_address() -> None:
    with Guard().make_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443))) as made:
        assert made.family is socket.AF_INET


async def test_the_resolver_leaves_out_what_is_blocked() -> None:
    async def lookup(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, "10.0.0.1"), (socket.AF_INET, "1.1.1.1"), (socket.AF_INET6, "fe80::1%eth0")]

    found = await GuardedResolver(Guard(), lookup).resolve("example.com", 443)
    assert [each["host"] for each in found] == ["1.1.1.1"]


async def test_a_name_with_only_blocked_addresses() -> None:
    async def lookup(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
        return [(socket.AF_INET, "127.0.0.1")]

    with pytest.raises(AddressBlocked):
        await GuardedResolver(Guard(), lookup).resolve("127.0.0.1.nip.example", 443)
    found = await GuardedResolver(Guard(dev=True), lookup).resolve("localhost", 80)
    assert [each["host"] for each in found] == ["127.0.0.1"]
