"""HTTPS to the public internet alone, whatever DNS and redirects say."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tools._public_web import Page, Refused, choose_addresses, fetch_page, is_public, look_up

PUBLIC = "93.184.215.14"
HOSTS = ("example.com", "www.example.com")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.2.1", "198.18.0.1"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:93.184.215.14", "::7f00:1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1"),
    ],
)
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_that_carries_another_is_never_public(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    for outer in (
        (0xFFFF << 32) | number,
        number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80),
        (0x20010000 << 96) | number,
    ):
        assert not is_public(ipaddress.IPv6Address(outer))


def test_one_address_that_is_not_public_is_enough() -> None:
    with pytest.raises(Refused) as raised:
        choose_addresses("rebind.example", [PUBLIC, "10.0.0.7"])
    assert str(raised.value) == (
        "the host rebind.example is at 10.0.0.7, which is not on the public internet"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "'http://example.com/': only https:// is read"),
        ("file:///etc/passwd", "'file:///etc/passwd': only https:// is read"),
        ("example.com", "'example.com': only https:// is read"),
        ("https://", "'https://' names no host"),
        ("https://[::1", "'https://[::1' is not a URL"),
        ("https://example.com:99999/", "'https://example.com:99999/' is not a URL"),
        ("https://me:word@example.com/", "a URL with a user or a password is not read"),
        ("https://a b/", "the host a b is not known to DNS"),
        ("https://localhost/", "which is not on the public internet"),
        ("https://127.0.0.1/", "is at 127.0.0.1, which is not on the public internet"),
        ("https://2130706433/", "is at 127.0.0.1, which is not on the public internet"),
        ("https://0x7f.1/", "is at 127.0.0.1, which is not on the public internet"),
        ("https://[::ffff:169.254.169.254]/", "which is not on the public internet"),
        ("https://169.254.169.254/latest/meta-data/", "which is not on the public internet"),
    ],
)
def test_what_is_not_read_says_why(url: str, said: str) -> None:
    with pytest.raises(Refused) as raised:
        fetch_page(url, 5, look_up)
    assert str(raised.value).endswith(said)


class Site:
    """A host on the internet: connections to PUBLIC come here, others are refused and counted."""

    def __init__(self, answer: Callable[[str], bytes], certificate: Path) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.connected: list[str] = []
        self.looked_up: list[str] = []
        self.found = [[PUBLIC]]
        self.server = socket.create_server(("127.0.0.1", 0))
        self.context = ssl.create_default_context(cafile=certificate)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.connect = socket.create_connection

    def resolve(self, host: str, port: int) -> list[str]:
        """What DNS says: another answer for each question, the last one for ever."""
        self.looked_up.append(host)
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    def create_connection(self, place: tuple[str, int], timeout: float) -> socket.socket:
        self.connected.append(place[0])
        if place[0] != PUBLIC:
            raise ConnectionRefusedError(f"{place[0]} refuses")
        return self.connect(self.server.getsockname(), timeout)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                self.serve_one(self.tls.wrap_socket(connection, server_side=True))

    def serve_one(self, connection: ssl.SSLSocket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            self.asked.append(request.split(b"\r\n", 1)[0].decode())
            self.send(connection, self.answer(self.asked[-1].split()[1]))

    def send(self, connection: ssl.SSLSocket, content: bytes) -> None:
        connection.sendall(content)

    def fetch(self, url: str = "https://example.com/a?b=c d#e", seconds: float = 5) -> Page:
        return fetch_page(url, seconds, self.resolve, self.context)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key, and the certificate of HOSTS that it has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, HOSTS)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "example.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    return file


@pytest.fixture
def open_site(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> Iterator[Callable[[Callable[[str], bytes]], Site]]:
    sites: list[tuple[Site, threading.Thread]] = []

    def start(answer: Callable[[str], bytes]) -> Site:
        site = Site(answer, certificate)
        thread = threading.Thread(target=site.serve)
        thread.start()
        sites.append((site, thread))
        monkeypatch.setattr(socket, "create_connection", site.create_connection)
        return site

    yield start
    for site, thread in sites:
        site.server.shutdown(socket.SHUT_RDWR)
        site.server.close()
        thread.join()


type OpenSite = Callable[[Callable[[str], bytes]], Site]


def respond(body: bytes = b"Hello", status: str = "200 OK", **headers: str) -> bytes:
    named = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_page_is_read(open_site: OpenSite) -> None:
    site = open_site(lambda _: respond())
    page = site.fetch()
    assert page.content == b"Hello"
    assert page.content_type == "text/plain; charset=utf-8"
    assert site.asked == ["GET /a?b=c%20d HTTP/1.1"]


def test_dns_is_asked_once_and_its_answer_is_where_it_connects(open_site: OpenSite) -> None:
    """A host that is public for the check and private after it is not asked again."""
    site = open_site(lambda _: respond())
    site.found = [[PUBLIC], ["127.0.0.1"]]
    assert site.fetch().content == b"Hello"
    assert (site.looked_up, site.connected) == (["example.com"], [PUBLIC])


def test_the_next_address_is_tried(open_site: OpenSite) -> None:
    site = open_site(lambda _: respond())
    site.found = [["1.1.1.1", PUBLIC]]
    assert site.fetch().content == b"Hello"
    assert site.connected == ["1.1.1.1", PUBLIC]
    site.found = [["1.1.1.1"]]
    with pytest.raises(Refused, match=r"^example\.com cannot be read: 1\.1\.1\.1 refuses$"):
        site.fetch()


def test_each_redirect_is_checked(open_site: OpenSite) -> None:
    site = open_site(lambda _: respond(status="302 Found", Location="https://www.example.com/x"))
    site.found = [[PUBLIC], ["169.254.169.254"]]
    with pytest.raises(Refused) as raised:
        site.fetch()
    assert str(raised.value) == (
        "the host www.example.com is at 169.254.169.254, which is not on the public internet"
    )
    assert site.looked_up == ["example.com", "www.example.com"]
    assert site.connected == [PUBLIC]


def test_a_redirect_to_plain_http_is_refused(open_site: OpenSite) -> None:
    site = open_site(lambda _: respond(status="301 Moved", Location="http://example.com/"))
    with pytest.raises(Refused, match="only https:// is read"):
        site.fetch()


def test_redirects_are_followed_five_times(open_site: OpenSite) -> None:
    def answer(path: str) -> bytes:
        hops = int(path[1:])
        return respond(status="303 See Other", Location=str(hops - 1)) if hops else respond()

    site = open_site(answer)
    assert site.fetch("https://example.com/5").url == "https://example.com/0"
    with pytest.raises(Refused, match=r"^over 5 redirects$"):
        site.fetch("https://example.com/6")


def test_the_certificate_is_the_hosts(open_site: OpenSite) -> None:
    site = open_site(lambda _: respond())
    with pytest.raises(Refused, match=r"^other.example cannot be read: .*[Hh]ostname mismatch"):
        site.fetch("https://other.example/")
    with pytest.raises(Refused, match=r"^example.com cannot be read: .*self-signed"):
        fetch_page("https://example.com/", 5, site.resolve)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (respond(status="404 Not Found"), "example.com answered 404 Not Found"),
        (respond(status="302 Found"), "example.com answered 302 Found"),
        (
            respond(Content_Type="image/png"),
            "example.com sent image/png: only text is read",
        ),
        (
            respond(Content_Encoding="gzip"),
            "example.com sent its page compressed (gzip), which was not asked for",
        ),
        (respond(b"a" * (2 * 2**20 + 1)), "the page is over 2 MiB"),
        (b"220 smtp ready\r\n", "example.com cannot be read: 220 smtp ready\r\n"),
        (b"", "example.com cannot be read: Remote end closed connection without response"),
    ],
)
def test_what_a_host_sends_is_limited(open_site: OpenSite, answer: bytes, said: str) -> None:
    with pytest.raises(Refused) as raised:
        open_site(lambda _: answer).fetch()
    assert str(raised.value) == said


@pytest.mark.parametrize("kept_back", [b"HTTP/1.1 200 OK", respond(b"a" * 1000)])
def test_a_host_that_sends_byte_by_byte_does_not_hold_it_up(
    open_site: OpenSite, monkeypatch: pytest.MonkeyPatch, kept_back: bytes
) -> None:
    site = open_site(lambda _: kept_back)

    def drip(connection: ssl.SSLSocket, content: bytes) -> None:
        for byte in content * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    monkeypatch.setattr(site, "send", drip)
    started = time.monotonic()
    with pytest.raises(Refused, match=r"^it took too long$"):
        site.fetch(seconds=0.5)
    assert time.monotonic() - started < 2
