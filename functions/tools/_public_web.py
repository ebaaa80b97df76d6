"""HTTPS to hosts on the public internet, and to nothing else that this process could reach."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Resolve = Callable[[str, int], Iterable[str]]
"""The addresses of a host, as DNS says them now."""

MAX_REDIRECTS = 5
MAX_BYTES = 2 * 2**20
REDIRECTS = frozenset({301, 302, 303, 307, 308})
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
HEADERS = {
    "Accept": "text/html, text/plain, */*;q=0.1",
    "Accept-Encoding": "identity",
    "User-Agent": "Quarterdeck/1 (read_web_page)",
}


class Refused(Exception):
    """The page is not read; the text says why."""


class Page(NamedTuple):
    url: str
    """Of the last redirect."""
    content_type: str
    content: bytes


class PinnedConnection(HTTPSConnection):
    """To one address, with the certificate of the host: DNS is not asked again.

    Whatever is waited for after `seconds` ends: a host cannot hold it up byte by byte.
    """

    def __init__(
        self, host: str, port: int, address: Address, context: ssl.SSLContext, seconds: float
    ) -> None:
        super().__init__(host, port, context=context, timeout=seconds)
        self._tls = context
        self._address = address
        self._raw: socket.socket | None = None
        self._cut = threading.Timer(seconds, self._cut_off)
        self._cut.daemon = True

    def connect(self) -> None:
        connected = socket.create_connection((str(self._address), self.port), self.timeout)
        # TLS takes the socket over, and cannot be ended from another thread.
        self._raw = connected.dup()
        self._cut.start()
        self.sock = self._tls.wrap_socket(connected, server_hostname=self.host)

    def end(self) -> None:
        self._cut.cancel()
        if self._raw is not None:
            self._raw.close()
        self.close()

    def _cut_off(self) -> None:
        if self._raw is not None:
            with suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)


def fetch_page(
    url: str,
    seconds: float,
    resolve: Resolve,
    context: ssl.SSLContext | None = None,
) -> Page:
    """The page, after at most five redirects, all within `seconds`; Refused says why not."""
    deadline = time.monotonic() + seconds
    tls = context or ssl.create_default_context()
    for _ in range(MAX_REDIRECTS + 1):
        host, port, target = split_url(url)
        addresses = choose_addresses(host, resolve(host, port))
        try:
            answer = ask_host(host, port, target, addresses, tls, deadline)
        except (OSError, HTTPException) as error:
            find_left(deadline)
            reason = str(error) or type(error).__name__
            raise Refused(f"{host} cannot be read: {reason}") from None
        if isinstance(answer, Page):
            # What is cut off can look like an end.
            find_left(deadline)
            return answer._replace(url=url)
        url = urljoin(url, answer)
    raise Refused(f"over {MAX_REDIRECTS} redirects")


def split_url(url: str) -> tuple[str, int, str]:
    """Host, port and what is asked of it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        host = host.encode("idna").decode() if host.strip(".") else ""
    except (ValueError, UnicodeError):
        raise Refused(f"'{url}' is not a URL") from None
    if parts.scheme != "https":
        raise Refused(f"'{url}': only https:// is read")
    if not host:
        raise Refused(f"'{url}' names no host")
    if parts.username or parts.password:
        raise Refused("a URL with a user or a password is not read")
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    return host, port, quote_target(target)


def quote_target(target: str) -> str:
    """As a request line may hold it: what is not ASCII, and blanks, are escaped."""
    safe = target if target.startswith("/") else f"/{target}"
    return "".join(
        c if "!" <= c <= "~" else "".join(f"%{byte:02X}" for byte in c.encode(errors="replace"))
        for c in safe
    )


def look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused(f"the host {host} is not known to DNS") from None
    return [str(address[0]) for *_, address in found]


def choose_addresses(host: str, found: Iterable[str]) -> list[Address]:
    """Those that DNS names, each of them public; Refused if one is not."""
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(found)]
    if not addresses:
        raise Refused(f"the host {host} has no address")
    for address in addresses:
        if not is_public(address):
            raise Refused(f"the host {host} is at {address}, which is not on the public internet")
    return addresses


def is_public(address: Address) -> bool:
    """Whether it is of the public internet. Those that carry another address never are.

    Such are mapped and compatible ones, NAT64, 6to4 and Teredo: where they lead, a router decides.
    """
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in GLOBAL_UNICAST or address.sixtofour or address.teredo
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def ask_host(
    host: str,
    port: int,
    target: str,
    addresses: Sequence[Address],
    tls: ssl.SSLContext,
    deadline: float,
) -> Page | str:
    """The page, or where it has gone. The first address that can be connected to is asked."""
    failure: OSError | None = None
    for address in addresses:
        connection = PinnedConnection(host, port, address, tls, find_left(deadline))
        try:
            connection.connect()
        except OSError as error:
            connection.end()
            failure = error
            continue
        try:
            connection.request("GET", target, headers=HEADERS)
            return read_answer(connection.getresponse(), host)
        finally:
            connection.end()
    assert failure is not None  # noqa: S101 (there is an address)
    raise failure


def read_answer(response: HTTPResponse, host: str) -> Page | str:
    headers = response.headers
    if response.status in REDIRECTS and (location := headers.get("location")):
        return location
    if response.status != 200:
        raise Refused(f"{host} answered {response.status} {response.reason}".strip())
    kind = headers.get_content_type()
    if not is_text(kind):
        raise Refused(f"{host} sent {kind}: only text is read")
    if (encoding := headers.get("content-encoding", "identity")) != "identity":
        raise Refused(f"{host} sent its page compressed ({encoding}), which was not asked for")
    content = response.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Refused(f"the page is over {MAX_BYTES // 2**20} MiB")
    return Page("", headers.get("content-type", kind), content)


def is_text(content_type: str) -> bool:
    return content_type.startswith("text/") or content_type in {
        "application/json",
        "application/xhtml+xml",
        "application/xml",
    }


def find_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Refused("it took too long")
    return left
